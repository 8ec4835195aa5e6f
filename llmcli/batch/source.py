"""Sources of rows: a file, or a pipe that a thread reads (and spools, so that the run can be resumed)."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from llmcli.batch.rows import LineSplitter, Row, RowBuilder
from llmcli.batch.stats import Stats
from llmcli.errors import LlmcliError, OutputFailure, UsageError
from llmcli.world import read_some

_BLOCK = 1 << 18  # bytes
_BLOCKS = 8  # blocks that a pipe may be ahead of the engine


class _Lines:
    """Rows of the blocks that a source brings; an empty block is the end."""

    def __init__(self, builder: RowBuilder, stats: Stats) -> None:
        self._builder = builder
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


class FileSource(_Lines):
    """The rows of a file, read a block at a time."""

    def __init__(self, stream: BinaryIO, builder: RowBuilder, stats: Stats) -> None:
        super().__init__(builder, stats)
        self._stream = stream

    def start(self, wake: Callable[[], None]) -> None:
        """See Source."""

    def _block(self) -> bytes:
        try:
            return read_some(self._stream, _BLOCK)
        except OSError as error:
            raise _unreadable(error) from None


class PipeSource(_Lines):
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
            while block := read_some(self._stream, _BLOCK):
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


class SpooledSource(_Lines):
    """The rows of a pipe by way of a file: from `start` on, a thread copies the pipe as fast as it brings rows.

    Until the pipe has ended, the file has `.part` at its name's end. A pipe that brings nothing is no input:
    then the rows are those of the spool that an earlier run left, if there is one. Where that run left only a
    part, an UsageError says so.
    """

    def __init__(self, stream: BinaryIO, builder: RowBuilder, stats: Stats, spool: Path) -> None:
        super().__init__(builder, stats)
        self._stream = stream
        self._wake: Callable[[], None] = lambda: None
        self._spool = spool
        self._place = 0
        self._copied = False
        self._error: LlmcliError | None = None
        self._file: int | None = None  # open as long as the process is, for the thread may outlive the run

    def start(self, wake: Callable[[], None]) -> None:
        """See Source."""
        self._wake = wake
        threading.Thread(target=self._copy, daemon=True).start()

    def _block(self) -> bytes | None:
        copied = self._copied  # as it was before the look into the file
        block = b"" if self._file is None else os.pread(self._file, _BLOCK, self._place)
        self._place += len(block)
        if block:
            return block
        if copied and self._error is not None:
            raise self._error
        return block if copied else None

    def _copy(self) -> None:
        """The thread."""
        try:
            while block := read_some(self._stream, _BLOCK):
                if self._file is None:
                    self._file = os.open(partial(self._spool), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
                _write_all(self._file, block)
                self._tell()
            self._keep()
        except OSError as error:
            self._error = _unspooled(error)
        except UsageError as error:
            self._error = error
        finally:
            self._copied = True
            self._tell()

    def _keep(self) -> None:
        """Make the copy the spool; where nothing came, take the rows of the one that is there."""
        if self._file is not None:
            partial(self._spool).replace(self._spool)
        elif self._spool.exists():
            self._file = os.open(self._spool, os.O_RDONLY)
        elif partial(self._spool).exists():
            raise cut_off()

    def _tell(self) -> None:
        with suppress(RuntimeError):  # the run is over, and so is its loop
            self._wake()


def partial(spool: Path) -> Path:
    """Where a spool stands while it is copied."""
    return spool.with_name(f"{spool.name}.part")


def cut_off() -> UsageError:
    """The error where an earlier run did not see the end of stdin, and this one has none."""
    return UsageError("stdin was cut off before its end", todo="pipe the same rows in again")


def _unreadable(error: OSError) -> UsageError:
    return UsageError(f"cannot read the input: {error.strerror}")


def _unspooled(error: OSError) -> OutputFailure:
    return OutputFailure(f"cannot read stdin, or keep it for a resume: {error.strerror}")


def _write_all(descriptor: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]
