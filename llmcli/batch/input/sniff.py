"""Sniffing: what an INPUT is by its beginning, and the way out where that can be no rows."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import PurePath

from llmcli.errors import UsageError
from llmcli.lean.pattern import lazy_pattern
from llmcli.settings.batch.table import InputFormat

_PACKED = {
    b"\x1f\x8b": ("compressed with gzip", "zcat"),
    b"BZh": ("compressed with bzip2", "bzcat"),
    b"\xfd7zXZ\0": ("compressed with xz", "xzcat"),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "zstdcat"),
    b"\x04\x22\x4d\x18": ("compressed with lz4", "lz4cat"),
}
_EXCEL = (
    "python3 -c 'import pandas, sys; pandas.read_excel(sys.argv[1])"
    '.to_json(sys.stdout, orient="records", lines=True)\''
)
_KINDS: dict[str, InputFormat] = {".jsonl": "jsonl", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet"}
_TEXT_BOM = (b"\xff\xfe", b"\xfe\xff")
_CR_ALONE = lazy_pattern(rb"\r(?!\n)")


class NotRows(UsageError):
    """The input is something that rows cannot be read from."""


def named_kind(path: str | None) -> InputFormat | None:
    """What a file is by its name."""
    return _KINDS.get(PurePath(path or "").suffix.lower())


def begun_kind(head: bytes) -> InputFormat:
    """What an INPUT is by its beginning."""
    if head.startswith(b"PAR1"):
        return "parquet"
    return {b"{": "jsonl", b"[": "json"}.get(head.lstrip()[:1], "lines")  # type: ignore[return-value]


def packed_as(head: bytes) -> tuple[str, str] | None:
    """How a file that begins so is compressed, and the tool that unpacks it to stdout; None where it is not."""
    return next((how for magic, how in _PACKED.items() if head.startswith(magic)), None)


def check_readable(head: bytes, kind: InputFormat | None, path: str | None) -> None:
    """Raise NotRows for a file that begins so, where it is compressed, a spreadsheet, or no text."""
    if (packed := packed_as(head)) is not None:
        raise _error(packed[0], path, packed[1], kind=kind)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise _error("a spreadsheet", path, _EXCEL, seekable=True)
    if head.startswith(b"PK\x03\x04"):
        office = b"[Content_Types].xml" in head or b"mimetype" in head
        if office or (path or "").lower().endswith((".xlsx", ".ods")):
            raise _error("a spreadsheet", path, _EXCEL, seekable=True)
        raise _error("a zip archive", path, "unzip -p", seekable=True, kind=kind)
    if head.startswith(b"PAR1") and kind not in {None, "parquet"}:
        raise _misnamed("Parquet", path, "parquet")
    if kind == "parquet" and head and not head.startswith(b"PAR1"):
        raise NotRows(f"{path or 'stdin'} is no Parquet", todo="check what wrote it, or say --input-format")
    if kind in {None, "lines"} and b"\0" in head and not head.startswith((*_TEXT_BOM, b"PAR1")):
        raise NotRows(f"{path or 'stdin'} is no text", todo="to make a row of each file: --each GLOB")


def check_text(head: bytes, kind: InputFormat, path: str | None) -> None:
    """Raise NotRows where text that begins so is not what it is said to be; `head` is as much as came at once."""
    if kind == "jsonl" and head.lstrip().startswith(b"["):
        raise _misnamed("a JSON array", path, "json")
    if kind == "json" and not head.lstrip().startswith(b"[") and head.strip():
        raise NotRows(f"{path or 'stdin'} is no JSON array", todo="say --input-format jsonl, or what it is")
    if kind in {"csv", "tsv", "lines"} and b"\n" not in head and _CR_ALONE.search(head[:-1]):
        tail = "" if kind == "lines" else f" --input-format {kind}"
        name = "" if path is None else f" <{shlex.quote(path)}"
        raise NotRows(
            f"the lines of {path or 'stdin'} end in CR alone",
            todo=f"e.g. tr '\\r' '\\n'{name} | llmcli batch -{tail}",
        )


def no_jsonl(lines: Sequence[bytes], path: str | None) -> NotRows:
    """The error for lines among which there is no object."""
    name = (path or "").lower()
    if lines[0].startswith(b"{"):
        return _error("JSON, but not one object a line", path, "jq -c .")
    if name.endswith(".tsv") or b"\t" in lines[0]:
        return _misnamed("no JSONL, but looks like TSV", path, "tsv")
    if name.endswith(".csv") or b"," in lines[0] or b";" in lines[0]:
        return _misnamed("no JSONL, but looks like CSV", path, "csv")
    return _misnamed("no JSONL", path, "lines")


def no_objects(path: str | None) -> NotRows:
    """The error for an array without an object in it."""
    return _error("a JSON array, but not one of objects", path, "jq -r '.[]'", kind="lines")


def _misnamed(what: str, path: str | None, kind: InputFormat) -> NotRows:
    return NotRows(f"{path or 'stdin'} is {what}", todo=f"say --input-format {kind}")


def _error(
    what: str, path: str | None, command: str, *, seekable: bool = False, kind: InputFormat | None = None
) -> NotRows:
    """The error that names the command which makes rows of it; `seekable`: it reads a file, and no pipe."""
    unpacked = kind or named_kind(str(PurePath(path).with_suffix("")) if path else None)
    tail = f" --input-format {unpacked}" if unpacked not in {None, "jsonl"} and command != _EXCEL else ""
    if path is None:
        todo = f"save it, then {command} FILE | llmcli batch -" if seekable else f"pipe it through {command}"
        return NotRows(f"stdin is {what}", todo=todo)
    return NotRows(f"{path} is {what}", todo=f"e.g. {command} {shlex.quote(path)} | llmcli batch -{tail}")
