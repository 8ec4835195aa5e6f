"""The alarm: ends a command at `--deadline` where no loop can, in a long parse, check or count."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from llmcli.errors import DeadlinePassed, OutOfTime
from llmcli.loop.watch import Watch

_LATE = 0.2  # seconds that the loop, which leaves things in better order, is given before the alarm
_AGAIN = 1.0  # seconds between two alarms, where something has caught the first


def arm(seconds: float) -> None:
    """Have OutOfTime raised in `seconds`, and a moment, from now."""
    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGALRM, _ring)
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.0) + _LATE, _AGAIN)


def disarm() -> None:
    """No alarm any more: what is left to do is short."""
    with suppress(ValueError):
        signal.setitimer(signal.ITIMER_REAL, 0.0)


@contextmanager
def held(is_ending: Callable[[], bool]) -> Iterator[None]:
    """Let the alarm pass where the work is ending already."""

    def ring(number: int, frame: Any) -> None:
        if not is_ending():
            _ring(number, frame)

    before = signal.getsignal(signal.SIGALRM)
    if before is not _ring:  # not armed
        yield
        return
    signal.signal(signal.SIGALRM, ring)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


def passed(watch: Watch) -> DeadlinePassed:
    """The error for a command line: what it waited for, and where that was to come from."""
    what, where = watch.awaited
    waiting = f" while waiting for {what}" if what else ""
    return DeadlinePassed(f"--deadline passed{waiting}", where, "raise it, or ask for less")


def _ring(_number: int, _frame: Any) -> None:
    raise OutOfTime
