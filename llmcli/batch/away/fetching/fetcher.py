"""The fetcher: brings what a batch has done, and accounts for each of its rows: final, or open again.

Answers are judged as live ones are, and their records made, by the same code. What is final already is passed over, so
that a fetch that was killed, or cut off, begins anew at no cost.
"""

from __future__ import annotations

from typing import NamedTuple

from llmcli.batch.away.desk import Desk, slot_of
from llmcli.batch.away.fetching.results import AwayError, Delivery, Result, result_of
from llmcli.batch.away.manifest import Portion
from llmcli.batch.away.spool import Spooled
from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.records import failure_line, success_line
from llmcli.errors import (
    AuthFailure,
    BrokenOff,
    CallFailed,
    Invalid,
    LlmcliError,
    QuotaExhausted,
    Rejected,
    Told,
    TransientFailure,
)
from llmcli.exchange.exchange import Exchanged, Way, exchange
from llmcli.exchange.layers.fallback import another_may
from llmcli.output.report import Report, tokens_of
from llmcli.transport.batches.base import BatchApi, BatchSeen
from llmcli.transport.stars import secrets_of, without

_CUTS = 5  # downloads that may break off and bring nothing new
_LOST = 2  # batches that a row may go missing in
_FEW = 5  # of what is missing, that is named
_SHARED = (AuthFailure, QuotaExhausted, TransientFailure)  # what another batch may not meet


class Fetched(NamedTuple):
    """What became of a portion's rows. `aside`: those that are to be mended live, each with what the batch brought."""

    ok: int
    failed: int
    open: int
    aside: tuple[tuple[Row, Result], ...] = ()


class Fetcher:
    """Fetches one batch."""

    def __init__(self, desk: Desk, portion: Portion, api: BatchApi, seen: BatchSeen) -> None:
        self._desk, self._portion, self._api, self._seen = desk, portion, api, seen
        self._like = desk.like(portion)
        self._rows = Spooled(desk.manifest, portion, lambda about: slot_of(about, desk.done))
        self._final = bytearray(len(self._rows))
        self._open: dict[int, LlmcliError] = {}
        self._aside: dict[int, tuple[Row, Result]] = {}
        self._unknown = 0
        self._key: str | None = None
        self._ok = self._failed = 0

    async def fetch(self) -> Fetched:
        """Bring all that there is. Raises CallFailed where it cannot be had now: then nothing is settled."""
        try:
            for index in range(len(self._rows)):
                self._final[index] = self._desk.done.is_final(self._rows.slots[index])
            self._blame_lines()
            self._key = await self._api.key()
            delivery = Delivery(self._key)
            way = Way(self._desk.around(delivery), self._desk.run.world.clock, self._desk.run.way.price_of)
            for file in (self._seen.output, self._seen.errors):
                if file is not None:
                    await self._file(file, delivery, way)
            self._account_for_rest()
            left = self._final.count(0) - len(self._aside)
            return Fetched(self._ok, self._failed, left, tuple(self._aside.values()))
        finally:
            self._rows.close()

    # --- The files ------------------------------------------------------------------------------------------------

    async def _file(self, file: str, delivery: Delivery, way: Way) -> None:
        """Take in a file; one that breaks off is begun anew, as long as that brings more of it."""
        cuts = 0
        while True:
            before = self._come
            try:
                async for line in self._api.lines(file):
                    await self._line(line, delivery, way)
            except Rejected as error:
                self._desk.say(f"warning: answers of batch {self._portion.batch} are gone: {error}")
                return
            except TransientFailure as error:
                cuts = cuts + 1 if self._come == before else 0
                if cuts > _CUTS:
                    raise
                self._desk.say(f"answers of batch {self._portion.batch} broke off ({error.what}); once more")
                await self._desk.run.world.sleep(min(2.0**cuts, 60.0))
            else:
                return

    @property
    def _come(self) -> int:
        """How many rows have come."""
        return self._final.count(1) + len(self._open) + len(self._aside)

    async def _line(self, line: bytes, delivery: Delivery, way: Way) -> None:
        result = result_of(line)
        index = None if result is None else self._rows.index.get(result.custom_id)
        if result is None or index is None:
            self._unknown += 1
            return
        if not self._final[index] and index not in self._aside:
            await self._take(index, result, delivery, way)

    async def _take(self, index: int, result: Result, delivery: Delivery, way: Way) -> None:
        """Make a row final, or note why it is not."""
        row, kept = self._rows.row(index, self._like)
        request, delivery.result = row.request, result
        assert request is not None  # noqa: S101 - it was sent
        try:
            exchanged = await exchange(request, way)
        except LlmcliError as error:
            if not isinstance(error, (AwayError, *_SHARED)) and self._desk.fallback and another_may(error):
                self._put_aside(index, row, result)
            else:
                self._failure(index, row, kept, error)
            return
        self._open.pop(index, None)
        if isinstance(exchanged.wrong, Invalid) and self._desk.repairs:
            self._put_aside(index, row, result)
            return
        self._pay(exchanged.report)
        self._answer(index, row, kept, exchanged)

    def _put_aside(self, index: int, row: Row, result: Result) -> None:
        """Have a row mended live, by what came without the key, which servers quote."""
        assert row.request is not None  # noqa: S101 - it was sent
        secrets = secrets_of(row.request, self._key)
        self._aside[index] = (
            row,
            result._replace(body=without(result.body, secrets), error=without(result.error, secrets)),
        )

    def _answer(self, index: int, row: Row, kept: bytes | None, exchanged: Exchanged) -> None:
        error, report, desk = exchanged.wrong, exchanged.report, self._desk
        if isinstance(error, BrokenOff | TransientFailure):
            self._open[index] = error
            return
        course = desk.course(row, kept, 1 + desk.missing.get(row.slot, 0))
        cost = float((report.cost or 0) + (course.carried or 0))
        if error is None or error.exit_code in desk.run.plan.accepted:
            self._finish(index, row, success_line(row, course, report), None, cost)
            return
        line, code = failure_line(row, course, row.request, error, report)
        self._finish(index, row, line, code, cost)

    def _failure(self, index: int, row: Row, kept: bytes | None, error: LlmcliError) -> None:
        """A row has no answer: open again, where another batch or a live request may bring one."""
        if isinstance(error, CallFailed) and error.paid:
            self._pay(Report.of(error.paid[-1], self._desk.run.way.price_of))
        if isinstance(error, (AwayError, *_SHARED)):
            self._open.setdefault(index, error)
            return
        self._fail(index, row, kept, error)

    def _fail(self, index: int, row: Row, kept: bytes | None, error: LlmcliError) -> None:
        course = self._desk.course(row, kept, 1 + self._desk.missing.get(row.slot, 0))
        line, code = failure_line(row, course, row.request, error, None)
        self._open.pop(index, None)
        self._finish(index, row, line, code, float(course.carried or 0))

    def _finish(self, index: int, row: Row, line: bytes, code: str | None, cost: float) -> None:
        self._desk.finish_row(row, line, code, cost)
        self._final[index] = 1
        self._ok += code is None
        self._failed += code is not None

    def _pay(self, report: Report) -> None:
        stats = self._desk.run.stats
        stats.spent = None if stats.spent is None or report.cost is None else stats.spent + report.cost
        if (tokens := tokens_of(report.completion)) is not None:
            stats.prompt_tokens += tokens[0]
            stats.completion_tokens += tokens[1]

    # --- What no file says ----------------------------------------------------------------------------------------

    def _blame_lines(self) -> None:
        """Rows that a failed batch names are at fault; the others had no turn."""
        for fault in self._seen.faults:
            if self._seen.status == "failed" and fault.line is not None and 0 < fault.line <= len(self._rows):
                index = fault.line - 1
                if not self._final[index]:
                    row, kept = self._rows.row(index, self._like)
                    what = f"the provider refused the row: {fault.message or fault.code}"
                    self._fail(
                        index, row, kept, Rejected(what, todo="change the row", told=Told(code=fault.code))
                    )

    def _account_for_rest(self) -> None:
        """Every row is final or open; those that no file spoke of are named, and lost where that goes on."""
        ended_early = self._seen.status != "completed"
        unfinished = [i for i in range(len(self._rows)) if not self._final[i] and i not in self._aside]
        silent = [i for i in unfinished if i not in self._open]
        if silent and not ended_early:
            self._miss(silent)
        if self._unknown:
            rows = f"{self._unknown:,} line{'' if self._unknown == 1 else 's'}"
            self._desk.say(f"warning: batch {self._portion.batch} has {rows} of no row that was sent")
        if self._desk.finish == "stop":
            for index in [i for i in unfinished if not self._final[i]]:
                row, kept = self._rows.row(index, self._like)
                unsaid = AwayError("batch_expired", "the batch ended before this row had its turn")
                self._fail(index, row, kept, self._open.get(index, unsaid))

    def _miss(self, silent: list[int]) -> None:
        names = []
        for index in silent:
            row, kept = self._rows.row(index, self._like)
            slot = row.slot
            names.append(str(row.custom_id))
            count = self._desk.missing[slot] = self._desk.missing.get(slot, 0) + 1
            if count >= _LOST:
                self._fail(index, row, kept, AwayError("lost", f"{count} batches said nothing of this row"))
        more = f" and {len(names) - _FEW:,} more" if len(names) > _FEW else ""
        self._desk.say(
            f"warning: batch {self._portion.batch} said nothing of {', '.join(names[:_FEW])}{more}"
        )
