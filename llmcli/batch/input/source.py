"""Sources of rows: a file, a pipe that a thread reads, files that are rows, and several of these as one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from llmcli import files
from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.kinds import batches_of
from llmcli.batch.input.readers.entry import Batch, Columns, NamedFile, Placed
from llmcli.batch.input.rows import Row, RowBuilder
from llmcli.errors import LlmcliError, UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.world import read_some

if TYPE_CHECKING:
    from llmcli.batch.shards.deal import Deal
    from llmcli.stores.remote_file import Remote

BLOCK = 1 << 18  # bytes
_BATCHES = 8  # that a pipe may be ahead of the engine
_NONE = Batch((), ())


@dataclass(frozen=True)
class Part:
    """One INPUT; path None: stdin. `file` is what its rows are known by, where there are several.

    `is_spool`: it is what stdin once was, whose name says nothing of its kind. `remote`: its path is the URL of this.
    """

    path: str | None
    file: str | None = None
    is_spool: bool = False
    remote: Remote | None = None

    @property
    def name(self) -> str | None:
        """What errors call it, and what may say its kind."""
        return None if self.is_spool else self.path

    @property
    def is_file(self) -> bool:
        """Whether it is a file of this machine."""
        return self.path is not None and self.remote is None and files.is_file(self.path)

    @property
    def size(self) -> int | None:
        """Bytes; None where that is not known."""
        if self.remote is not None:
            return self.remote.size
        return Path(self.path or "").stat().st_size if self.is_file else None

    def open(self) -> BinaryIO:
        """Its bytes. Raises UsageError."""
        if self.remote is not None:
            return self.remote.open()
        assert self.path is not None  # noqa: S101 - stdin is open
        try:
            return Path(self.path).open("rb")
        except OSError as error:
            raise UsageError(f"cannot read {self.path}: {error.strerror}", todo="check the path") from None


class EntrySource:
    """Rows of the batches that a reader brings. `is_last`: no other INPUT follows.

    `is_checked`: the first good row was seen, here or in an INPUT before.
    """

    def __init__(self, part: Part, builder: RowBuilder, stats: Stats) -> None:
        self.is_last = True
        self.deal: Deal | None = None  # of whose rows are passed over
        self.before = 0  # rows of other INPUTs
        self.columns: Columns | None = None
        self.number = 0  # of the next row
        self._part = part
        self._builder = builder
        self._stats = stats
        self._at_hand = _NONE
        self._next = 0  # of what is at hand
        self._rows: Iterator[Row] = iter(())  # of what is at hand, but for the first
        self.is_checked = False
        self._over = False

    @property
    def called(self) -> str:
        """What errors call it."""
        return self._part.name or "stdin"

    @property
    def ended(self) -> bool:
        """See Source."""
        return self._over and self._next == len(self._at_hand.entries)

    def start(self, wake: Callable[[], None]) -> None:
        """See Source."""

    def close(self) -> None:
        """Read no more."""

    def next(self) -> Row | None:
        """See Source. Raises what went wrong in reading."""
        row = next(self._rows, None)
        if row is None and (found := self.entry()) is not None:
            if self.deal is None:
                self._rows = self._others()
            return self.row_of(found)
        return row

    def row_of(self, found: Placed) -> Row:
        """The row of an entry."""
        return self._builder.placed(found)

    def _others(self) -> Iterator[Row]:
        """The rows of what is at hand and was not taken. One loop for all: they are the bulk of a run."""
        entries, lines, columns = self._at_hand.entries, self._at_hand.lines, self._at_hand.columns
        file, before, row_of, last = self._part.file, self.before, self._builder.maker(), len(entries)
        new = tuple.__new__  # half of the steps that Placed() takes
        while (at := self._next) < last:
            number = self.number
            self._next, self.number = at + 1, number + 1
            yield row_of(new(Placed, (entries[at], number, lines[at], columns, file, before)))

    def entry(self) -> Placed | None:
        """The entry of the next row; None where none is ready. Raises what went wrong in reading."""
        if (self.deal is not None or self._next >= len(self._at_hand.entries)) and not self._looked():
            return None
        batch, at, number = self._at_hand, self._next, self.number
        self._next, self.number = at + 1, number + 1
        return Placed(batch.entries[at], number, batch.lines[at], batch.columns, self._part.file, self.before)

    def _looked(self) -> bool:
        """Whether a row is at hand, once what is ready was taken."""
        while not self._has_row():
            if self._over:
                return False
            batch = self._batch()
            if batch is None and not self._over:
                return False
            self._take(batch or _NONE)
        return True

    def _has_row(self) -> bool:
        """Whether a row is at hand; those before it that are others' are passed over."""
        entries, deal = self._at_hand.entries, self.deal
        while deal is not None and self._next < len(entries):
            if deal.ends_at(self.number):
                self._at_hand, self._next = _NONE, 0
                self._over = self._stats.is_cut = True
                return False
            passed = deal.others(self.number, entries, self._next)
            if not passed:
                return True
            self._next += passed
            self.number += passed
            self._stats.foreign += passed
        return self._next < len(entries)

    def _take(self, batch: Batch) -> None:
        self._at_hand, self._next = batch, 0
        self.columns = self.columns or batch.columns
        self._stats.found += len(batch.entries)
        if self._over and self.is_last:
            self._stats.complete = True
        if self.columns is not None and self.columns is batch.columns:
            self._builder.check_columns(self.columns)
        if not self.is_checked:
            self.is_checked = self._builder.check(batch)

    def _batch(self) -> Batch | None:
        """The next batch; None where there is none yet, or, with `_over`, any more."""
        raise NotImplementedError

    def _blocks_of(self, stream: BinaryIO) -> Iterator[bytes]:
        try:
            while block := read_some(stream, BLOCK):
                self._stats.read += len(block)
                yield block
        except OSError as error:
            raise UsageError(f"cannot read the input: {error.strerror}") from None


class FileSource(EntrySource):
    """The rows of a file, read a block at a time; `stream`: what is open already."""

    def __init__(self, part: Part, builder: RowBuilder, stats: Stats, stream: BinaryIO | None = None) -> None:
        super().__init__(part, builder, stats)
        self._stream = stream
        self._is_ours = stream is None
        self._batches: Iterator[Batch] | None = None

    def _batch(self) -> Batch | None:
        if self._batches is None:
            stream = self._stream = self._stream or self._part.open()
            seekable = None if self._part.path is None else stream
            self._batches = batches_of(self._blocks_of(stream), self._builder.how, self._part.name, seekable)
        batch = next(self._batches, None)
        if batch is None:
            self._over = True
            self.close()
        return batch

    def close(self) -> None:
        """Close the file, where it was opened here."""
        if self._is_ours and self._stream is not None:
            self._stream.close()


class NamedSource(EntrySource):
    """Files that are rows."""

    def __init__(self, paths: Sequence[str], builder: RowBuilder, stats: Stats) -> None:
        super().__init__(Part(None), builder, stats)
        self._paths = paths

    def _batch(self) -> Batch | None:
        self._over = True
        return Batch([NamedFile(path) for path in self._paths], [None] * len(self._paths))


class ThreadSource(EntrySource):
    """The rows of blocks that are waited for: from `start` on, a thread does that and calls `wake` for each batch."""

    def __init__(self, part: Part, builder: RowBuilder, stats: Stats) -> None:
        super().__init__(part, builder, stats)
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
            for batch in batches_of(self._blocks(), self._builder.how, self._part.name):
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
        with suppress(RuntimeError):  # the run is over, and so is its loop
            self._wake()


class PipeSource(ThreadSource):
    """The rows of a pipe; `stream`: what is open already."""

    def __init__(self, part: Part, builder: RowBuilder, stats: Stats, stream: BinaryIO | None = None) -> None:
        super().__init__(part, builder, stats)
        self._stream = stream

    def _blocks(self) -> Iterator[bytes]:
        if self._stream is not None:
            yield from self._blocks_of(self._stream)
            return
        with self._part.open() as stream:
            yield from self._blocks_of(stream)


class Chain:
    """Several sources as one, each begun when the one before has ended."""

    def __init__(self, sources: Sequence[EntrySource]) -> None:
        self._sources = deque(sources)
        self.columns: Columns | None = None
        self._wake: Callable[[], None] = lambda: None
        for source in list(sources)[:-1]:
            source.is_last = False

    @property
    def ended(self) -> bool:
        """See Source."""
        return len(self._sources) <= 1 and all(source.ended for source in self._sources)

    def start(self, wake: Callable[[], None]) -> None:
        """See Source."""
        self._wake = wake
        self._sources[0].start(wake)

    def close(self) -> None:
        """Read no more."""
        for source in self._sources:
            source.close()

    def next(self) -> Row | None:
        """See Source. Raises UsageError where a table's header is not that of the tables before it."""
        found = self.entry()
        return None if found is None else self._sources[0].row_of(found)

    def entry(self) -> Placed | None:
        """See EntrySource. Raises UsageError as `next` does."""
        if not self._sources:
            return None
        while (found := (source := self._sources[0]).entry()) is None and source.ended:
            if len(self._sources) == 1:
                return None
            self._sources.popleft().close()
            following = self._sources[0]
            following.before = source.before + source.number
            following.is_checked = source.is_checked
            following.start(self._wake)
        self.check_columns(source)
        return found

    def check_columns(self, source: EntrySource) -> None:
        """Raise UsageError where a source's header is another than that of the tables before it."""
        if source.columns is None or source.columns is self.columns:
            return
        if self.columns is not None and source.columns != self.columns:
            raise UsageError(
                f"the header is not that of the tables before it ({', '.join(self.columns.titles[:8])})",
                source.called,
                "tables have one header: run them one by one, or mend it",
            )
        self.columns = source.columns
