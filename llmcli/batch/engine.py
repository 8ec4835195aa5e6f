"""The engine: pulls rows, keeps a crowd of requests under way, and makes each row final once.

Retries wait in a heap, without a slot, and go before new rows. Nothing here grows with the number of rows.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from llmcli.batch.ledger import Done
from llmcli.batch.pace import Pace
from llmcli.batch.records import failure_line, success_line
from llmcli.batch.rows import Row
from llmcli.batch.stats import Stats
from llmcli.errors import (
    AuthFailure,
    BadCommand,
    BudgetExceeded,
    CallFailed,
    ExitCode,
    Interrupted,
    LlmcliError,
    PartialFailure,
    QuotaExhausted,
    ReaderGone,
    Terminated,
    TransientFailure,
    UsageError,
)
from llmcli.output.report import PriceOf, Report, joined, trace, usage_of
from llmcli.output.sink import SILENT
from llmcli.run import run
from llmcli.transport.base import Transport
from llmcli.transport.fallback import Rebuild, another_may, skipped
from llmcli.transport.retry import backoff, failed_attempt
from llmcli.verdict import verdict
from llmcli.wire import Completion, Request

_A_LITTLE = 0.5  # seconds until a job is looked at again that there was no money for
_OBEYED = 10  # attempts for which a server's Retry-After is taken as it is, be it nothing
_WAITING = 1024  # retries that may wait, whatever the crowd, before no new row is begun
_LOOK = 256  # rows that are passed over before others have their turn
_REFUSALS = 20  # 429s of one row, with no success of any row in between, after which it is given up


class Source(Protocol):
    """Where rows come from. After `start`, `wake` is called, from any thread, when there may be more."""

    def start(self, wake: Callable[[], None]) -> None:
        """Begin to bring rows."""

    def next(self) -> Row | None:
        """The next row; None where none is ready."""

    @property
    def ended(self) -> bool:
        """Whether no row will come any more."""


class Records(Protocol):
    """Where final rows go: Ledger or Printed."""

    def room(self, row: int, /) -> bool:
        """Whether a row may be begun."""

    def write(self, row: int, line: bytes, /, *, failed: bool) -> None:
        """Make a row final."""

    def sync(self) -> None:
        """Have the disk keep it."""


@dataclass(frozen=True)
class Plan:
    """How a run treats its rows.

    `fallback` are other models for a row, in their order, and `rebuild` makes its request for one.
    `worst(request)` is the most that a call may cost, in $; with `max_cost` nothing is begun that may pass it.
    `notice` is told of each row's answer, failed attempts and failure.
    """

    retries: int
    price_of: PriceOf
    fallback: Sequence[str]
    rebuild: Rebuild
    accepted: frozenset[ExitCode]
    on_change: str = "stop"
    limit: int | None = None
    max_failures: int | None = None
    max_cost: Decimal | None = None
    worst: Callable[[Request], Decimal] = lambda _request: Decimal(0)
    notice: Callable[[str], None] | None = None


@dataclass(slots=True)
class Job:
    """A row under way. `attempts` are those that count, `sent` all of them; `worst` and `reserved` are in $."""

    row: Row
    request: Request
    attempts: int = 0
    sent: int = 0
    sent_at: float = 0.0
    refusals: int = 0
    successes: int = 0  # of the whole run, when this row was first refused
    models: int = 0  # of the fallbacks, how many have had their turn
    worst: Decimal = field(default=Decimal(0))
    reserved: Decimal = field(default=Decimal(0))
    carried: Decimal | None = None  # $ of answers that were not the last, in earlier runs, too


class Engine:
    """Runs a plan over a source. `clock` is monotonic; it and `sleep` are in seconds."""

    def __init__(
        self,
        source: Source,
        transport: Transport,
        records: Records,
        done: Done,
        pace: Pace,
        plan: Plan,
        stats: Stats,
        clock: Callable[[], float],
        uniform: Callable[[float, float], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._source = source
        self._transport = transport
        self._records = records
        self._done = done
        self._pace = pace
        self._plan = plan
        self.stats = stats
        self._clock = clock
        self._uniform = uniform
        self._sleep = sleep
        self._retries: list[tuple[float, int, Job]] = []
        self._order = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._stopped: LlmcliError | None = None
        self._aborted = False
        self._bug: BaseException | None = None
        self._held: Row | None = None
        self._looking = False  # there may be more rows at hand than were looked at
        self._spent = Decimal(0)  # where a cost is not known, what was reserved for it
        self._reserved = Decimal(0)

    def stop(self, reason: LlmcliError) -> None:
        """Begin no more; what is under way is finished."""
        self._stopped = self._stopped or reason
        self._wake.set()

    def abort(self) -> None:
        """Break off what is under way; for one that is stopped."""
        self._aborted = True
        self._wake.set()

    async def run(self) -> None:
        """Run to the end. Raises what stopped the run, or PartialFailure where rows failed."""
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(self._wake.set)

        self._source.start(wake)
        try:
            while (job := await self._next()) is not None:
                if (first := await self._admitted(job)) is None:
                    break
                self._start(first)
            while self._tasks and self._bug is None and not self._aborted:
                await self._rest(None)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._bug is not None:
            raise self._bug
        if self._stopped is not None:
            raise self._stopped
        if failed := self.stats.failed + self.stats.earlier_failed:
            raise PartialFailure(f"{failed} of {self.stats.rows} rows failed")

    async def _next(self) -> Job | None:
        """The next job: a retry whose time has come, else a new row; None at the end."""
        while self._stopped is None and self._bug is None:
            if self._retries and self._retries[0][0] <= self._clock():
                return heapq.heappop(self._retries)[2]
            if (
                len(self._retries) < max(_WAITING, 4 * self._pace.crowd.limit)
                and (job := self._new()) is not None
            ):
                return job
            if self._stopped is not None or self._bug is not None:
                break
            if self._looking:
                await asyncio.sleep(0)  # signals and answers come between
                continue
            if self._exhausted and not self._retries and not self._tasks:
                return None
            self.stats.binds = "server" if self._retries else "input"
            self._pace.crowd.idle()
            await self._rest(self._retries[0][0] - self._clock() if self._retries else None)
        return None

    @property
    def _exhausted(self) -> bool:
        return self._held is None and (self._source.ended or self._past_limit)

    @property
    def _past_limit(self) -> bool:
        return self._plan.limit is not None and self.stats.rows >= self._plan.limit

    def _new(self) -> Job | None:
        """A job for a row that is not final yet; None where no row is ready, or none may be begun."""
        self._looking = False
        for _ in range(_LOOK):
            row, self._held = self._held or self._row(), None
            if row is None or self._stopped is not None:
                return None
            if self._is_final(row):
                continue
            if not self._records.room(row.number):
                self._held = row
                return None
            if (job := self._begun(row)) is not None:
                return job
        self._looking = True
        return None

    def _row(self) -> Row | None:
        if self._past_limit:
            return None
        try:
            row = self._source.next()
        except LlmcliError as error:
            self.stop(error)  # what is under way is finished
            return None
        self.stats.rows += row is not None
        return row

    def _begun(self, row: Row) -> Job | None:
        """The job of a row; None for one that cannot be sent."""
        error = row.error
        if row.request is not None:
            job = Job(row, row.request, carried=self._done.carried.get(row.number))
            error = self._priced(job)
            if error is None:
                return job
        assert error is not None  # noqa: S101 - a row has a request or an error
        if isinstance(error, BadCommand) or (row.request is not None and not self.stats.sent):
            self.stop(error)  # it would be the same with every other row
        else:
            self._fail(row, error)
        return None

    def _priced(self, job: Job) -> UsageError | None:
        """Find out what a job may cost, where that matters; the error where nobody knows."""
        try:
            if self._plan.max_cost is not None:
                job.worst = self._plan.worst(job.request)
        except UsageError as error:
            return error
        return None

    def _is_final(self, row: Row) -> bool:
        digest = self._done.digest(row.number)
        if digest and digest != row.digest and self._plan.on_change != "keep":
            self.stop(
                UsageError(
                    f"row {row.number} is done, but what it asks has changed since",
                    row.custom_id,
                    "restore the input and flags, or say --on-change rerun|keep, or start over with --fresh",
                )
            )
        return bool(digest)

    async def _admitted(self, job: Job) -> Job | None:
        """Wait for a slot, the pace and money. The job, or a retry that goes first; None where the run was stopped."""
        while self._stopped is None and self._bug is None:
            job = self._first(job)
            if not self._pace.crowd.has_room(len(self._tasks)):
                delay, why = None, "concurrency"
            else:
                delay, why = self._pace.delay(self._clock())
                if delay <= 0:
                    if self._reserve(job):
                        return job
                    if self._stopped is not None:
                        break
                    delay, why = None, "budget"
                self._pace.crowd.idle()
            self.stats.binds = why
            await self._rest(delay)
        return None

    def _first(self, job: Job) -> Job:
        """A retry whose time has come while the job waited, which then takes its place; else the job."""
        now = self._clock()
        if not self._retries or self._retries[0][0] > now:
            return job
        return heapq.heapreplace(self._retries, (now, next(self._order), job))[2]

    def _reserve(self, job: Job) -> bool:
        """Set money aside for a job. False where what is under way must be settled first."""
        plan = self._plan
        if plan.max_cost is None:
            return True
        amount = job.worst
        spent = self.stats.earlier_spent + self._spent
        if spent + self._reserved + amount <= plan.max_cost:
            job.reserved = amount
            self._reserved += amount
            return True
        if not self._tasks:
            self.stop(
                BudgetExceeded(
                    f"the next row may cost ${amount:.6f} on top of ${spent:.6f},"
                    f" and --max-cost is ${plan.max_cost:.6f}",
                    job.row.custom_id,
                    "raise --max-cost",
                )
            )
        return False

    async def _rest(self, seconds: float | None) -> None:
        """Wait until something changes, or for `seconds`."""
        self._wake.clear()
        before = self._clock()
        alarm = None if seconds is None else asyncio.create_task(self._alarm(seconds))
        await self._wake.wait()
        if alarm is not None:
            alarm.cancel()
        self.stats.bound[self.stats.binds] += self._clock() - before

    async def _alarm(self, seconds: float) -> None:
        await self._sleep(max(seconds, 1e-6))  # less may be nothing to a clock of large numbers
        self._wake.set()

    def _start(self, job: Job) -> None:
        job.sent_at = self._clock()
        self._pace.take(job.sent_at, job.row.size, job.request.max_tokens)
        job.sent += 1
        self.stats.sent += 1
        task = asyncio.create_task(self._attempt(job))
        self._tasks.add(task)
        self.stats.in_flight = len(self._tasks)

    async def _attempt(self, job: Job) -> None:
        """One attempt, from the slot that it has to the slot that it leaves."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this runs in one
        try:
            await self._once(job)
        except Exception as error:  # noqa: BLE001 - a bug: run() raises it
            self._bug = self._bug or error
        finally:
            self._reserved -= job.reserved
            job.reserved = Decimal(0)
            self._tasks.discard(task)
            self.stats.in_flight, self.stats.crowd = len(self._tasks), self._pace.crowd.limit
            self._wake.set()

    async def _once(self, job: Job) -> None:
        try:
            completion = await run(job.request, self._transport, SILENT, self._clock)
            self._judge(job, completion)
        except LlmcliError as error:
            if error.paid:
                self._settle(job, Report.of(joined(error.paid), self._plan.price_of))
            self._failed(job, error)

    def _settle(self, job: Job, report: Report) -> None:
        """Count in what answers took that are not the last of their row."""
        self._count(job, report)
        if report.cost is not None:
            job.carried = (job.carried or Decimal(0)) + report.cost

    def _count(self, job: Job, report: Report) -> None:
        """Count in what answers took."""
        stats = self.stats
        self._spent += job.reserved if report.cost is None else report.cost
        stats.spent = None if stats.spent is None or report.cost is None else stats.spent + report.cost
        if (usage := usage_of(report.completion)) is not None:
            stats.prompt_tokens += usage["prompt_tokens"]
            stats.completion_tokens += usage["completion_tokens"]
            self._pace.used(job.row.size, usage["prompt_tokens"], usage["completion_tokens"])

    def _judge(self, job: Job, completion: Completion) -> None:
        """An answer came: make the row final, where it is one."""
        now, stats = self._clock(), self.stats
        self._pace.finished(now, completion.meta.latency, completion.meta.headers)
        stats.latencies.add(completion.meta.latency)
        error = verdict(completion, job.request)
        if isinstance(error, TransientFailure):
            error.paid = [*completion.meta.earlier, completion]
            raise error
        report = Report.of(completion, self._plan.price_of)
        self._count(job, report)
        if error is None or error.exit_code in self._plan.accepted:
            line = success_line(job.row, job.sent, report, job.carried)
            stats.ok += self._write(job.row, line, failed=False)
            self._tell(job.row, trace, completion.meta, job.sent)
        else:
            self._fail(job.row, error, job, report)

    def _failed(self, job: Job, error: LlmcliError) -> None:
        """No answer came: another attempt, another model, the end of the row, or the end of the run."""
        nothing_sent = isinstance(error, BudgetExceeded) and not error.paid
        if nothing_sent and len(self._tasks) > 1 and self._stopped is None:
            return self._later(job)
        if isinstance(error, TransientFailure) and self._again(job, error):
            return None
        if self._other_model(job, error):
            return None
        if isinstance(error, (AuthFailure, BadCommand, QuotaExhausted)) or not isinstance(
            error, (CallFailed, UsageError)
        ):
            return self.stop(error)  # the row stays open: it is sent when the run is resumed
        return self._fail(job.row, error, job)

    def _later(self, job: Job) -> None:
        """Put back a job of which nothing was sent: another's reserve left no money for it."""
        job.sent -= 1
        self.stats.sent -= 1
        heapq.heappush(self._retries, (self._clock() + _A_LITTLE, next(self._order), job))

    def _again(self, job: Job, error: TransientFailure) -> bool:
        """Put a job back, if it has an attempt left. A 429 slows the run, and is no attempt."""
        now = self._clock()
        if error.status == 429:
            self.stats.refused += 1
            self._pace.refused(now, job.sent_at, error.retry_after)
            if job.successes != self.stats.ok:
                job.successes, job.refusals = self.stats.ok, 0
            job.refusals += 1
            if job.refusals > _REFUSALS:
                return False
            tries = job.refusals
        else:
            job.attempts += 1
            if job.attempts > self._plan.retries:
                return False
            tries = job.attempts
        if self._stopped is not None:
            return True  # the row stays open
        self.stats.retries += 1
        wait = backoff(tries, self._uniform)
        if error.retry_after is not None and tries <= _OBEYED:
            wait = 0.0  # the server's own word is enough, for a while
        wait = max(wait, error.retry_after or 0.0)
        self._tell(job.row, failed_attempt, job.sent, wait, error)
        heapq.heappush(self._retries, (now + wait, next(self._order), job))
        return True

    def _other_model(self, job: Job, error: LlmcliError) -> bool:
        """Give the job to the next model that may take it."""
        if not another_may(error) or job.row.request is None:
            return False
        if job.models < len(self._plan.fallback):
            self._tell(job.row, skipped, job.request.name, error)
        for model in self._plan.fallback[job.models :]:
            job.models += 1
            try:
                job.request = self._plan.rebuild(job.row.request, model)
            except UsageError:
                continue
            if self._priced(job) is not None:
                continue
            job.attempts = job.refusals = 0
            heapq.heappush(self._retries, (self._clock(), next(self._order), job))
            return True
        return False

    def _fail(
        self, row: Row, error: LlmcliError, job: Job | None = None, report: Report | None = None
    ) -> None:
        """Make a row a final failure; without a job, nothing of it was sent."""
        sent, request = (job.sent, job.request) if job else (0, None)
        carried = job.carried if job else self._done.carried.get(row.number)
        line, code = failure_line(row, sent, request, error, report, carried)
        self.stats.failures[code] += self._write(row, line, failed=True)
        self._tell(row, "failed: {}".format, error)
        most = self._plan.max_failures
        if most is not None and self.stats.failed >= most and self._stopped is None:
            self.stop(PartialFailure(f"{self.stats.failed} rows failed, and --max-failures is {most}"))

    def _tell(self, row: Row, words: Callable[..., str], *about: object) -> None:
        """Say `words(*about)` of a row to those who asked."""
        if self._plan.notice is not None:
            self._plan.notice(f"row {row.number}: {words(*about)}")

    def _write(self, row: Row, line: bytes, *, failed: bool) -> bool:
        """Make a row final; where that fails the run stops, and the row stays open."""
        try:
            self._records.write(row.number, line, failed=failed)
        except LlmcliError as error:
            self.stop(error)
            if isinstance(error, (ReaderGone, Interrupted, Terminated)):
                self.abort()  # nobody wants the answers, or waits for them
            return False
        return True
