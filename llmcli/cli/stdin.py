"""stdin: read to its end, to the byte, with one word to a person where nothing comes."""

from __future__ import annotations

import os
import select
from collections.abc import Awaitable, Callable
from contextlib import suppress

from llmcli.cli.session import Session
from llmcli.errors import DeadlinePassed, UsageError
from llmcli.world import read_some

_SILENCE = 2.0
_CHUNK = 1 << 16


def reader(session: Session, no_stdin: bool, deadline: float | None) -> Callable[[], bytes]:
    """A function that reads stdin once and gives the same bytes ever after. It raises UsageError."""
    content: list[bytes] = []

    def read() -> bytes:
        check_allowed(no_stdin)
        session.stdin_taken = True
        if not content:
            content.append(_read_all(session, deadline))
        return content[0]

    return read


def check_allowed(no_stdin: bool) -> None:
    """Raise UsageError where stdin is asked for, and is not to be touched."""
    if no_stdin:
        raise UsageError("stdin is asked for, but --no-stdin forbids it", todo="drop one of them")


def is_piped(session: Session, no_stdin: bool) -> bool:
    """Whether there is a stdin to read that is no terminal."""
    return not no_stdin and session.world.stdin is not None and not session.world.stdin_is_terminal


def pieces(session: Session) -> Callable[[], Awaitable[bytes]]:
    """A function that gives what has come on stdin since, waiting where nothing has; b"" at the end.

    For a running loop: others go on meanwhile. It raises UsageError.
    """
    stream = session.world.stdin
    silence = [_SILENCE]

    async def read() -> bytes:
        if stream is None:
            return b""
        try:
            descriptor = stream.fileno()
        except (OSError, ValueError):  # a stream of memory
            return stream.read()
        session.waits_for("the next turn on stdin")
        try:
            await _ready(session, descriptor, silence)
            return os.read(descriptor, _CHUNK)
        except OSError as error:
            raise UsageError(f"cannot read stdin: {error.strerror}", todo="check what is piped in") from None

    return read


async def _ready(session: Session, descriptor: int, silence: list[float]) -> None:
    """Return when there is something to read. `silence` holds the seconds until a word is said, once."""
    import asyncio

    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(descriptor, ready.set)
    except PermissionError:  # a file, which is always ready
        return
    word = None
    if silence and not session.world.stdin_is_terminal:
        word = loop.call_later(
            silence.pop(), session.notes.say, "waiting for stdin (--no-stdin to ignore it)"
        )
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
        if word is not None:
            word.cancel()


def _read_all(session: Session, deadline: float | None) -> bytes:
    stream = session.world.stdin
    if stream is None:
        return b""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # a stream of memory
        return stream.read()
    try:
        _await_first_byte(descriptor, session, deadline)
        pieces = []
        while piece := read_some(stream, _CHUNK):
            pieces.append(piece)
            _await_byte(descriptor, session.remaining(deadline))
    except OSError as error:
        raise UsageError(f"cannot read stdin: {error.strerror}", todo="use --no-stdin to ignore it") from None
    return b"".join(pieces)


def await_first_byte(session: Session, deadline: float | None) -> None:
    """Wait until stdin has something, or has ended; say so to a person where that takes long."""
    if session.world.stdin is not None:
        with suppress(OSError, ValueError):  # a stream of memory
            _await_first_byte(session.world.stdin.fileno(), session, deadline)


def _await_first_byte(descriptor: int, session: Session, deadline: float | None) -> None:
    if session.world.stdin_is_terminal:
        return None
    remaining = session.remaining(deadline)
    if remaining is not None and remaining < _SILENCE:
        return _await_byte(descriptor, remaining)
    if not select.select([descriptor], [], [], _SILENCE)[0]:
        session.notes.say("waiting for stdin (--no-stdin to ignore it)")
    return _await_byte(descriptor, session.remaining(deadline))


def _await_byte(descriptor: int, remaining: float | None) -> None:
    if remaining is not None and not select.select([descriptor], [], [], max(0.0, remaining))[0]:
        raise DeadlinePassed("stdin did not end before --deadline", todo="raise --deadline or use --no-stdin")
