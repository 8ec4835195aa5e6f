"""Signals that we get while we serve, in their order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_ENDING = (signal.SIGTERM, signal.SIGINT)
_TOLD = (signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGCONT)


class Signals:
    """The signals that came, one `next()` each."""

    def __init__(self) -> None:
        self._came: asyncio.Queue[int] = asyncio.Queue()

    async def next(self) -> int:
        """The number of the next one."""
        return await self._came.get()

    def take(self, number: int) -> None:
        """One has come."""
        self._came.put_nowait(number)


@contextmanager
def caught(*, all_of_them: bool) -> Iterator[Signals]:
    """Have signals end nothing by themselves: those that end a program, or all that one may be told by."""
    loop, signals = asyncio.get_running_loop(), Signals()
    numbers = (*_ENDING, *_TOLD) if all_of_them else _ENDING
    before = {number: signal.getsignal(number) for number in numbers}
    taken = []
    for number in numbers:
        with suppress(ValueError, RuntimeError):  # not the main thread
            loop.add_signal_handler(number, signals.take, number)
            taken.append(number)
    try:
        yield signals
    finally:
        for number in taken:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number])
