"""Lending: which open row goes to a worker next, and who has which."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from llmcli.batch.cluster.fund import Fund
from llmcli.batch.cluster.kept_answers import KeptAnswers
from llmcli.batch.cluster.messages import Lent
from llmcli.batch.engine.new_rows import Look, OpenRows, Unsent
from llmcli.batch.engine.outcomes import Stop
from llmcli.batch.engine.run import Records, Run, Source
from llmcli.batch.input.found import ReadFile
from llmcli.batch.input.readers.entry import NamedFile, Placed
from llmcli.batch.input.rows import Row, RowBuilder
from llmcli.batch.input.shape import BadRow
from llmcli.batch.ledger.final import Done
from llmcli.errors import BadCommand
from llmcli.lean.dataclass import dataclass

_LOOK = 256  # rows that are passed over before others have their turn


class Entries(Source, Protocol):
    """A source that can tell of a row without making it."""

    def entry(self) -> Placed | None:
        """The entry of the next row; None where none is ready. Raises LlmcliError."""

    def close(self) -> None:
        """Read no more."""


@dataclass(slots=True)
class Loan:
    """A row that is not final. `row` is made only where somebody here needs it, `holder` the worker that has it."""

    lent: Lent
    slot: int
    row: Row
    holder: int | None = None

    @property
    def place(self) -> int:
        """The row's place in the whole input."""
        return self.lent.placed.number + self.lent.placed.before

    @property
    def size(self) -> int:
        """About how many bytes it has."""
        entry = self.lent.placed.entry
        return self.row.size or (len(entry) if isinstance(entry, bytes | str) else 1000)


class HeldHere(NamedTuple):
    """What workers share of the machine that rows are lent by: kept answers, and the money of a file."""

    answers: KeptAnswers | None = None
    fund: Fund | None = None


NOTHING_HELD = HeldHere()


class Unmade(NamedTuple):
    """When a row need not be made here, but by the worker that has it: nothing is known of it, nobody looks at it."""

    builder: RowBuilder
    done: Done
    always: bool  # somebody looks at each

    def row_of(self, placed: Placed) -> Row:
        """The row, or, where that will do, its number."""
        number = placed.number
        if self.always or self.done.has_record(number) or self.done.is_away(number):
            return self.builder.placed(placed)
        return Row(number, None, 0, slot=number)


class _Kept:
    """The source of OpenRows: it keeps the entry that a row was made of."""

    def __init__(self, source: Entries, unmade: Unmade) -> None:
        self.source, self._unmade = source, unmade
        self.placed: Placed | None = None

    def start(self, wake: Callable[[], None]) -> None:
        """See Source."""
        self.source.start(wake)

    @property
    def ended(self) -> bool:
        """See Source."""
        return self.source.ended

    def next(self) -> Row | None:
        """See Source."""
        placed = self.source.entry()
        if placed is None:
            return None
        self.placed = placed
        return self._unmade.row_of(placed)


class Lender:
    """Gives one open row after the other: first those that came back, then new ones.

    Where answers are kept, rows are needed as they are made: see Unmade.
    """

    def __init__(
        self, run: Run, source: Entries, records: Records, unmade: Unmade, held: HeldHere = NOTHING_HELD
    ) -> None:
        self.answers, self.fund = held
        self._kept = _Kept(source, unmade)
        self._done = unmade.done
        self._rows = OpenRows(run, self._kept, records, unmade.done)
        self._returned: deque[int] = deque()
        self.loans: dict[int, Loan] = {}  # by their rows' place in the whole input

    def start(self, wake: Callable[[], None]) -> None:
        """Begin to read."""
        self._kept.start(wake)

    @property
    def is_done(self) -> bool:
        """Whether all rows are final."""
        return self._rows.exhausted and not self.loans

    def next(self) -> Loan | Unsent | Stop | Look:
        """The next row to be lent. Raises LlmcliError where the source cannot be read."""
        while self._returned:
            loan = self.loans.get(self._returned.popleft())
            if loan is not None and loan.holder is None:
                return loan
        found: Row | Stop | Look = Look.PASSED
        for _ in range(_LOOK):
            found = self._rows.open_row()
            if found is not Look.PASSED:
                break
        return self._loan(found) if isinstance(found, Row) else found

    def _loan(self, row: Row) -> Loan | Unsent | Stop:
        if row.error is not None:
            return Stop(row.error) if isinstance(row.error, BadCommand) else Unsent(row, row.error)
        placed = self._kept.placed
        assert placed is not None  # noqa: S101 - the row was made of it
        if isinstance(placed.entry, NamedFile):
            try:
                placed = placed._replace(entry=ReadFile.of(placed.entry))
            except BadRow as error:
                return Unsent(row, error)
        loan = Loan(Lent(placed, self._done.cost(row.slot)), row.slot, row)
        self.loans[loan.place] = loan
        return loan

    def returned(self, places: Iterable[int]) -> int:
        """Rows are nobody's any more, and go first; how many of them are not final."""
        count = 0
        for place in sorted(places):
            loan = self.loans.get(place)
            if loan is not None:
                loan.holder = None
                self._returned.append(place)
                count += 1
        return count
