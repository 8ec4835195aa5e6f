"""New rows: those of the source that are not final yet, each as a job, one at a time."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from llmcli.batch.engine.money import Money
from llmcli.batch.engine.outcomes import Stop
from llmcli.batch.engine.run import Job, Records, Run, Source
from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.final import Done, changed
from llmcli.errors import BadCommand, LlmcliError, UsageError
from llmcli.lean.maker import maker


class Look(Enum):
    """What a look at the source gives that is nothing to act on."""

    PASSED = auto()  # a row that is final, or away
    NOTHING = auto()  # no row is ready, or none may be begun


class Unsent(NamedTuple):
    """A row that cannot be sent, and why."""

    row: Row
    error: LlmcliError


class OpenRows:
    """Looks at one row after the other, counts them, and passes over those that are final or away."""

    def __init__(self, run: Run, source: Source, records: Records, done: Done) -> None:
        self._plan, self._stats, self._limit = run.plan, run.stats, run.plan.limit
        self._source = source
        self._records = records
        self._done = done
        self._resumes = bool(done) or done.has_away  # else no row needs to be looked up in it
        self._held: Row | None = None  # a row that is to be begun, once the records have room

    @property
    def exhausted(self) -> bool:
        """Whether no row will come any more."""
        return self._held is None and (self._source.ended or self._is_past_limit())

    def _is_past_limit(self) -> bool:
        return self._limit is not None and self._stats.rows >= self._limit

    def open_row(self) -> Row | Stop | Look:
        """The next row that is to be begun, if it is one. A source that cannot be read is a Stop."""
        row, self._held = self._held, None
        try:
            if row is None and (self._is_past_limit() or (row := self._taken()) is None):
                return Look.NOTHING
        except LlmcliError as error:
            return Stop(error)
        if self._resumes:
            if (stop := self._changed(row)) is not None:
                return stop
            if self._done.is_final(row.slot) or self._done.is_away(row.slot):
                return self._passed(row)
        if not self._records.room(row.slot):
            self._held = row
            return Look.NOTHING
        return row

    def _changed(self, row: Row) -> Stop | None:
        """See to a row whose body may be another than the one that is done."""
        if self._done.has_changed(row):
            if self._plan.on_change == "stop":
                return Stop(changed(row))
            if self._plan.on_change == "rerun":
                self._done.reopen(row.slot)
        self._stats.earlier, self._stats.earlier_failed = self._done.count, self._done.failed
        return None

    def _taken(self) -> Row | None:
        """The next row of the source, which is counted."""
        row = self._source.next()
        if row is not None:
            self._stats.rows += 1
            if row.key is not None:
                self._done.admit(row)
        return row

    def _passed(self, row: Row) -> Stop | Look:
        """A row that is final, or away."""
        if self._done.is_away(row.slot):
            self._stats.away += 1
            return Look.PASSED
        if self._plan.beside is not None:
            try:
                self._plan.beside.passed(row)
            except LlmcliError as error:
                return Stop(error)
        return Look.PASSED


class NewRows(OpenRows):
    """The rows that are to be begun, as jobs."""

    def __init__(self, run: Run, source: Source, records: Records, done: Done, money: Money) -> None:
        super().__init__(run, source, records, done)
        self._money = money
        self._make = maker(Job)

    def next(self) -> Job | Unsent | Stop | Look:
        """What the next row is. A source that cannot be read is a Stop."""
        row = self.open_row()
        if not isinstance(row, Row):
            return row
        if row.request is None:
            return self._unsent(row, row.error)
        make = self._make
        job = make(row, row.request)
        if self._resumes:
            job.carried = self._done.cost(row.slot)
        if self._money.is_limited:
            try:
                self._money.price(job)
            except UsageError as unpriced:
                return self._unsent(row, unpriced)
        return job

    def _unsent(self, row: Row, error: LlmcliError | None) -> Unsent | Stop:
        """A row that cannot be sent; where it would be the same with every other row, the end."""
        assert error is not None  # noqa: S101 - a row has a request or an error
        is_first = row.request is not None and not self._stats.sent and row.request.name == self._plan.model
        return Stop(error) if isinstance(error, BadCommand) or is_first else Unsent(row, error)
