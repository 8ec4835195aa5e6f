"""The program: an engine from its start to its end, with a ticking clock beside it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from llmcli.batch.engine.engine import Engine
from llmcli.batch.engine.money import Money
from llmcli.batch.engine.run import Job, OpenedInput, Run, rows_of
from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.frame import met
from llmcli.batch.input.inputs import Inputs
from llmcli.batch.ledger.final import Done, changed
from llmcli.batch.progress import Progress
from llmcli.errors import Interrupted, LlmcliError, PartialFailure, Terminated, UsageError
from llmcli.lean.dataclass import dataclass

if TYPE_CHECKING:
    from llmcli.batch.forecast import Counted
    from llmcli.batch.ledger.record_keeper import RecordKeeper

_TICK = 0.25  # seconds
_SYNC = 4  # ticks between two times that the disk is asked to keep what was written


class Carrier(Protocol):
    """What carries a run out: an Engine, or who has others do it."""

    stats: Stats

    @property
    def now(self) -> float:
        """See Engine."""

    async def run(self) -> None:
        """See Engine."""

    def stop(self, reason: LlmcliError) -> None:
        """See Engine."""

    def abort(self) -> None:
        """See Engine."""

    def look(self) -> None:
        """See Engine."""

    def nudge(self) -> None:
        """See Engine."""


class Host(Protocol):
    """What writes for us."""

    def using(self, check: Callable[[], None]) -> AbstractContextManager[None]:
        """Have `check` called while a reader keeps it waiting: it raises what is to end that."""


@dataclass(frozen=True)
class Program:
    """A run, and what is around it, before its files are open.

    `spool` is the place for a copy of stdin, where that is to be kept. `progress` shows itself once it is made; with
    `verbose`, it is told of each row. `engine` makes what carries the run out.
    """

    inputs: Inputs
    spool: Path | None
    run: Run
    progress: Callable[[], Progress]
    host: Host
    ordered: bool
    verbose: bool
    engine: Callable[[Run, Any, Any, Done], Carrier] = Engine

    def check_money(self) -> Callable[[Counted], None]:
        """What is shown rows that are not sent: it raises what would stop a run at the first good one."""
        money, seen = Money(self.run.plan, Stats(began=0.0)), list[int]()

        def check(counted: Counted) -> None:
            row = counted.row
            if row.request is None or seen:
                return
            seen.append(row.number)
            job = Job(row, row.request)
            try:
                money.price(job)
            except UsageError:
                if row.request.name == self.run.plan.model:
                    raise
            else:
                money.reserve(job)

        return check

    def recovered(self, records: RecordKeeper, *, retry_failed: bool, limit: int | None) -> Done:
        """What is done before the run, of the first `limit` rows of the whole input.

        Raises UsageError where a row of that has changed, and that is to stop us, or where an id is there twice.
        """
        done = records.recover(retry_failed=retry_failed, limit=limit)
        deal = self.inputs.deal
        has_gaps = done.has_gaps() if deal is None else done.has_gaps(deal.own_below)
        changes = self.run.plan.on_change == "stop" and has_gaps
        if changes or self.inputs.builder.identity.by == "id":
            self._check(done, changes=changes)
        self.run.stats.earlier, self.run.stats.earlier_failed = done.count, done.failed
        self.run.stats.earlier_spent = done.spent
        return done

    def _check(self, done: Done, *, changes: bool) -> None:
        """Look at the rows that are done before those between them are sent; a pipe's are looked at as they come."""
        with self.inputs.again() as source:
            rows = met(rows_of(source, self.run.plan.limit), done)
            for row in rows if done.slots is not None else islice(rows, len(done)):
                if changes and done.has_changed(row):
                    raise changed(row)
        done.rewind()

    async def execute(self, records: RecordKeeper, done: Done, rows: OpenedInput | None = None) -> None:
        """Run all rows of the input, or only `rows`. Raises what stopped the run, or PartialFailure."""
        progress, stats = self.progress(), self.run.stats
        notice = progress.say if self.verbose else None
        plan = replace(self.run.plan, notice=notice, tell=progress.say, time=self._time)
        source = rows or self.inputs.source(stats, self.spool)
        try:
            engine = self.engine(replace(self.run, plan=plan), source, records, done)
            await run_batch(engine, records, progress, self.host, ordered=self.ordered)
        finally:
            source.close()
            if stats.complete:
                stats.orphans = done.beyond(stats.found)
            await self.run.way.transport.aclose()

    def _time(self, seconds: float) -> str:
        """The time of day so long from now."""
        return f"{(self.run.world.now() + timedelta(seconds=seconds)).astimezone():%H:%M:%S}"


async def run_batch(
    engine: Carrier, records: RecordKeeper, progress: Progress, host: Host, *, ordered: bool
) -> None:
    """Run the engine to its end, and leave the records whole and in order. Raises what stopped the run."""
    failure: PartialFailure | None = None
    try:
        with _signals(engine, progress.say, host):
            async with _ticking(engine, records, progress):
                await engine.run()
    except PartialFailure as error:
        failure = error
    with stoppable():
        records.finish(ordered=ordered)
    if failure is not None:
        raise failure


@asynccontextmanager
async def _ticking(engine: Carrier, records: RecordKeeper, progress: Progress) -> AsyncIterator[None]:
    ticker = asyncio.create_task(_tick(engine, records, progress))
    try:
        yield
    finally:
        ticker.cancel()
        with suppress(asyncio.CancelledError):
            await ticker
        progress.close()


async def _tick(engine: Carrier, records: RecordKeeper, progress: Progress) -> None:
    """Show the figures, and have the disk keep the records, now and then."""
    ticks = 0
    while True:
        await asyncio.sleep(_TICK)
        ticks += 1
        if ticks % _SYNC == 0:
            try:
                await asyncio.to_thread(records.sync)
            except LlmcliError as error:
                engine.stop(error)
        engine.look()
        engine.nudge()
        progress.tick(engine.stats, engine.now)


def _reasons() -> dict[signal.Signals, LlmcliError]:
    return {signal.SIGINT: Interrupted("SIGINT arrived"), signal.SIGTERM: Terminated("SIGTERM arrived")}


@contextmanager
def stoppable() -> Iterator[None]:
    """A SIGINT or SIGTERM ends at once what holds up the loop."""
    reasons = _reasons()

    def stop(number: int, _frame: object) -> None:
        raise reasons[signal.Signals(number)]

    with _handled(stop):
        yield


@contextmanager
def _signals(engine: Carrier, say: Callable[[str], None], host: Host) -> Iterator[None]:
    """The first SIGINT or SIGTERM lets what is under way finish; the second does not, whatever holds us up."""
    loop = asyncio.get_running_loop()
    reasons, heard = _reasons(), list[LlmcliError]()

    def stop() -> None:
        engine.stop(heard[0])
        if len(heard) > 1:
            engine.abort()
        elif engine.stats.in_flight:
            with suppress(Interrupted, Terminated):  # by `check`: the next call of this one sees to it
                say(
                    f"{heard[0].what}: finishing {engine.stats.in_flight} requests; once more to stop at once"
                )

    def hear(number: int, _frame: object) -> None:
        heard.append(reasons[signal.Signals(number)])
        loop.call_soon_threadsafe(stop)

    def check() -> None:
        """Raise what the loop would see if a reader of our records did not hold it up."""
        if len(heard) > 1:
            raise heard[1]

    with _handled(hear), host.using(check):
        yield


@contextmanager
def _handled(handler: Callable[[int, object], None]) -> Iterator[None]:
    """SIGINT and SIGTERM are for `handler`."""
    before = {}
    with suppress(ValueError):  # not the main thread
        for number in _reasons():
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
