"""Reading: bytes of arguments, files and stdin to text, without losing one."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from llmcli import jsonl
from llmcli.errors import UsageError
from llmcli.stdin import Stdin

ReadStdin = Callable[[], bytes]

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
        raise UsageError(
            f"{name} is not UTF-8 text: byte 0x{data[offset]:02x} at offset {offset}"
            if offset < len(data)
            else f"{name} is not whole text: it ends inside a character at offset {offset}",
            todo="convert it (iconv -t UTF-8)",
        ) from None


def read_file(path: str, read_stdin: ReadStdin) -> str:
    """The text of a file, `-` being stdin, without its one final newline. Raises UsageError."""
    if path == "-":
        return without_final_newline(decode(read_stdin(), "stdin"))
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"cannot read {path}: {reason}", todo="check the path") from None
    return without_final_newline(decode(data, path))


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


def said(words: Sequence[str], stdin: Stdin) -> str:
    """What the command line says: its words, then what was piped, unless a flag has taken that. Raises UsageError."""
    is_dash = list(words) == ["-"]
    piped = None
    if not stdin.taken and (is_dash or stdin.is_piped):
        piped = without_final_newline(decode(stdin.read(), "stdin"))
    typed = "" if is_dash else " ".join(argument(word) for word in words)
    return "\n\n".join(text for text in (typed, piped) if text)
