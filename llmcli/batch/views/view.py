"""The view: a table, or lines, made anew from the records of a batch at a run's end, in the order of its input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field

from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.final import key_in
from llmcli.batch.views.cells import Risky, csv_header, csv_row, text_line, tsv_row
from llmcli.batch.views.kept import Keep
from llmcli.batch.views.table import Answering, OwnColumns, input_of, parsed_record
from llmcli.errors import UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.settings.batch.view import ViewKind
from llmcli.wire import Json

ViewLines = Callable[[], Iterator[bytes]]
"""The records of all rows that are final, in the order of the input; each call begins anew."""

Rows = Callable[[], Iterator[Row]]
"""The rows of the input; each call begins anew."""


@dataclass
class View:
    """How records are shown. `titles` are those of the input's columns, by their names, `keep` which of them there are.

    `count` is how many rows the last one had.
    """

    kind: ViewKind
    answering: Answering
    risky: Risky
    null: bool = False
    keep: Keep = field(default_factory=lambda: Keep(None))
    titles: Mapping[str, str] = field(default_factory=dict)
    count: int = field(default=0, init=False)

    def pieces(self, lines: ViewLines, rows: Rows) -> Iterator[bytes]:
        """The bytes of the view, a row at a time. Raises UsageError where columns would have one name."""
        self.count = 0
        if self.kind == "txt":
            yield from self._texts(lines)
            return
        own = OwnColumns(self.titles, dict.fromkeys(self.titles))
        for _, fields in self._filled(lines, rows):
            own.see(fields)
        self.answering.check(own.header())
        is_csv = self.kind == "csv"
        header, row = (csv_header, csv_row) if is_csv else (tsv_row, tsv_row)
        yield header([*own.header(), *self.answering.names], self.risky)
        for record, fields in self._filled(lines, rows):
            self.count += 1
            yield row([*own.cells(fields), *self.answering.cells(record)], self.risky)

    def _texts(self, lines: ViewLines) -> Iterator[bytes]:
        for line in lines():
            self.count += 1
            yield text_line(self.answering.text(parsed_record(line)), null=self.null)

    def _filled(self, lines: ViewLines, rows: Rows) -> Iterator[tuple[Json, Json]]:
        """(record, the row's own columns) of each row.

        They come from the input where the record does not have them, all of them where it has others than the table.
        """
        from_input: FromInput | None = None
        for line in lines():
            record = parsed_record(line)
            own = input_of(record)
            if own is None or (self.titles and own.keys() != self.titles.keys()):
                from_input = from_input or FromInput(rows())
                row = from_input.row(record, needed=own is None)
                own = own if row is None else self.keep.of(row)
            yield record, self.keep.chosen(own or {})


class FromInput:
    """The rows of the input to records, asked for in their order."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._row: Row | None = None

    def row(self, record: Json, *, needed: bool) -> Row | None:
        """The row of a record; None where the input does not have it, or UsageError where it is needed."""
        number, key = record["llmcli"]["row"], key_in(record["id"])
        while self._row is None or (self._row.number < number if key is None else self._row.key != key):
            self._row = next(self._rows, None)
            if self._row is None and not needed:
                return None
            if self._row is None:
                raise UsageError(
                    f"neither the record of row {number} nor INPUT has its columns",
                    todo="give the INPUT that the records were made of, or name OUT.jsonl with -O",
                )
        return self._row
