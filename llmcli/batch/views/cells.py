"""Cells: text and numbers as CSV and TSV have them, so that every reader gets the same rows without being told how.

In CSV each text that is not empty is quoted, whatever is in it: duckdb looks for quotes in the first rows alone, and
drops a row that begins with a bare `#`; numbers and booleans are bare, so that readers see their type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from llmcli import jsonl
from llmcli.lean.dataclass import dataclass
from llmcli.lean.pattern import lazy_pattern

_NUMBER = lazy_pattern(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
_RUN = lazy_pattern(r"[=+\-@\t]")  # how a cell begins that a spreadsheet runs
_MARKED = lazy_pattern(r"'+[=+\-@\t]")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class Bare(str):
    """A number or a boolean, as it is written."""

    __slots__ = ()


Cell = str | None
"""A text, a Bare, or nothing."""


@dataclass
class Risky:
    """Counts cells that a spreadsheet would run, and with `mark` puts an apostrophe before them.

    One that begins with apostrophes before such a sign gets one more, so that taking one away gives what it was.
    """

    mark: bool = False
    count: int = field(default=0, init=False)

    def safe(self, text: str) -> str:
        """The text of a cell, marked where that is asked for."""
        if _RUN.match(text) and not _NUMBER.fullmatch(text):
            self.count += 1
        elif not (self.mark and _MARKED.match(text)):
            return text
        return f"'{text}" if self.mark else text


def csv_row(cells: Sequence[Cell], risky: Risky) -> bytes:
    """A row of a CSV, with its end. In a view of one column an empty cell is `""`, for an empty line is no row."""
    if len(cells) == 1 and not cells[0]:
        return b'""\n'
    return _encoded(",".join([_csv(cell, risky) for cell in cells]))


def csv_header(names: Sequence[str], risky: Risky) -> bytes:
    """The header, whose names are quoted, the empty ones too."""
    return _encoded(",".join([_csv(name, risky) or '""' for name in names]))


def _csv(cell: Cell, risky: Risky) -> str:
    if not cell:
        return ""
    if isinstance(cell, Bare):
        return cell
    return f'"{risky.safe(cell).replace(chr(34), chr(34) * 2)}"'


def tsv_row(cells: Sequence[Cell], risky: Risky) -> bytes:
    """A row of a TSV on one line: nothing is quoted; tab, line ends and backslash are escapes."""
    return _encoded("\t".join([_tsv(cell, risky) for cell in cells]))


def _tsv(cell: Cell, risky: Risky) -> str:
    if not cell or isinstance(cell, Bare):
        return cell or ""
    return risky.safe(cell).translate(_ESCAPES)


def _encoded(line: str) -> bytes:
    """The bytes of a line; half a character, which UTF-8 has no bytes for, is U+FFFD."""
    try:
        return f"{line}\n".encode()
    except UnicodeEncodeError:
        return f"{jsonl.mended(line)}\n".encode()


_LINE_ENDS = lazy_pattern(r"\r\n|\n|\r")


def text_line(text: str, *, null: bool) -> bytes:
    """An answer as one line, its own line ends as spaces; `null`: as it is, with NUL behind it."""
    if null:
        return jsonl.mended(text).encode() + b"\0"
    return _encoded(_LINE_ENDS.sub(" ", text.rstrip("\r\n")))
