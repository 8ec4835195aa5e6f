"""The one place where a loop runs: a coroutine, driven under the deadline and SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Coroutine
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from llmcli import files
from llmcli.errors import OutOfTime, Terminated
from llmcli.loop import alarm
from llmcli.loop.watch import Watch
from llmcli.world import World

if TYPE_CHECKING:
    import asyncio

_FILES = {False: 4, True: 10}  # that a loop, and what it imports, open; uvloop aborts where it cannot

T = TypeVar("T")


def drive(
    world: World,
    watch: Watch,
    work: Coroutine[Any, Any, T],
    deadline: float | None = None,
    *,
    fast: bool = False,
) -> T:
    """Run `work` to its end, under `--deadline`, in seconds. `fast`: on uvloop, where there is one.

    Raises DeadlinePassed, Terminated, KeyboardInterrupt; the work has then been cancelled and cleaned up.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        import asyncio  # here, since --dry-run, count and the like need no loop

        files.fill_standard()
        files.check_room(_FILES[fast])
        with asyncio.Runner(loop_factory=fast_loop if fast else None) as runner:
            return runner.run(_supervised(watch, work, world.remaining(deadline)))
    except OutOfTime:
        raise alarm.passed(watch) from None
    finally:
        work.close()  # where it was not begun; a finished one does not mind
        with suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGTERM, before)


def run_at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work` that waits for nothing: without asyncio, whose import is a sixth of such a start."""
    try:
        work.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    finally:
        work.close()
    raise RuntimeError("the work waits for something")


def fast_loop() -> asyncio.AbstractEventLoop:
    """A new loop, of uvloop where that is installed."""
    import asyncio

    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class _Sigterm:
    """The handler of SIGTERM while a task runs: it cancels that. `came`: it was called, be it too late for that."""

    def __init__(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
        self._loop, self._task = loop, task
        self.came = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.came = True
        with suppress(RuntimeError):  # the loop has come to its end by itself
            self._loop.call_soon_threadsafe(self._task.cancel)

    def check(self) -> None:
        """Raise Terminated where it came."""
        if self.came:
            raise Terminated("SIGTERM arrived")


async def _supervised(watch: Watch, work: Coroutine[Any, Any, T], seconds: float | None) -> T:
    import asyncio

    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this runs in one
    loop = asyncio.get_running_loop()
    sigterm = _Sigterm(loop, task)

    def check() -> None:
        """Raise what the loop would, if what it runs did not hold it up."""
        sigterm.check()
        if task.cancelling():
            raise KeyboardInterrupt
        if (when := limit.when()) is not None and loop.time() >= when:
            raise alarm.passed(watch)

    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGTERM, sigterm)
    loop.set_exception_handler(_reported)
    try:
        async with asyncio.timeout(seconds) as limit:
            with watch.using(check), alarm.held(lambda: bool(task.cancelling())):
                done = await work
    except TimeoutError:
        if limit.expired():
            raise alarm.passed(watch) from None
        raise
    except asyncio.CancelledError:
        sigterm.check()
        raise
    sigterm.check()  # it came when the work was over: what follows would not hear of it
    return done


def _reported(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say what nobody fetched of a task, but for the alarm, which ends the command in other words."""
    if not isinstance(context.get("exception"), OutOfTime):
        loop.default_exception_handler(context)
