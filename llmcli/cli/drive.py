"""The one place where a loop runs: a coroutine, driven under the deadline and SIGTERM."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from llmcli.errors import DeadlinePassed, Terminated

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


def drive(work: Coroutine[Any, Any, T], seconds: float | None, *, fast: bool = False) -> T:
    """Run `work` to its end; `seconds` may be left of the deadline. `fast`: on uvloop, where there is one.

    Raises DeadlinePassed, Terminated, KeyboardInterrupt; the work has then been cancelled and cleaned up.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        import asyncio  # here, since --dry-run, count and the like need no loop

        with asyncio.Runner(loop_factory=_fast_loop if fast else None) as runner:
            return runner.run(_supervised(work, seconds))
    finally:
        work.close()  # where it was not begun; a finished one does not mind
        with contextlib.suppress(
            ValueError
        ):  # asyncio leaves the default handler behind; not the main thread
            signal.signal(signal.SIGTERM, before)


def _fast_loop() -> asyncio.AbstractEventLoop:
    import asyncio

    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _supervised(work: Coroutine[Any, Any, T], seconds: float | None) -> T:
    import asyncio

    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        if task is not None:
            task.cancel()

    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not the main thread
        loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        async with asyncio.timeout(seconds) as limit:
            return await work
    except TimeoutError:
        if limit.expired():
            raise DeadlinePassed("--deadline passed", todo="raise it, or ask for less") from None
        raise
    except asyncio.CancelledError:
        if terminated:
            raise Terminated("SIGTERM arrived") from None
        raise
