"""What is done: which rows are final, what they cost, and which of their records counts."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum

from llmcli.batch.input.rows import Row
from llmcli.errors import UsageError


class Place(IntEnum):
    """The file that has a row's record."""

    NONE = 0
    OUT = 1
    ERRORS = 2


def record_id(row: int, digest: int) -> str:
    """The `id` of a row's record."""
    return f"batch_req_{row:06d}_{digest:016x}"


@dataclass(slots=True)
class Record:
    """What counts of a record. `cost` is in $; a row that is to be asked `again` is not final."""

    digest: int
    cost: float
    place: Place
    again: bool = False


@dataclass
class Done:
    """What earlier runs left, in 17 bytes a row. `spent` is in $.

    A row that is asked again keeps its record until it has a new one. `count` and `failed` are of final rows below
    `limit`. `superseded`: there are records that do not count. A row may have an answer and a failure of different
    bodies: then the failure is its rival, and counts where it is the one that fits the input.
    """

    limit: int | None = None
    count: int = 0
    failed: int = 0
    spent: Decimal = field(default=Decimal(0))
    superseded: bool = False
    _digests: array[int] = field(default_factory=lambda: array("Q"))  # 0 where the row is not final
    _costs: array[float] = field(default_factory=lambda: array("d"))
    _places: bytearray = field(default_factory=bytearray)
    _rivals: dict[int, Record] = field(default_factory=dict)

    def __len__(self) -> int:
        """One more than the highest row that has a record."""
        return len(self._places)

    @property
    def has_gaps(self) -> bool:
        """Whether rows that are not final come before one that is."""
        return 0 < self.count < (len(self) if self.limit is None else min(len(self), self.limit))

    def take(self, row: int, record: Record) -> None:
        """Take in a record of the files: those of OUT before those of OUT.errors, each in its order."""
        if row >= len(self):
            more = row + 1 - len(self)
            self._digests.frombytes(bytes(8 * more))
            self._costs.frombytes(bytes(8 * more))
            self._places.extend(bytes(more))
        before = self._places[row]
        self.superseded = self.superseded or before != Place.NONE
        if before == Place.OUT and record.place == Place.ERRORS:
            if record.digest != self._digests[row]:
                self._rivals[row] = record
        else:
            self._put(row, record)

    def _put(self, row: int, record: Record) -> None:
        """Make a record the one that counts."""
        if self._places[row]:
            self.reopen(row)
            self.spent -= self.cost(row) or 0
        if record.cost:
            self.spent += Decimal(repr(record.cost))
        self._costs[row] = record.cost
        self._places[row] = record.place
        if not record.again:
            self._digests[row] = record.digest
            self._count(row, 1)

    def reopen(self, row: int) -> None:
        """Have a row asked again."""
        if self._digests[row]:
            self._count(row, -1)
            self._digests[row] = 0

    def _count(self, row: int, number: int) -> None:
        if self.limit is None or row < self.limit:
            self.count += number
            self.failed += number * (self._places[row] == Place.ERRORS)

    def replaced(self, row: int, place: Place) -> None:
        """A record was written in this run: from now on it counts."""
        if row < len(self) and self._places[row]:
            self._places[row] = place
            self.superseded = True

    def counts(self, row: int, place: Place) -> bool:
        """Whether the last record that a file has of a row is the one that counts."""
        return row >= len(self) or self._places[row] in {Place.NONE, place}

    def cost(self, row: int) -> Decimal | None:
        """$ that a row cost before; None where that is nothing, or not known."""
        cost = self._costs[row] if row < len(self) else 0.0
        return Decimal(repr(cost)) if cost else None

    def is_final(self, row: int) -> bool:
        """Whether a row needs no request."""
        return row < len(self) and self._digests[row] != 0

    def beyond(self, rows: int) -> int:
        """How many rows have a record where the input has but so many."""
        return len(self._places[rows:]) - self._places.count(Place.NONE, rows)

    def has_changed(self, row: Row) -> bool:
        """Whether a row is final with another body than it has now."""
        rival = self._rivals.get(row.number)
        if rival is not None and rival.digest == row.digest:
            self._put(row.number, self._rivals.pop(row.number))
        return self.is_final(row.number) and self._digests[row.number] != row.digest


def changed(row: Row) -> UsageError:
    """The error for a row that is done, where its body is another now."""
    return UsageError(
        f"row {row.number} is done, but what it asks has changed since",
        str(row.custom_id),
        "restore the input and flags, or say --on-change rerun|keep, or start over with --fresh",
    )
