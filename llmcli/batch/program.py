"""The program: an engine from its start to its end, with a ticking clock beside it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from llmcli.batch.engine import Engine
from llmcli.batch.ledger import Ledger, Printed
from llmcli.batch.progress import Progress
from llmcli.errors import Interrupted, LlmcliError, PartialFailure, Terminated

_TICK = 0.25  # seconds
_SYNC = 4  # ticks between two times that the disk is asked to keep what was written


async def run_batch(
    engine: Engine,
    records: Ledger | Printed,
    progress: Progress,
    clock: Callable[[], float],
    *,
    ordered: bool,
) -> None:
    """Run the engine to its end, and leave the records whole and in order. Raises what stopped the run."""
    failure: PartialFailure | None = None
    try:
        with _signals(engine, progress.say):
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

    def stop(number: int, _frame: object) -> None:
        raise reasons[signal.Signals(number)]

    reasons = _reasons()
    before = {}
    with suppress(ValueError):  # not the main thread
        for number in reasons:
            before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _signals(engine: Engine, say: Callable[[str], None]) -> Iterator[None]:
    """The first SIGINT or SIGTERM lets what is under way finish; the second does not."""
    loop = asyncio.get_running_loop()

    stopping = False

    def stop(reason: LlmcliError) -> None:
        nonlocal stopping
        engine.stop(reason)
        if stopping:
            engine.abort()
        elif engine.stats.in_flight:
            say(f"{reason.what}: finishing {engine.stats.in_flight} requests; once more to stop at once")
        stopping = True

    reasons = _reasons()
    with suppress(NotImplementedError, RuntimeError, ValueError):  # not the main thread
        for number, reason in reasons.items():
            loop.add_signal_handler(number, stop, reason)
    try:
        yield
    finally:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            for number in reasons:
                loop.remove_signal_handler(number)
