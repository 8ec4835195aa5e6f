"""What stdout gets of a record, and stderr of a failure, where nothing is written to files."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import field

from llmcli.batch.input.rows import Row
from llmcli.batch.views.cells import Risky, csv_header, csv_row, text_line, tsv_row
from llmcli.batch.views.table import Answering, OwnColumns, input_of, parsed_record
from llmcli.exchange.chosen import labels_of_choice
from llmcli.lean.dataclass import dataclass
from llmcli.wire import Json


class Form:
    """A form of an answer: its record."""

    def of(self, line: bytes, record: Json) -> bytes:  # noqa: ARG002 - for others
        """The bytes of a record."""
        return line

    def end(self) -> bytes:
        """What there is to be said where no answer came."""
        return b""


@dataclass
class Filtered:
    """Answers in a form of their own, those of some labels alone; of failures `tell` is given a line each.

    `passing`: the labels, empty: all answers. `where` says of each row that is under way where it stands.
    """

    form: Form
    tell: Callable[[str], None]
    passing: Collection[str] = ()
    where: dict[tuple[str | None, int], str] = field(default_factory=dict)

    def see(self, row: Row) -> None:
        """A row is begun."""
        self.where[row.file, row.number] = row.where

    def shown(self, line: bytes, *, failed: bool) -> bytes:
        """See Shape."""
        record = parsed_record(line)
        about = record["llmcli"]
        where = self.where.pop((about.get("file"), about["row"]), str(record["custom_id"]))
        if failed:
            self.tell(failure_of(record, where))
            return b""
        labels = labels_of_choice(about.get("choice"))
        if self.passing and not (labels and set(labels) <= set(self.passing)):
            return b""
        return self.form.of(line, record)

    def end(self) -> bytes:
        """See Shape."""
        return self.form.end()


@dataclass
class TextForm(Form):
    """A line an answer."""

    answering: Answering
    null: bool = False

    def of(self, line: bytes, record: Json) -> bytes:  # noqa: ARG002
        """See Form."""
        return text_line(self.answering.text(record), null=self.null)


@dataclass
class TableForm(Form):
    """A row an answer, below a header. The columns are those of the first row, which `own` gives.

    What a later row has more is left out, and `say` is told once.
    """

    is_csv: bool
    answering: Answering
    risky: Risky
    own: Callable[[], OwnColumns]
    say: Callable[[str], None]
    _has_header: bool = field(default=False, init=False)
    _has_told: bool = field(default=False, init=False)

    def of(self, line: bytes, record: Json) -> bytes:  # noqa: ARG002
        """See Form."""
        head, fields = self._header(), input_of(record) or {}
        if not self._has_told and (more := fields.keys() - self.own().names.keys()):
            self._has_told = True
            names = ", ".join(name for name in fields if name in more)
            self.say(
                f"row {record['llmcli']['row']} has more columns than the first, which are left out: {names}"
            )
        row = csv_row if self.is_csv else tsv_row
        return head + row([*self.own().cells(fields), *self.answering.cells(record)], self.risky)

    def end(self) -> bytes:
        """See Form."""
        return self._header()

    def _header(self) -> bytes:
        if self._has_header:
            return b""
        self._has_header = True
        header = csv_header if self.is_csv else tsv_row
        return header([*self.own().header(), *self.answering.names], self.risky)


def failure_of(record: Json, where: str) -> str:
    """A failure as a line: its row, where that stands, its code and what happened."""
    row, error = record["llmcli"]["row"], record["error"]
    place = f" ({where})" if where else ""
    return f"row {row}{place}: {error['code']}: {error['message']}"
