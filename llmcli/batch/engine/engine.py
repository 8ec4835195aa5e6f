"""The engine: pulls rows, and keeps a crowd of requests under way.

Retries wait in a heap, without a slot, and go before new rows. Nothing here grows with the number of rows.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections.abc import Awaitable, Callable

from llmcli.batch.engine.health import Health
from llmcli.batch.engine.money import Money
from llmcli.batch.engine.outcomes import Endings
from llmcli.batch.engine.pace import Pace
from llmcli.batch.engine.run import Job, Plan, Records, Source
from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.final import Done, changed
from llmcli.errors import BadCommand, BudgetExceeded, LlmcliError, PartialFailure, UsageError
from llmcli.exchange.exchange import Way, exchange
from llmcli.transport.base import Transport

_WAITING = 1024  # retries that may wait, whatever the crowd, before no new row is begun
_LOOK = 256  # rows that are passed over before others have their turn


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
        self._way = Way(transport, clock, plan.price_of)
        self._records = records
        self._done = done
        self._pace = pace
        self._plan = plan
        self.stats = stats
        self._clock = clock
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
        self._money = Money(plan, stats)
        self._health = Health(plan, pace, stats, lambda job: self.later(job, 0.0))
        self._endings = Endings(
            self, records, done, pace, plan, self._money, self._health, stats, clock, uniform
        )

    @property
    def is_stopped(self) -> bool:
        """See Schedule."""
        return self._stopped is not None

    def stop(self, reason: LlmcliError) -> None:
        """See Schedule."""
        self._stopped = self._stopped or reason
        self._wake.set()

    def later(self, job: Job, seconds: float) -> None:
        """See Schedule."""
        heapq.heappush(self._retries, (self._clock() + seconds, next(self._order), job))

    def abort(self) -> None:
        """See Schedule."""
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
                if (first := await self._admitted(job)) is not None:
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
        """The next job: one whose time has come, else a new row; None at the end."""
        while self._stopped is None and self._bug is None:
            if (due := self._due()) is not None:
                return due
            if (
                len(self._retries) + self._health.waiting < max(_WAITING, 4 * self._pace.crowd.limit)
                and (job := self._new()) is not None
            ):
                return job
            if self._stopped is not None or self._bug is not None:
                break
            if self._looking:
                await asyncio.sleep(0)  # signals and answers come between
                continue
            waiting = self._retries or self._health.waiting
            if self._exhausted and not waiting and not self._tasks:
                return None
            self.stats.binds = "server" if waiting else "input"
            self._pace.crowd.idle()
            then = min(self._retries[0][0] if self._retries else math.inf, self._health.next_try())
            await self._rest(None if then == math.inf else then - self._clock())
        return None

    def _due(self) -> Job | None:
        """A job whose time has come: a retry, or one that is to be tried at a server that is not well."""
        now = self._clock()
        if self._retries and self._retries[0][0] <= now:
            return heapq.heappop(self._retries)[2]
        return self._health.due(now)

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
            job = Job(row, row.request, carried=self._done.cost(row.number))
            try:
                self._money.price(job)
            except UsageError as unpriced:
                error = unpriced
            else:
                return job
        assert error is not None  # noqa: S101 - a row has a request or an error
        is_first = row.request is not None and not self.stats.sent and row.request.name == self._plan.model
        if isinstance(error, BadCommand) or is_first:
            self.stop(error)  # it would be the same with every other row
        else:
            self._endings.fail(row, error)
        return None

    def _is_final(self, row: Row) -> bool:
        done = self._done
        if done.has_changed(row):
            if self._plan.on_change == "stop":
                self.stop(changed(row))
            elif self._plan.on_change == "rerun":
                done.reopen(row.number)
        self.stats.earlier, self.stats.earlier_failed = done.count, done.failed
        return done.is_final(row.number)

    async def _admitted(self, job: Job) -> Job | None:
        """Wait for a slot, the pace and money. The job, or a retry that goes first.

        None where the run was stopped, or the job is not to be sent: it waits for its server, or is over.
        """
        while self._stopped is None and self._bug is None:
            job = self._first(job)
            if not self._pace.crowd.has_room(len(self._tasks)):
                delay, why = None, "concurrency"
            else:
                delay, why = self._pace.delay(self._clock())
                if delay <= 0:
                    if self._endings.is_over(job) or self._health.holds(job):
                        return None
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
        try:
            self._money.reserve(job)
        except BudgetExceeded as error:
            if not self._tasks:
                self.stop(error)
            return False
        return True

    async def _rest(self, seconds: float | None) -> None:
        """Wait until something changes, or for `seconds`, but no longer than servers are waited for."""
        self._wake.clear()
        before = self._clock()
        if not self._tasks and seconds is not None:
            seconds = min(seconds, self._health.patience_ends() - before)
        self.stats.until = None if seconds is None else before + seconds
        alarm = None if seconds is None else asyncio.create_task(self._alarm(seconds))
        await self._wake.wait()
        if alarm is not None:
            alarm.cancel()
        self.stats.until = None
        self.stats.bound[self.stats.binds] += self._clock() - before
        self.look()

    def look(self) -> None:
        """Stop where a server was waited for long enough. Called now and then."""
        given_up = self._health.out_of_patience(self._clock())
        if given_up is not None:
            self.stop(given_up)
            if self._health.only_tries:
                self.abort()

    async def _alarm(self, seconds: float) -> None:
        await self._sleep(max(seconds, 1e-6))  # less may be nothing to a clock of large numbers
        self._wake.set()

    def _start(self, job: Job) -> None:
        job.sent_at = self._clock()
        job.tokens = self._pace.take(job.sent_at, job.row.size, job.request.max_tokens)
        self._health.begins(job)
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
            self._money.release(job)
            self._tasks.discard(task)
            self.stats.in_flight, self.stats.crowd = len(self._tasks), self._pace.crowd.limit
            self._wake.set()

    async def _once(self, job: Job) -> None:
        try:
            self._endings.answered(job, await exchange(job.request, self._way))
        except LlmcliError as error:
            self._endings.failed(job, error)
