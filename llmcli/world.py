"""The process's world as one object: streams, environment, clocks. Tests bring their own."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from datetime import UTC, date, datetime
from fcntl import F_GETFL, fcntl
from io import UnsupportedOperation
from typing import BinaryIO

from llmcli.lean.dataclass import dataclass


def _isatty(stream: BinaryIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def _is_readable(stream: BinaryIO | None) -> bool:
    """Whether a stream of this process can be read: `nohup` at a terminal, and `0>FILE`, leave one that cannot."""
    try:
        return stream is not None and fcntl(stream.fileno(), F_GETFL) & os.O_ACCMODE != os.O_WRONLY
    except (OSError, ValueError):  # closed
        return False


def ready(descriptor: int, event: int, seconds: float | None = None) -> bool:
    """Wait until a descriptor can be read (`select.POLLIN`) or written (`POLLOUT`); False where the time is up.

    `select` itself refuses numbers from 1,024 on, which a parent with many open files hands down. A descriptor
    that is closed or broken is ready: its use says what is wrong.
    """
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(None if seconds is None else seconds * 1000))


def read_some(stream: BinaryIO, size: int) -> bytes:
    """What has come, up to `size` bytes; b"" at the end. Waits, even where the descriptor is one that does not."""
    try:
        descriptor = stream.fileno()
    except UnsupportedOperation:  # a stream of memory
        return stream.read(size)
    while True:
        try:
            return os.read(descriptor, size)
        except BlockingIOError:
            ready(descriptor, select.POLLIN)


def go_back(stream: BinaryIO, place: int) -> None:
    """Have `read_some` go on from `place` (of `tell`): a seek of a buffered stream may move its buffer alone."""
    try:
        os.lseek(stream.fileno(), place, os.SEEK_SET)
    except UnsupportedOperation:
        stream.seek(place)


async def _sleep(seconds: float) -> None:
    import asyncio  # a third of the start-up of commands that never wait

    await asyncio.sleep(seconds)


def cores() -> int:
    """The cores that we may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _uniform(low: float, high: float) -> float:
    import random  # here, since only a failure is waited for

    return random.uniform(low, high)  # noqa: S311 - the jitter of a wait is no secret


@dataclass
class World:
    """What a command may touch. A stream is None where the process was started without it.

    Stdin is so, too, where it cannot be read.

    `clock` is monotonic, in seconds; `uniform(a, b)` draws the jitter of a back-off.
    """

    stdin: BinaryIO | None
    stdout: BinaryIO | None
    stderr: BinaryIO | None
    env: Mapping[str, str]
    clock: Callable[[], float] = time.monotonic
    today: Callable[[], date] = date.today
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[None]] = _sleep
    uniform: Callable[[float, float], float] = _uniform
    started: float = field(default=0.0)

    def __post_init__(self) -> None:
        self.started = self.clock()

    @classmethod
    def real(cls) -> World:
        """The world of this process."""

        def binary(stream: object) -> BinaryIO | None:
            return getattr(stream, "buffer", None)

        stdin = binary(sys.stdin)
        return cls(stdin if _is_readable(stdin) else None, binary(sys.stdout), binary(sys.stderr), os.environ)

    def remaining(self, deadline: float | None) -> float | None:
        """Seconds left of `--deadline`, which began when the program did."""
        return None if deadline is None else deadline - (self.clock() - self.started)

    @property
    def stdin_is_terminal(self) -> bool:
        """Whether a person types."""
        return _isatty(self.stdin)

    @property
    def stdout_is_terminal(self) -> bool:
        """Whether a person reads the answer."""
        return _isatty(self.stdout)

    @property
    def stderr_is_terminal(self) -> bool:
        """Whether a person reads what is said."""
        return _isatty(self.stderr)
