"""A table of records: which columns it has, and the cells that a record gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from functools import cached_property

from llmcli import jsonl
from llmcli.batch.views.answers import Properties, answer_of, answers_of, own_cell
from llmcli.batch.views.cells import Cell
from llmcli.errors import UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.request.written import as_written
from llmcli.wire import Json

_RENAME = "name the answer's columns with --into NAME"


@dataclass(frozen=True)
class Answering:
    """The columns that an answer has: one, or one for each property of a schema. `into` is their name or its beginning.

    `with_error`: one more for the code of a failure; `read` is done to an answer that has one column.
    """

    into: str | None = None
    properties: Properties | None = None
    with_error: bool = True
    read: Callable[[str], str] = str

    @property
    def names(self) -> list[str]:
        """Their names."""
        found = self.properties.names if self.properties else ()
        names = [f"{self.into}_{name}" if self.into else name for name in found] or [self.into or "answer"]
        return [*names, *([self.error] if self.with_error else [])]

    @cached_property
    def taken(self) -> frozenset[str]:
        """Names that no column of the rows may have."""
        return frozenset(self.names)

    @property
    def error(self) -> str:
        """The name of the column for the code of a failure."""
        return f"{self.into}_error" if self.into else "error"

    def text(self, record: Json) -> str:
        """The answer of a record in one cell or line."""
        return answer_of(record, self.read)

    def cells(self, record: Json) -> list[Cell]:
        """The cells of a record."""
        cells: list[Cell] = [self.text(record)]
        if self.properties:
            cells = self.properties.cells(answers_of(record))
        error = record["error"]
        return [*cells, error and str(error["code"])] if self.with_error else cells

    def check(self, own: Iterable[str]) -> None:
        """Raise UsageError where two columns would have one name, those of the rows' `own` among them."""
        own = set(own)
        seen = set(own)
        for name in self.names:
            if name in seen:
                what = "two columns would be called" if name not in own else "the rows have a column"
                raise UsageError(f"{what} {name}", "-O", _RENAME)
            seen.add(name)


@dataclass
class OwnColumns:
    """The columns that rows bring: their names in the order in which they were first seen, and their titles."""

    titles: Mapping[str, str] = field(default_factory=dict)
    names: dict[str, None] = field(default_factory=dict)

    def see(self, fields: Json) -> None:
        """Take in a row's."""
        if not fields.keys() <= self.names.keys():
            self.names |= dict.fromkeys(fields)

    def header(self) -> list[str]:
        """What stands over them: a column without a name has none."""
        return [self.titles.get(name, name) for name in self.names]

    def cells(self, fields: Json) -> list[Cell]:
        """The cells of a row."""
        return [own_cell(fields.get(name)) for name in self.names]


def parsed_record(line: bytes) -> Json:
    """The record of a line, with the numbers of the row's own as they stand there."""
    record: Json = jsonl.loads(line)
    own = record["llmcli"].get("input")
    if own and not all(isinstance(value, str) for value in own.values()):
        record["llmcli"]["input"] = as_written(line, record)["llmcli"]["input"]
    return record


def input_of(record: Json) -> Json | None:
    """The row's own columns in its record; None where they were not kept."""
    own: Json | None = record["llmcli"].get("input")
    return own
