"""The engine: keeps a crowd of requests under way, and carries out what comes of them.

Nothing here grows with the number of rows.
"""

from __future__ import annotations

import asyncio
from functools import partial

from llmcli.batch.engine.health import Health
from llmcli.batch.engine.job_queue import OTHERS_TURN, JobQueue, Pause
from llmcli.batch.engine.money import Money
from llmcli.batch.engine.new_rows import NewRows
from llmcli.batch.engine.outcomes import Again, Final, Outcome, Outcomes, Stop
from llmcli.batch.engine.run import Job, Records, Run, Source, raise_ending
from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.final import Done
from llmcli.errors import (
    BudgetExceeded,
    Interrupted,
    LlmcliError,
    PartialFailure,
    ReaderGone,
    Terminated,
)
from llmcli.exchange.exchange import Exchanged, concluded, exchange
from llmcli.lean.turns import Turns
from llmcli.transport.base import ReadAnswer, send_of

_A_TURN = 64  # jobs that are sent in one turn of the loop, so that signals and answers come between


class Engine:
    """Carries a run out, over a source, into records. `done` is what earlier runs left."""

    def __init__(self, run: Run, source: Source, records: Records, done: Done) -> None:
        self.stats = run.stats
        self._way, self._pace, self._plan = run.way, run.pace, run.plan
        self._clock, self._sleep = run.world.clock, run.world.sleep
        self._source = source
        self._records = records
        self._money = Money(run.plan, run.stats)
        self._health = Health(run.plan, run.pace, run.stats)
        self._outcomes = Outcomes(run, done, self._money, self._health)
        rows = NewRows(run, source, records, done, self._money)
        self._queue = JobQueue(rows, self._health, run.pace.crowd)
        self._head: Job | None = None  # the next to be sent, which waits for a slot, the pace or money
        self._send, self._on_answer = send_of(run.way.transport), self._came
        self._tasks: set[asyncio.Task[None]] = set()  # those under way that are waited for
        self._wake = asyncio.Event()
        self._answers: list[
            tuple[Row, Final]
        ] = []  # that came in this turn of the loop, and are to be written
        self._is_turning = False  # `_turn` will be called
        self._is_left = False  # what comes now is nobody's
        self._stopped: LlmcliError | None = None
        self._aborted = False
        self._bug: BaseException | None = None
        self._is_over = False  # nothing more is begun

    @property
    def now(self) -> float:
        """The time on the run's clock, in seconds."""
        return self._clock()

    @property
    def money(self) -> Money:
        """What the run may spend."""
        return self._money

    def stop(self, reason: LlmcliError) -> None:
        """Begin no more; what is under way is finished."""
        self._stopped = self._stopped or reason
        self._is_over = True
        self._wake.set()

    def abort(self) -> None:
        """Break off what is under way; for a run that is stopped."""
        self._aborted = self.stats.aborted = True
        self._wake.set()

    def look(self) -> None:
        """Stop where a server was waited for long enough. Called now and then."""
        given_up = self._health.out_of_patience(self._clock())
        if given_up is not None:
            self.stop(given_up)
            if self._health.only_tries:
                self.abort()

    def nudge(self) -> None:
        """Look once more whether something can be sent: records may have room again. Called now and then."""
        self._wake.set()

    async def run(self) -> None:
        """Run to the end. Raises what stopped the run, or PartialFailure where rows failed."""
        loop = asyncio.get_running_loop()
        self._turns = Turns.of(loop)

        def wake() -> None:
            loop.call_soon_threadsafe(self._wake.set)

        self._source.start(wake)
        try:
            while (found := self._next()) is not None:
                if not isinstance(found, Job):
                    await self._rest(found)
                    continue
                self._open(found)
                if self.stats.in_flight % _A_TURN == 0:
                    await asyncio.sleep(0)
            while self.stats.in_flight and self._bug is None and not self._aborted:
                await self._rest(Pause(None, self.stats.binds))
        finally:
            self._is_left = True
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._write_answers()
        raise_ending(self._bug, self._stopped, self.stats)

    # --- What is sent next ----------------------------------------------------------------------------------------

    def _next(self) -> Job | Pause | None:
        """The job to send now; else for how long there is none, or None: there will be none."""
        crowd, stats, clock = self._pace.crowd, self.stats, self._clock
        while not self._is_over:
            head, now = self._head, clock()
            job = self._head = self._pulled(now) if head is None else self._queue.first(head, now)
            if job is None:
                return None if self._is_over else self._queue.pause(now, stats.in_flight)
            if stats.in_flight >= crowd.room:
                return Pause(None, crowd.binds)
            delay, why = self._pace.delay(now)
            if delay > 0:
                return Pause(delay, why)
            if job.doubt is not None and (over := self._outcomes.over(job)) is not None:
                self._head = None
                self._finish(job.row, over)
            elif self._health.ill and self._health.holds(job):
                self._head = None
            elif self._money.allowed is None or self._reserve(job):
                self._head = None
                return job
            elif not self._is_over:
                return Pause(None, "budget")
        return None

    def _pulled(self, now: float) -> Job | None:
        """The next job of the queue. Rows that cannot be sent are final."""
        while not self._is_over:
            found = self._queue.next(now)
            if found is None or isinstance(found, Job):
                return found
            if isinstance(found, Stop):
                self.stop(found.reason)
            else:
                self._finish(found.row, self._outcomes.unsendable(found.row, found.error))
        return None

    def _reserve(self, job: Job) -> bool:
        """Set money aside for a job. False where what is under way must be settled first."""
        try:
            self._money.reserve(job)
        except BudgetExceeded as error:
            if not self.stats.in_flight and not self._money.grows:
                self.stop(error)
            return False
        return True

    async def _rest(self, pause: Pause) -> None:
        """Wait until something changes, or for a pause, but no longer than servers are waited for."""
        if pause is OTHERS_TURN:
            return await asyncio.sleep(0)
        self._wake.clear()
        before, seconds, stats = self._clock(), pause.seconds, self.stats
        if not stats.in_flight and seconds is not None:
            seconds = min(seconds, self._health.patience_ends() - before)
        stats.binds, stats.until = pause.why, None if seconds is None else before + seconds
        alarm = None if seconds is None else asyncio.create_task(self._alarm(seconds))
        await self._wake.wait()
        if alarm is not None:
            alarm.cancel()
        stats.until = None
        stats.bound[pause.why] += self._clock() - before
        return self.look()

    async def _alarm(self, seconds: float) -> None:
        await self._sleep(max(seconds, 1e-6))  # less may be nothing to a clock of large numbers
        self._wake.set()

    # --- Under way ------------------------------------------------------------------------------------------------

    def _open(self, job: Job) -> None:
        """Send a job: for one who does not wait, where the transport can, else in a task of its own."""
        self._begin(job)
        send = self._send
        try:
            is_sent = send is not None and send(job.request, job.body(), partial(self._on_answer, job))
        except LlmcliError as error:
            self._settle(job, error)
        else:
            if not is_sent:
                task = asyncio.create_task(self._ask(job))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _begin(self, job: Job) -> None:
        stats, pace, clock = self.stats, self._pace, self._clock
        stats.sent += 1
        job.sent += 1
        job.sent_at = now = clock()
        job.crowd = stats.in_flight = stats.in_flight + 1
        pace.crowd.sends(now, job.crowd)
        job.tokens = pace.take(now, job.row.size, job.request.kind.max_tokens)
        self._health.begins(job)

    async def _ask(self, job: Job) -> None:
        """One attempt that is waited for."""
        try:
            came: Exchanged | Exception = await exchange(job.request, self._way)
        except Exception as error:  # noqa: BLE001 - what is none of ours is a bug
            came = error
        self._settle(job, came)

    def _came(self, job: Job, read: ReadAnswer, it: object) -> None:
        """What was not waited for has come."""
        if self._is_left:
            return
        try:
            came: Exchanged | Exception = concluded(read(it), job.request, self._way, job.sent_at)
        except Exception as error:  # noqa: BLE001
            came = error
        self._settle(job, came)

    def _settle(self, job: Job, came: Exchanged | Exception) -> None:
        """Carry out what comes of an attempt, and have others sent in its place."""
        try:
            try:
                outcome = self._outcomes.of(job, came)
                if self._health.released:
                    self._send_released()
                if isinstance(outcome, Final) and outcome.code is None:
                    self._answers.append((job.row, outcome))
                else:
                    self._carry_out(job, outcome)
            finally:
                if job.reserved:
                    self._money.release(job)
                self.stats.in_flight -= 1
                self.stats.crowd = self._pace.crowd.limit
                if not self._is_turning:
                    self._is_turning = True
                    self._turns.at_end(self._turn)
        except LlmcliError as error:  # somebody could not be told
            self.stop(error)
        except Exception as error:  # noqa: BLE001
            self._fail(error)

    def _fail(self, bug: Exception) -> None:
        """Have `run` raise what is a bug."""
        self._bug = self._bug or bug
        self._is_over = True
        self._wake.set()

    def _turn(self) -> None:
        """Write all the answers that came in this turn of the loop, and only then send others in their place."""
        self._is_turning = False
        self._outcomes.begin_turn()
        try:
            self._write_answers()
            if not self._is_left:
                self._fill()
        except LlmcliError as error:  # somebody could not be told
            self.stop(error)
        except Exception as error:  # noqa: BLE001
            self._fail(error)

    def _fill(self) -> None:
        """Send what there is room for; where it is not the crowd that binds, `run` sees to it."""
        crowd, stats = self._pace.crowd, self.stats
        for _ in range(_A_TURN):
            found = self._next()
            if isinstance(found, Job):
                self._open(found)
            elif found is None or stats.in_flight < crowd.room:
                break
            if stats.in_flight >= crowd.room:
                self._head = self._head or self._pulled(self._clock())
                return
        self._wake.set()

    # --- Outcomes -------------------------------------------------------------------------------------------------

    def _carry_out(self, job: Job, outcome: Outcome) -> None:
        if isinstance(outcome, Final):
            self._finish(job.row, outcome)
        elif isinstance(outcome, Stop):
            self.stop(outcome.reason)
        elif self._stopped is None:  # else the row stays open
            self._put_back(job, outcome)

    def _send_released(self) -> None:
        """Have jobs sent that waited for their server."""
        released, now = self._health.released, self._clock()
        while released:
            self._queue.later(released.pop(0), now)

    def _put_back(self, job: Job, again: Again) -> None:
        """Have a job sent again; it may have to wait for its server."""
        self.stats.retries += again.is_retry
        self._tell(job.row, again.said)
        if not self._health.holds(job):
            self._queue.later(job, self._clock() + again.wait)

    def _write_answers(self) -> None:
        """Make the rows final whose answers have come: in one write, or one by one where that cannot be."""
        answers, self._answers = self._answers, []
        if not answers or not self._is_written(answers):
            for row, final in answers:
                self._finish(row, final)
            return
        self.stats.ok += len(answers)
        if self._plan.beside is not None or self._plan.notice is not None:
            for row, final in answers:
                self._tell_of(row, final)

    def _is_written(self, answers: list[tuple[Row, Final]]) -> bool:
        """Whether all have their records now; if not, none has."""
        try:
            return self._records.write_all([(row.slot, final.line) for row, final in answers])
        except LlmcliError:
            return False

    def _finish(self, row: Row, final: Final) -> None:
        """Make a row final; where its record cannot be written the run stops, and the row stays open."""
        if final.reason is not None:
            self.stop(final.reason)
        stats, plan = self.stats, self._plan
        is_written = self._write(row, final)
        if final.code is None:
            stats.ok += is_written
            if is_written:
                self._tell_of(row, final)
            return
        self._tell(row, final.said)
        stats.failures[final.code] += is_written
        if plan.max_failures is not None and stats.failed >= plan.max_failures:
            self.stop(
                PartialFailure(f"{stats.failed} rows failed, and --max-failures is {plan.max_failures}")
            )

    def _tell_of(self, row: Row, final: Final) -> None:
        """Write more than the record of an answer; where that fails the run stops, and the next makes up for it."""
        self._tell(row, final.said)
        try:
            if self._plan.beside is not None:
                self._plan.beside.written(row, final.line)
        except LlmcliError as error:
            self.stop(error)

    def _write(self, row: Row, final: Final) -> bool:
        try:
            self._records.write(row.slot, final.line, failed=final.code is not None)
        except LlmcliError as error:
            self.stop(error)
            if isinstance(error, (ReaderGone, Interrupted, Terminated)):
                self.abort()  # nobody wants the answers, or waits for them
            return False
        return True

    def _tell(self, row: Row, words: str | None) -> None:
        """Say something of a row to those who asked."""
        if words is not None and self._plan.notice is not None:
            self._plan.notice(f"{row}: {words}")
