"""Places: where in the files the record of each row stands, so that rows can be read in the order of the input."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

from llmcli.batch.ledger.final import GONE, Done
from llmcli.batch.ledger.recordfile import RecordFile


class Places:
    """An index of some files of records, in 12 bytes a row. Of a row that has several records, the last counts.

    `beyond`: how many rows the input has (None: not known); the records of those behind it are passed over.
    `done` knows where rows stand that have keys.
    """

    def __init__(
        self, files: Sequence[RecordFile], beyond: int | None = None, done: Done | None = None
    ) -> None:
        done = Done() if done is None else done
        seen = done.seen
        self._files = files
        self._starts = array("Q")  # 0 where a row has no record, else the offset and the file, and 1 more
        self._sizes = array("I")
        for which, records in enumerate(files):
            place = 0
            for row, line in records.lines(done.slots):
                at = done.place(row)
                if at >= GONE and beyond is None:
                    at += seen - GONE
                if at < (GONE if beyond is None else beyond):
                    self._put(at, place * len(files) + which + 1, len(line))
                place += len(line)

    def __len__(self) -> int:
        """How many rows have a record."""
        return len(self._starts) - self._starts.count(0)

    def _put(self, row: int, start: int, size: int) -> None:
        if row >= len(self._starts):
            more = row + 1 - len(self._starts)
            self._starts.frombytes(bytes(8 * more))
            self._sizes.frombytes(bytes(4 * more))
        self._starts[row], self._sizes[row] = start, size

    def lines(self) -> Iterator[bytes]:
        """The records in the order of their rows."""
        for row in range(len(self._starts)):
            if (line := self.line(row)) is not None:
                yield line

    def line(self, row: int) -> bytes | None:
        """The record of a row; None where it has none."""
        start = self._starts[row] if row < len(self._starts) else 0
        if not start:
            return None
        place, which = divmod(start - 1, len(self._files))
        return self._files[which].between(place, place + self._sizes[row])
