"""The program: an engine from its start to its end, with a ticking clock beside it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from typing import Protocol

from llmcli.batch.engine import Engine
from llmcli.batch.ledger import Ledger
from llmcli.batch.printed import Printed
from llmcli.batch.progress import Progress
from llmcli.errors import Interrupted, LlmcliError, PartialFailure, Terminated

_TICK = 0.25  # seconds
_SYNC = 4  # ticks between two times that the disk is asked to keep what was written


class Host(Protocol):
    """What writes for us."""

    def watched(self, check: Callable[[], None]) -> AbstractContextManager[None]:
        """Have `check` called while a reader keeps it waiting: it raises what is to end that."""


async def run_batch(
    engine: Engine,
    records: Ledger | Printed,
    progress: Progress,
    clock: Callable[[], float],
    host: Host,
    *,
    ordered: bool,
) -> None:
    """Run the engine to its end, and leave the records whole and in order. Raises what stopped the run."""
    failure: PartialFailure | None = None
    try:
        with _signals(engine, progress.say, host):
            async with _ticking(engine, records, progress, clock):
                await engine.run()
    except PartialFailure as error:
        failure = error
    if ordered:
        with _stoppable():
            records.put_in_order()
    if failure is not None:
        raise failure


@asynccontextmanager
async def _ticking(
    engine: Engine, records: Ledger | Printed, progress: Progress, clock: Callable[[], float]
) -> AsyncIterator[None]:
    ticker = asyncio.create_task(_tick(engine, records, progress, clock))
    try:
        yield
    finally:
        ticker.cancel()
        with suppress(asyncio.CancelledError):
            await ticker
        progress.close()


async def _tick(
    engine: Engine, records: Ledger | Printed, progress: Progress, clock: Callable[[], float]
) -> None:
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
        progress.tick(engine.stats, clock())


def _reasons() -> dict[signal.Signals, LlmcliError]:
    return {signal.SIGINT: Interrupted("SIGINT arrived"), signal.SIGTERM: Terminated("SIGTERM arrived")}


@contextmanager
def _stoppable() -> Iterator[None]:
    """A SIGINT or SIGTERM ends at once what holds up the loop."""
    reasons = _reasons()

    def stop(number: int, _frame: object) -> None:
        raise reasons[signal.Signals(number)]

    with _handled(stop):
        yield


@contextmanager
def _signals(engine: Engine, say: Callable[[str], None], host: Host) -> Iterator[None]:
    """The first SIGINT or SIGTERM lets what is under way finish; the second does not, whatever holds us up."""
    loop = asyncio.get_running_loop()
    reasons, heard = _reasons(), list[LlmcliError]()

    def stop() -> None:
        engine.stop(heard[0])
        if len(heard) > 1:
            engine.abort()
        elif engine.stats.in_flight:
            say(f"{heard[0].what}: finishing {engine.stats.in_flight} requests; once more to stop at once")

    def hear(number: int, _frame: object) -> None:
        heard.append(reasons[signal.Signals(number)])
        loop.call_soon_threadsafe(stop)

    def check() -> None:
        """Raise what the loop would see if a reader of our records did not hold it up."""
        if len(heard) > 1:
            raise heard[1]

    with _handled(hear), host.watched(check):
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
