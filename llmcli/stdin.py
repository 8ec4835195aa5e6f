"""stdin: read to its end, to the byte, with one word to a person where nothing comes."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import field
from typing import Any

from llmcli.errors import DeadlinePassed, UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.world import World, read_some, ready

_SILENCE = 2.0  # seconds
_CHUNK = 1 << 16  # bytes
_WORD = "waiting for stdin (--no-stdin to ignore it)"


@dataclass
class Stdin:
    """What comes in. `forbidden`: `--no-stdin`; `deadline`: seconds for everything; `say` is told of a silence.

    `waits_for` is told where we wait for a piece. `taken`: a flag named stdin, so that it is no prompt.
    """

    world: World
    say: Callable[[str], None]
    forbidden: bool = False
    deadline: float | None = None
    waits_for: Callable[[str], None] = lambda _what: None
    taken: bool = False
    _content: bytes | None = field(default=None, repr=False)
    _told: bool = False

    @property
    def is_piped(self) -> bool:
        """Whether there is something to read that is no terminal."""
        return not self.forbidden and self.world.stdin is not None and not self.world.stdin_is_terminal

    def read(self) -> bytes:
        """All of it, the same each time. Raises UsageError, DeadlinePassed."""
        self.check_allowed()
        self.taken = True
        if self._content is None:
            self._content = b"".join(self._blocks())
        return self._content

    def blocks(self) -> Iterator[bytes]:
        """The same as it comes, once: nothing is kept. Raises UsageError, DeadlinePassed."""
        self.check_allowed()
        self.taken = True
        return self._blocks() if self._content is None else iter([self._content])

    def check_allowed(self) -> None:
        """Raise UsageError where stdin is asked for, and is not to be touched."""
        if self.forbidden:
            raise UsageError("stdin is asked for, but --no-stdin forbids it", todo="drop one of them")

    async def piece(self) -> bytes:
        """What has come since, waiting where nothing has; b"" at the end. Raises UsageError."""
        stream = self.world.stdin
        if stream is None:
            return b""
        try:
            descriptor = stream.fileno()
        except (OSError, ValueError):  # a stream of memory
            return stream.read()
        self.waits_for("the next turn on stdin")
        try:
            await self._ready(descriptor)
            return os.read(descriptor, _CHUNK)
        except OSError as error:
            raise UsageError(f"cannot read stdin: {error.strerror}", todo="check what is piped in") from None

    def await_first_byte(self) -> None:
        """Wait until there is something, or the end; say so to a person where that takes long."""
        if self.world.stdin is not None:
            with suppress(OSError, ValueError):  # a stream of memory
                self._await_first_byte(self.world.stdin.fileno())

    def _remaining(self) -> float | None:
        return self.world.remaining(self.deadline)

    async def _ready(self, descriptor: int) -> None:
        """Return when there is something to read; a silence is told once."""
        import asyncio

        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        try:
            loop.add_reader(descriptor, ready.set)
        except PermissionError:  # a file, which is always ready
            return
        word: Any = None
        if not self._told and not self.world.stdin_is_terminal:
            self._told = True
            word = loop.call_later(_SILENCE, self.say, _WORD)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(descriptor)
            if word is not None:
                word.cancel()

    def _blocks(self) -> Iterator[bytes]:
        stream = self.world.stdin
        if stream is None:
            return
        try:
            descriptor = stream.fileno()
        except (OSError, ValueError):  # a stream of memory
            yield stream.read()
            return
        try:
            self._await_first_byte(descriptor)
            while block := read_some(stream, _CHUNK):
                yield block
                _await_byte(descriptor, self._remaining())
        except OSError as error:
            todo = "use --no-stdin to ignore it"
            raise UsageError(f"cannot read stdin: {error.strerror}", todo=todo) from None

    def _await_first_byte(self, descriptor: int) -> None:
        if self.world.stdin_is_terminal:
            return
        remaining = self._remaining()
        silent = remaining is None or remaining >= _SILENCE
        if silent and not ready(descriptor, select.POLLIN, _SILENCE):
            self.say(_WORD)
        _await_byte(descriptor, self._remaining())


def _await_byte(descriptor: int, remaining: float | None) -> None:
    if remaining is not None and not ready(descriptor, select.POLLIN, max(0.0, remaining)):
        raise DeadlinePassed("stdin did not end before --deadline", todo="raise --deadline or use --no-stdin")
