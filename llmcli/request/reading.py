"""Reading: bytes of arguments, files and stdin to text, without losing one."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from llmcli import jsonl
from llmcli.errors import UsageError
from llmcli.stdin import Stdin

ReadStdin = Callable[[], bytes]

_BLOCK = 1 << 18  # bytes
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode(data: bytes, name: str) -> str:
    """Bytes of an input called `name` to text: UTF-8 (a BOM is dropped) or UTF-16 with a BOM.

    Raises UsageError naming the offset of the first byte that does not fit.
    """
    encoding = "utf-16" if data.startswith(_UTF16) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        offset = error.start + (3 if encoding == "utf-8-sig" and data.startswith(codecs.BOM_UTF8) else 0)
        raise _no_text(name, data[offset : offset + 1], offset) from None


def blocks_of_text(blocks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """An input called `name` that comes in blocks, as UTF-8 without BOM and one final newline; see `decode`."""
    waiting = iter(blocks)
    first = b""
    while len(first) < len(codecs.BOM_UTF8) and (block := next(waiting, b"")):
        first += block
    if first.startswith(_UTF16):
        yield without_final_newline(decode(first + b"".join(waiting), name)).encode()
        return
    bom = codecs.BOM_UTF8 * first.startswith(codecs.BOM_UTF8)
    newline = b""
    for block in _checked(chain([first.removeprefix(bom)], waiting), name, len(bom)):
        yield newline + block.removesuffix(b"\n")
        newline = b"\n" * block.endswith(b"\n")


def _checked(blocks: Iterable[bytes], name: str, place: int) -> Iterator[bytes]:
    """Blocks of UTF-8 that hold whole characters, of blocks that begin at `place`."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for block in chain(filter(None, blocks), [b""]):
        waiting = len(decoder.getstate()[0])
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            start = error.start
            raise _no_text(name, error.object[start : start + 1], place - waiting + start) from None
        place += len(block)
        if text:
            yield text.encode()


def _no_text(name: str, found: bytes, offset: int) -> UsageError:
    problem = (
        f"{name} is not UTF-8 text: byte 0x{found[0]:02x} at offset {offset}"
        if found
        else f"{name} is not whole text: it ends inside a character at offset {offset}"
    )
    return UsageError(problem, todo="convert it (iconv -t UTF-8)")


def read_file(path: str, read_stdin: ReadStdin) -> str:
    """The text of a file, `-` being stdin, without its one final newline. Raises UsageError."""
    if path == "-":
        return without_final_newline(decode(read_stdin(), "stdin"))
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    return without_final_newline(decode(data, path))


def blocks_of_file(path: str, stdin: Callable[[], Iterable[bytes]]) -> Iterator[bytes]:
    """The same in blocks, see `blocks_of_text`. Raises UsageError, at once or at its place."""
    if path == "-":
        return blocks_of_text(stdin(), "stdin")
    return blocks_of_text(_blocks_of(path), path)


def _blocks_of(path: str) -> Iterator[bytes]:
    try:
        with Path(path).open("rb") as file:
            while block := file.read(_BLOCK):
                yield block
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str, error: OSError | ValueError) -> UsageError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return UsageError(f"cannot read {path}: {reason}", todo="check the path")


def load_json(value: str, flag: str, read_stdin: ReadStdin) -> Any:
    """The JSON that a flag names: the text itself where it begins like JSON, else a file. Raises UsageError."""
    inline = value.lstrip()[:1] in {"{", "["}
    where = flag if inline else f"{flag} {value}"
    text = argument(value) if inline else read_file(value.removeprefix("@"), read_stdin)
    try:
        return jsonl.loads(text)
    except ValueError as error:
        raise UsageError(f"{where} is not valid JSON: {error}") from None


def text_or_file(value: str, read_stdin: ReadStdin) -> str:
    """TEXT, or the content of FILE where the value is @FILE (@- is stdin)."""
    return read_file(value[1:], read_stdin) if value.startswith("@") else argument(value)


def argument(value: str) -> str:
    """A command-line word, refused with the byte's offset where it is not UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return decode(value.encode("utf-8", "surrogateescape"), "the argument")
    return value


def without_final_newline(text: str) -> str:
    """The text less one newline at its end: the one that every tool's output ends with."""
    return text.removesuffix("\n")


def words_or_stdin(words: Sequence[str], stdin: Stdin) -> str:
    """What the command line says: its words, then what was piped, unless a flag has taken that. Raises UsageError."""
    is_dash = list(words) == ["-"]
    piped = None
    if not stdin.taken and (is_dash or stdin.is_piped):
        piped = without_final_newline(decode(stdin.read(), "stdin"))
    typed = "" if is_dash else " ".join(argument(word) for word in words)
    return "\n\n".join(text for text in (typed, piped) if text)
