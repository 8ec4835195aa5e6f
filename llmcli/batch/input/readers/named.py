"""Files that are rows: their names as a pipe brings them, and what is in one of them when its turn comes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePath

from llmcli import files
from llmcli.batch.input.readers.entry import Batch, NamedFile
from llmcli.batch.input.shape import BadRow, not_utf8
from llmcli.errors import UsageError
from llmcli.request.reading import decode, without_final_newline
from llmcli.wire import Json


def read_names(blocks: Iterable[bytes]) -> Iterator[Batch]:
    """The names that a pipe brings: each ends in NUL (`find -print0`), or else in a newline."""
    end, tail, line = b"", b"", 1
    for block in blocks:
        tail += block
        if not end and (b"\0" in tail or b"\n" in tail):
            end = b"\0" if b"\0" in tail else b"\n"
        if end:
            *names, tail = tail.split(end)
            yield _batch(names, line)
            line += len(names)
    yield _batch([tail], line)


def _batch(names: list[bytes], first: int) -> Batch:
    found = [(line, NamedFile(os.fsdecode(name))) for line, name in enumerate(names, first) if name]
    return Batch([entry for _, entry in found], [line for line, _ in found])


def shown_path(path: str) -> str:
    r"""A name as text; what is no UTF-8 in it as `\xfc`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def is_matched(pattern: str, path: str) -> bool:
    """Whether a glob matches a path that need not be there: `**` is any directories, hidden names only where named."""
    return _matches(_parts(os.path.expanduser(pattern)), _parts(path))  # noqa: PTH111 - of text


def _parts(path: str) -> tuple[str, ...]:
    return PurePath(os.path.abspath(path)).parts  # noqa: PTH100 - which also resolves `..`


def _matches(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    if not pattern or not parts:
        return not parts and not any(each != "**" for each in pattern)
    first, rest = pattern[0], pattern[1:]
    if first == "**" and _matches(rest, parts):
        return True
    if parts[0].startswith(".") and not first.startswith("."):
        return False
    if first == "**":
        return _matches(pattern, parts[1:])
    return fnmatchcase(parts[0], first) and _matches(rest, parts[1:])


def fields_of(path: str) -> Json:
    """What a file's name says."""
    name = PurePath(shown_path(path))
    return {"path": shown_path(path), "name": name.name, "stem": name.stem}


def content_of(path: str) -> tuple[str, Json | None]:
    """The text of a file, and, where it is an image, audio or PDF, the content part of it. Raises BadRow."""
    name = shown_path(path)
    if not_utf8(os.fsencode(path)):
        raise BadRow("invalid_utf8", f"the name is not UTF-8: {name}")
    from llmcli.request.attachments import LARGEST, part_of, sniff  # here, since few rows are files

    data = _read(path, name, LARGEST)
    if not data:
        raise BadRow("invalid_file", f"{name} is empty")
    if len(data) > LARGEST:
        raise BadRow("invalid_file", f"{name} is too large: {LARGEST:,} bytes is the most")
    if sniff(data) is not None:
        return "", part_of(data, path, None)
    try:
        text = decode(data, name)
    except UsageError as error:
        raise BadRow("invalid_utf8", error.what) from None
    if "\0" in text:
        raise BadRow("invalid_file", f"{name} is binary, and of no type that can be attached")
    return without_final_newline(text), None


def _read(path: str, name: str, most: int) -> bytes:
    """No more of a file than shows that it is too large."""
    try:
        return files.read_regular(path, most + 1)
    except FileNotFoundError:
        raise BadRow("invalid_file", f"there is no file {name}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BadRow("invalid_file", f"cannot read {name}: {reason}") from None
