"""How long a stream may say nothing, watched with one timer a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from llmcli.errors import StreamCut, TransientFailure
from llmcli.finish import Courses, is_plain_piece, says_something
from llmcli.transport.failures.diagnosis import Reply, stalled, timed_out
from llmcli.wire import Chunk

_FLOW = 1024  # bytes of a long event that count as something said: fewer in all that time are a trickle


class Silence:
    """How long a stream may still say nothing: `timeout` seconds, or `patience` once its choices are finished.

    Only waiting is silence: a reader who takes his time with what came is not held against the server. Comments,
    pings and events that hold nothing of an answer do not break it, nor does a trickle of one event's bytes.
    """

    def __init__(self, reply: Reply, timeout: float, patience: float, courses: Courses) -> None:
        self._reply = reply
        self._has_begun = False  # text, or what stands in its place, came
        self._timeout = timeout
        self._patience = patience
        self._courses = courses
        self._complete = False  # all choices said something, and ended
        self._waited = 0.0
        self._pending = 0  # bytes of an event that has no end yet
        self._deadline = _Deadline()

    def pending(self, size: int) -> None:
        """So much more of an event has come that is not whole yet; 0 where none is under way."""
        self._pending = self._pending + size if size else 0
        if self._pending >= _FLOW:
            self._waited, self._pending = 0.0, 0

    def note(self, chunk: Chunk) -> None:
        """Take in what this says; the courses of its choices too."""
        plain = is_plain_piece(chunk.get("choices"))
        if plain or _is_said_in(chunk):
            self._waited = 0.0
        self._courses.note(chunk, plain=plain)
        if not plain or self._complete:
            self._complete = self._courses.are_finished(self._reply.request.n)
        if not self._has_begun:
            self._has_begun = says_something(chunk)

    def _over(self) -> TransientFailure:
        """The error where it has been too long: an answer of which a part came broke off."""
        if self._has_begun:
            return stalled(self._reply, self._timeout)
        return timed_out(self._reply.request, self._timeout)

    async def until(self, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """The pieces; where nothing more comes of an answer that is complete, that is their end."""
        deadline = self._deadline
        clock = deadline.clock
        try:
            while True:
                asked, most = clock(), self._patience if self._complete else self._timeout
                try:
                    piece = await deadline.kept(pieces, asked + most - self._waited)
                except StopAsyncIteration:
                    return
                except StreamCut as error:  # no silence: the reader is told
                    error.behind_the_end = self._complete
                    raise
                except (TimeoutError, TransientFailure):
                    if self._complete:
                        return
                    raise self._over() from None
                self._waited += clock() - asked
                yield piece
        finally:
            deadline.close()


class _Deadline:
    """A timeout for one wait after the other: what `asyncio.timeout` does, without a timer for each.

    The timer that runs is left alone where the next wait may last longer; when it rings, it looks how far the
    deadline has moved.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.clock = loop.time
        self._call_at = loop.call_at
        self._timer: asyncio.TimerHandle | None = None
        self._rings = 0.0  # when
        self._when = 0.0
        self._waiting: asyncio.Task[Any] | None = None
        self._late = False

    async def kept(self, pieces: AsyncIterator[bytes], when: float) -> bytes:
        """The next piece. Raises TimeoutError where the loop's clock is at `when` before it is there."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine of asyncio's has one
        self._waiting, self._when, before = task, when, task.cancelling()
        if self._timer is None or when < self._rings:
            self._set()
        try:
            return await anext(pieces)
        except asyncio.CancelledError:
            if self._late and task.uncancel() <= before:
                raise TimeoutError from None
            raise
        finally:
            self._waiting, self._late = None, False

    def close(self) -> None:
        """Keep no timer any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self) -> None:
        self.close()
        self._rings = self._when
        self._timer = self._call_at(self._when, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiting is None:
            return
        if self.clock() < self._when:
            self._set()
        else:
            self._late = True
            self._waiting.cancel()


def _is_said_in(chunk: Chunk) -> bool:
    """Whether an event holds a piece of an answer, of whatever kind, its end, or its usage."""
    if chunk.get("usage"):
        return True
    for choice in chunk.get("choices") or []:
        said = {**(choice.get("message") or {}), **(choice.get("delta") or {})}
        if choice.get("finish_reason") or any(value for key, value in said.items() if key != "role"):
            return True
    return False
