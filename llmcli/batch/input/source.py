"""Sources of rows: a file, or a pipe that a thread reads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import BinaryIO

from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.kinds import batches_of
from llmcli.batch.input.readers.entry import Batch
from llmcli.batch.input.rows import Row, RowBuilder
from llmcli.errors import LlmcliError, UsageError
from llmcli.world import read_some

BLOCK = 1 << 18  # bytes
_BATCHES = 8  # that a pipe may be ahead of the engine
_NONE = Batch((), ())


class EntrySource:
    """Rows of the batches that a reader brings."""

    def __init__(self, builder: RowBuilder, stats: Stats) -> None:
        self._builder = builder
        self._stats = stats
        self._at_hand = _NONE
        self._next = 0  # of what is at hand
        self._number = 0
        self._checked = False
        self._over = False

    @property
    def ended(self) -> bool:
        """See Source."""
        return self._over and self._next == len(self._at_hand.entries)

    def next(self) -> Row | None:
        """See Source. Raises what went wrong in reading."""
        while self._next == len(self._at_hand.entries):
            if self._over:
                return None
            batch = self._batch()
            if batch is None and not self._over:
                return None
            self._take(batch or _NONE)
        batch, at = self._at_hand, self._next
        self._next += 1
        row = self._builder.row(batch.entries[at], self._number)
        row.line, row.columns = batch.lines[at], batch.columns
        self._number += 1
        self._builder.see(row)
        return row

    def _take(self, batch: Batch) -> None:
        self._at_hand, self._next = batch, 0
        self._stats.found += len(batch.entries)
        if self._over:
            self._stats.complete = True
        elif not self._checked:
            self._checked = self._builder.check(batch)

    def _batch(self) -> Batch | None:
        """The next batch; None where there is none yet, or, with `_over`, any more."""
        raise NotImplementedError


class FileSource(EntrySource):
    """The rows of a file, read a block at a time; `path` is what errors call it (None: stdin)."""

    def __init__(self, stream: BinaryIO, builder: RowBuilder, stats: Stats, path: str | None = None) -> None:
        super().__init__(builder, stats)
        self._stream = stream
        self._path = path
        self._batches: Iterator[Batch] | None = None

    def start(self, wake: Callable[[], None]) -> None:
        """See Source."""

    def _batch(self) -> Batch | None:
        if self._batches is None:
            self._batches = batches_of(self._blocks(), self._builder.how, self._path, self._stream)
        batch = next(self._batches, None)
        self._over = batch is None
        return batch

    def _blocks(self) -> Iterator[bytes]:
        try:
            while block := read_some(self._stream, BLOCK):
                self._stats.read += len(block)
                yield block
        except OSError as error:
            raise unreadable(error) from None


class ThreadSource(EntrySource):
    """The rows of blocks that are waited for: from `start` on, a thread does that and calls `wake` for each batch."""

    def __init__(self, builder: RowBuilder, stats: Stats, path: str | None = None) -> None:
        super().__init__(builder, stats)
        self._path = path
        self._wake: Callable[[], None] = lambda: None
        self._ready: deque[Batch | None] = deque()  # None: the end
        self._room = threading.Semaphore(_BATCHES)
        self._error: LlmcliError | Exception | None = None

    def start(self, wake: Callable[[], None]) -> None:
        """See Source."""
        self._wake = wake
        threading.Thread(target=self._read, daemon=True).start()

    def _batch(self) -> Batch | None:
        if not self._ready:
            return None
        batch = self._ready.popleft()
        self._room.release()
        if batch is None:
            self._over = True
            if self._error is not None:
                raise self._error
        return batch

    def _read(self) -> None:
        """The thread."""
        try:
            for batch in batches_of(self._blocks(), self._builder.how, self._path):
                self._room.acquire()
                self._hand_over(batch)
        except Exception as error:  # noqa: BLE001 - the engine's thread raises it
            self._error = error
        finally:
            self._hand_over(None)

    def _blocks(self) -> Iterator[bytes]:
        raise NotImplementedError

    def _hand_over(self, batch: Batch | None) -> None:
        self._ready.append(batch)
        self._tell()

    def _tell(self) -> None:
        with suppress(RuntimeError):  # the run is over, and so is its loop
            self._wake()


class PipeSource(ThreadSource):
    """The rows of a pipe; `path`: see FileSource."""

    def __init__(self, stream: BinaryIO, builder: RowBuilder, stats: Stats, path: str | None = None) -> None:
        super().__init__(builder, stats, path)
        self._stream = stream

    def _blocks(self) -> Iterator[bytes]:
        try:
            while block := read_some(self._stream, BLOCK):
                self._stats.read += len(block)
                yield block
        except OSError as error:
            raise unreadable(error) from None


def unreadable(error: OSError) -> UsageError:
    """The error for an INPUT that cannot be read to its end."""
    return UsageError(f"cannot read the input: {error.strerror}")
