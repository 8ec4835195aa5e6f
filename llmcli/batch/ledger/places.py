"""Places: where in the files the record of each row stands, so that rows can be read in the order of the input."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence

from llmcli.batch.ledger.recordfile import RecordFile
from llmcli.batch.ledger.slots import Slots


class Places:
    """An index of some files of records, in 12 bytes a row. Of a row that has several records, the last counts.

    `place_of` is where a row stands, by its number or slot; None: its records are passed over.
    """

    def __init__(
        self, files: Sequence[RecordFile], slots: Slots | None, place_of: Callable[[int], int | None]
    ) -> None:
        self._files = files
        self._starts = array("Q")  # 0 where a row has no record, else the offset and the file, and 1 more
        self._sizes = array("I")
        for which, records in enumerate(files):
            offset = 0
            for row, line in records.lines(slots):
                if (place := place_of(row)) is not None:
                    self._put(place, offset * len(files) + which + 1, len(line))
                offset += len(line)

    def __len__(self) -> int:
        """How many rows have a record."""
        return len(self._starts) - self._starts.count(0)

    def __contains__(self, place: int) -> bool:
        """Whether the row at a place has a record."""
        return place < len(self._starts) and self._starts[place] != 0

    def _put(self, place: int, start: int, size: int) -> None:
        if place >= len(self._starts):
            more = place + 1 - len(self._starts)
            self._starts.frombytes(bytes(8 * more))
            self._sizes.frombytes(bytes(4 * more))
        self._starts[place], self._sizes[place] = start, size

    def lines(self) -> Iterator[bytes]:
        """The records in the order of their places."""
        for place in range(len(self._starts)):
            if (line := self.line(place)) is not None:
                yield line

    def line(self, place: int) -> bytes | None:
        """The record of the row at a place; None where there is none."""
        start = self._starts[place] if place < len(self._starts) else 0
        if not start:
            return None
        offset, which = divmod(start - 1, len(self._files))
        return self._files[which].between(offset, offset + self._sizes[place])
