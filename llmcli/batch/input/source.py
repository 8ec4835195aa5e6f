"""Sources of rows: a file, or a pipe that a thread reads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.rows import LineSplitter, Row, RowBuilder
from llmcli.batch.input.sniff import FirstLines
from llmcli.errors import LlmcliError, UsageError
from llmcli.world import read_some

BLOCK = 1 << 18  # bytes
_BLOCKS = 8  # blocks that a pipe may be ahead of the engine


class LineSource:
    """Rows of the blocks that a source brings; an empty block is the end."""

    def __init__(self, builder: RowBuilder, stats: Stats, path: str | None = None) -> None:
        self._builder = builder
        self._gate = FirstLines(path, builder.check)
        self._stats = stats
        self._splitter = LineSplitter()
        self._lines: deque[bytes] = deque()
        self._number = 0
        self._over = False

    @property
    def ended(self) -> bool:
        """See Source."""
        return self._over and not self._lines

    def next(self) -> Row | None:
        """See Source. Raises what went wrong in reading."""
        while not self._lines and not self._over:
            block = self._block()
            if block is None:
                return None
            self._stats.read += len(block)
            lines = self._splitter.feed(block) if block else self._splitter.finish()
            lines = self._gate.through(block, lines)
            self._lines.extend(lines)
            self._stats.found += len(lines)
            self._over = self._stats.complete = not block
        if not self._lines:
            return None
        row = self._builder.row(self._lines.popleft(), self._number)
        self._number += 1
        return row

    def _block(self) -> bytes | None:
        """The next block; None where there is none yet."""
        raise NotImplementedError


class FileSource(LineSource):
    """The rows of a file, read a block at a time; `path` is what errors call it (None: stdin)."""

    def __init__(self, stream: BinaryIO, builder: RowBuilder, stats: Stats, path: str | None = None) -> None:
        super().__init__(builder, stats, path)
        self._stream = stream

    def start(self, wake: Callable[[], None]) -> None:
        """See Source."""

    def _block(self) -> bytes:
        try:
            return read_some(self._stream, BLOCK)
        except OSError as error:
            raise _unreadable(error) from None


class PipeSource(LineSource):
    """The rows of a pipe: from `start` on, a thread reads it and calls `wake` for each block."""

    def __init__(self, stream: BinaryIO, builder: RowBuilder, stats: Stats) -> None:
        super().__init__(builder, stats)
        self._stream = stream
        self._wake: Callable[[], None] = lambda: None
        self._blocks: deque[bytes] = deque()
        self._room = threading.Semaphore(_BLOCKS)
        self._error: LlmcliError | None = None

    def start(self, wake: Callable[[], None]) -> None:
        """See Source."""
        self._wake = wake
        threading.Thread(target=self._read, daemon=True).start()

    def _block(self) -> bytes | None:
        if not self._blocks:
            return None
        block = self._blocks.popleft()
        self._room.release()
        if not block and self._error is not None:
            raise self._error
        return block

    def _read(self) -> None:
        """The thread."""
        try:
            while block := read_some(self._stream, BLOCK):
                self._room.acquire()
                self._hand_over(block)
        except OSError as error:
            self._error = _unreadable(error)
        finally:
            self._hand_over(b"")

    def _hand_over(self, block: bytes) -> None:
        self._blocks.append(block)
        with suppress(RuntimeError):  # the run is over, and so is its loop
            self._wake()


def _unreadable(error: OSError) -> UsageError:
    return UsageError(f"cannot read the input: {error.strerror}")
