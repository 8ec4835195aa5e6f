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

        files.check_room(_FILES[fast])
        with asyncio.Runner(loop_factory=_fast_loop if fast else None) as runner:
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


def _fast_loop() -> asyncio.AbstractEventLoop:
    import asyncio

    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _supervised(watch: Watch, work: Coroutine[Any, Any, T], seconds: float | None) -> T:
    import asyncio

    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this runs in one
    loop = asyncio.get_running_loop()
    terminated = False

    def terminate(_number: int, _frame: FrameType | None) -> None:
        nonlocal terminated
        terminated = True
        with suppress(RuntimeError):  # the loop has come to its end by itself
            loop.call_soon_threadsafe(task.cancel)

    def check() -> None:
        """Raise what the loop would, if what it runs did not hold it up."""
        if terminated:
            raise Terminated("SIGTERM arrived")
        if task.cancelling():
            raise KeyboardInterrupt
        if (when := limit.when()) is not None and loop.time() >= when:
            raise alarm.passed(watch)

    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGTERM, terminate)
    loop.set_exception_handler(_reported)
    try:
        async with asyncio.timeout(seconds) as limit:
            with watch.using(check), alarm.held(lambda: bool(task.cancelling())):
                return await work
    except TimeoutError:
        if limit.expired():
            raise alarm.passed(watch) from None
        raise
    except asyncio.CancelledError:
        if terminated:
            raise Terminated("SIGTERM arrived") from None
        raise


def _reported(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say what nobody fetched of a task, but for the alarm, which ends the command in other words."""
    if not isinstance(context.get("exception"), OutOfTime):
        loop.default_exception_handler(context)
