"""Aside: a loop in a thread of its own, for what outlives the command's loop and is asked from it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from llmcli.loop.runner import fast_loop

T = TypeVar("T")


def in_a_thread(work: Callable[[], T], name: str) -> Future[T]:
    """What `work` will have given; neither a signal nor the end of the process, or of a loop, waits for it."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


class Aside:
    """Runs coroutines beside the command's own loop, before it, during it and after it.

    The thread never holds up the end of the process. `fast`: on uvloop, where there is one.
    """

    def __init__(self, name: str, *, fast: bool = False) -> None:
        self._loop = fast_loop() if fast else asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run `work` there; to cancel the future cancels it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, for a coroutine of another loop."""
        return await asyncio.wrap_future(self.begin(work))

    def close(self) -> None:
        """End the loop and what still runs in it."""
        with suppress(RuntimeError):  # it is closed already
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            _cancel_all(self._loop)
        finally:
            self._loop.close()


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
