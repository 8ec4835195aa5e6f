"""Sources of rows: a file, or a pipe that a thread reads (and spools, so that the run can be resumed)."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from llmcli.batch.rows import LineSplitter, Row, RowBuilder
from llmcli.batch.stats import Stats
from llmcli.errors import OutputFailure, UsageError

_BLOCK = 1 << 18  # bytes
_BLOCKS = 8  # blocks that a pipe may be ahead of the engine


class FileSource:
    """The rows of a file, read a block at a time."""

    def __init__(self, stream: BinaryIO, builder: RowBuilder, stats: Stats) -> None:
        self._stream = stream
        self._builder = builder
        self._stats = stats
        self._splitter = LineSplitter()
        self._lines: deque[bytes] = deque()
        self._number = 0
        self._over = False

    def start(self, wake: Callable[[], None]) -> None:
        """See Source."""

    @property
    def ended(self) -> bool:
        """See Source."""
        return self._over and not self._lines

    def next(self) -> Row | None:
        """See Source."""
        while not self._lines and not self._over:
            self._fill()
        if not self._lines:
            return None
        row = self._builder.row(self._lines.popleft(), self._number)
        self._number += 1
        return row

    def _fill(self) -> None:
        try:
            block = self._stream.read(_BLOCK)
        except OSError as error:
            raise UsageError(f"cannot read the input: {error.strerror}") from None
        self._stats.read += len(block)
        self._lines.extend(self._splitter.feed(block) if block else self._splitter.finish())
        self._over = not block
        self._stats.complete = self._over


class PipeSource:
    """The rows of a pipe: from `start` on, a thread reads it and calls `wake` for each block.

    With a `spool`, what was read is kept there: under a name with `.part` until the pipe has ended.
    """

    def __init__(
        self,
        stream: BinaryIO,
        builder: RowBuilder,
        stats: Stats,
        spool: Path | None = None,
    ) -> None:
        self._stream = stream
        self._builder = builder
        self._stats = stats
        self._wake: Callable[[], None] = lambda: None
        self._spool = spool
        self._blocks: deque[bytes] = deque()
        self._room = threading.Semaphore(_BLOCKS)
        self._splitter = LineSplitter()
        self._lines: deque[bytes] = deque()
        self._number = 0
        self._over = False
        self._error: Exception | None = None

    def start(self, wake: Callable[[], None]) -> None:
        """See Source."""
        self._wake = wake
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def ended(self) -> bool:
        """See Source."""
        return self._over and not self._lines

    def next(self) -> Row | None:
        """See Source. Raises what went wrong in reading."""
        while not self._lines and self._blocks:
            block = self._blocks.popleft()
            self._room.release()
            self._stats.read += len(block)
            self._lines.extend(self._splitter.feed(block) if block else self._splitter.finish())
            self._over = self._stats.complete = not block
            if self._over and self._error is not None:
                raise self._error
        if not self._lines:
            return None
        row = self._builder.row(self._lines.popleft(), self._number)
        self._number += 1
        return row

    def _read(self) -> None:
        """The thread: blocks to the engine, by way of the spool; an empty block is the end."""
        try:
            if self._spool is None:
                self._pump(None)
            else:
                part = self._spool.with_name(f"{self._spool.name}.part")
                with open(part, "wb", opener=_private) as spool:
                    self._pump(spool)
                part.replace(self._spool)
        except OSError as error:
            self._error = OutputFailure(f"cannot read stdin, or keep it for a resume: {error.strerror}")
        finally:
            self._blocks.append(b"")
            self._wake()

    def _pump(self, spool: BinaryIO | None) -> None:
        while block := _some(self._stream):
            if spool is not None:
                spool.write(block)
                spool.flush()
            self._room.acquire()
            self._blocks.append(block)
            self._wake()


def _private(path: str, flags: int) -> int:
    """An opener for files that only their owner may read."""
    return os.open(path, flags, 0o600)


def _some(stream: BinaryIO) -> bytes:
    """What is there, without waiting for a whole block."""
    read1 = getattr(stream, "read1", None)
    block: bytes = read1(_BLOCK) if read1 is not None else stream.read(_BLOCK)
    return block
