"""Sniffing: what an input is by its beginning, and the way out where that is no JSONL."""

from __future__ import annotations

import shlex
from codecs import BOM_UTF8
from collections.abc import Callable

from llmcli import jsonl
from llmcli.errors import UsageError

_LINES = 5  # that are not blank: one of them must be an object
_HEAD = 64  # bytes that tell a compressed file
_PACKED = {
    b"\x1f\x8b": ("compressed with gzip", "zcat"),
    b"BZh": ("compressed with bzip2", "bzcat"),
    b"\xfd7zXZ\0": ("compressed with xz", "xzcat"),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "zstdcat"),
    b"\x04\x22\x4d\x18": ("compressed with lz4", "lz4cat"),
}
_FRAME = (
    "python3 -c 'import pandas, sys; pandas.read_{}(sys.argv[1])"
    '.to_json(sys.stdout, orient="records", lines=True)\''
)
_CSV = "python3 -c 'import csv, json, sys; [print(json.dumps(row)) for row in csv.DictReader(sys.stdin{})]'"


class NoJsonl(UsageError):
    """The input is something else."""


class FirstLines:
    """Holds an input's first lines back until one of them shows that it is JSONL, which `check` is given then.

    `path` is the input's, None for a pipe.
    """

    def __init__(self, path: str | None, check: Callable[[bytes], None]) -> None:
        self._path = path
        self._check = check
        self._head = b""
        self._held: list[bytes] | None = []

    def through(self, block: bytes, lines: list[bytes]) -> list[bytes]:
        """The lines that may pass, `block` being what they came in (empty: the end). Raises NoJsonl."""
        if self._held is None:
            return lines
        if len(self._head) < _HEAD:
            self._head = (self._head + block)[:_HEAD]
            self._refuse(binary(self._head, self._path) or array(self._head, self._path))
        self._held += lines
        first = next((line for line in self._held[:_LINES] if _is_object(line)), None)
        self._refuse(self._held and array(self._held[0], self._path))
        if first is None and block and len(self._held) < _LINES:
            return []
        if first is not None:
            self._check(first)
        elif self._held:
            self._refuse(other(self._held, self._path))
        lines, self._held = self._held, None
        return lines

    def _refuse(self, error: NoJsonl | list[bytes] | None) -> None:
        if isinstance(error, NoJsonl):
            raise error


def binary(head: bytes, path: str | None) -> NoJsonl | None:
    """The error for a file that begins so, where it is compressed, a spreadsheet or Parquet."""
    for magic, (what, tool) in _PACKED.items():
        if head.startswith(magic):
            return _error(what, path, tool)
    if head.startswith(b"PAR1"):
        return _error("Parquet", path, _FRAME.format("parquet"), seekable=True)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        return _error("a spreadsheet", path, _FRAME.format("excel"), seekable=True)
    if not head.startswith(b"PK\x03\x04"):
        return None
    if (
        b"[Content_Types].xml" in head
        or b"mimetype" in head
        or (path or "").lower().endswith((".xlsx", ".ods"))
    ):
        return _error("a spreadsheet", path, _FRAME.format("excel"), seekable=True)
    return _error("a zip archive", path, "unzip -p", seekable=True)


def array(head: bytes, path: str | None) -> NoJsonl | None:
    """The error for text that begins as a JSON array does."""
    is_array = head.removeprefix(BOM_UTF8).lstrip().startswith(b"[")
    return _error("a JSON array", path, "jq -c '.[]'") if is_array else None


def other(lines: list[bytes], path: str | None) -> NoJsonl:
    """The error for lines none of which is an object."""
    name = (path or "").lower()
    if lines[0].startswith(b"{"):
        return _error("JSON, but not one object a line", path, "jq -c .")
    tab = name.endswith(".tsv") or b"\t" in lines[0]
    if tab or name.endswith(".csv") or b"," in lines[0] or b";" in lines[0]:
        delimiter = "\\t" if tab else ";" if lines[0].count(b";") > lines[0].count(b",") else ","
        how = "" if delimiter == "," else f', delimiter="{delimiter}"'
        return _error("no JSONL, but looks like CSV", path, _CSV.format(how), redirected=True)
    return _error("no JSONL", path, "jq -Rc '{prompt: .}'")


def _error(
    what: str, path: str | None, command: str, *, seekable: bool = False, redirected: bool = False
) -> NoJsonl:
    """The error that names the command which makes JSONL of it; `seekable`: it reads a file, and no pipe."""
    if path is None:
        todo = f"save it, then {command} FILE | llmcli batch -" if seekable else f"pipe it through {command}"
        return NoJsonl(f"stdin is {what}", todo=todo)
    name = ("<" if redirected else "") + shlex.quote(path)
    return NoJsonl(f"{path} is {what}", todo=f"e.g. {command} {name} | llmcli batch -")


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(jsonl.loads(line), dict)
    except ValueError:
        return False
