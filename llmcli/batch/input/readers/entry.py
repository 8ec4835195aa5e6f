"""Entries: what a reader finds in an INPUT before it is a row, and the batches in which it hands them on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import NamedTuple

from llmcli.batch.input.shape import BadRow
from llmcli.lean.dataclass import dataclass
from llmcli.wire import Json


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table: `names` are what templates call them, `titles` what stands in the header."""

    names: tuple[str, ...]
    titles: tuple[str, ...]


@dataclass(slots=True)
class Broken:
    """What stands where a row should be: its bytes, the error of it, and the columns that could be read."""

    content: bytes
    error: BadRow
    fields: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that is a row, to be read when its turn comes."""

    path: str


Entry = bytes | dict[str, object] | str | NamedFile | Broken
"""The JSON text of a row, the columns of a table's row, a line of text, a file, or what is broken."""


class Placed(NamedTuple):
    """An entry and where it stands: `number` of its row, 0-based, in `file`; see Row."""

    entry: Entry
    number: int
    line: int | None = None
    columns: Columns | None = None
    file: str | None = None
    before: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """What was found since the batch before, and the line where each begins, from 1 (None: of a file).

    `columns`: those of a table.
    """

    entries: Sequence[Entry]
    lines: Sequence[int | None]
    columns: Columns | None = None
