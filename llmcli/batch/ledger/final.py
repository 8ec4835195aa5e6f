"""What is done: which rows are final, what they cost, and which of their records counts."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from decimal import Decimal
from enum import IntEnum
from itertools import repeat
from math import fsum
from typing import NamedTuple

from llmcli.batch.input.rows import Row
from llmcli.batch.input.shape import BadRow
from llmcli.batch.ledger.slots import Slots
from llmcli.errors import UsageError
from llmcli.lean.dataclass import dataclass

_ODD, _WORD = 0x9E3779B97F4A7C15, (1 << 64) - 1  # spread the places of rows over 64 bits
_ROOM = 1024  # rows that room is made for at a time
GONE = 1 << 62  # the place of a row that the input does not have


class Place(IntEnum):
    """The file that has a row's record."""

    NONE = 0
    OUT = 1
    ERRORS = 2


def record_id(row: Row) -> str:
    """The `id` of a row's record: what the row is known by, and the digest of its body."""
    known = row.key or str(row.number).zfill(6)
    return f"batch_req_{known}_{row.digest.to_bytes(8).hex()}"  # format specs take twice as long


def key_in(record: str) -> str | None:
    """The key of a row in its record's `id`; None where it is known by its number."""
    known = record.split("_")[2]
    return None if known.isdecimal() else known


@dataclass(slots=True)
class Record:
    """What counts of a record. `cost` is in $; a row that is to be asked `again` is not final."""

    digest: int
    cost: float
    place: Place
    again: bool = False


class FinalAnswers(NamedTuple):
    """What counts of some records of OUT: of each the row, the digest and the $; no `costs` where nothing cost any.

    `top` is the highest row.
    """

    rows: Sequence[int]
    top: int
    digests: Sequence[int]
    costs: Sequence[float]


@dataclass
class Done:
    """What earlier runs left, in 17 bytes a row, and some 50 where rows have keys. `spent` is in $.

    `slots`: the numbers of rows that are known by a key. Which of those are rows of the input, and where they stand in
    it, is known once they are met; until then they do not count. Where nothing `is_kept`, rows have the numbers of
    their places, and keys only tell which is there twice.

    A row that is asked again keeps its record until it has a new one. `count` and `failed` are of final rows below
    `limit`. `superseded`: there are records that do not count. A row may have an answer and a failure of different
    bodies: then the failure is its rival, and counts where it is the one that fits the input.
    """

    limit: int | None = None
    slots: Slots | None = None
    is_kept: bool = True
    count: int = 0
    failed: int = 0
    spent: Decimal = field(default=Decimal(0))
    superseded: bool = False
    _digests: array[int] = field(default_factory=lambda: array("Q"))  # 0 where the row is not final
    _costs: array[float] = field(default_factory=lambda: array("d"))
    _places: bytearray = field(default_factory=bytearray)
    _rivals: dict[int, Record] = field(default_factory=dict)
    _away: bytearray = field(default_factory=bytearray)  # by slot
    _met: bytearray = field(default_factory=bytearray)  # by slot
    _where: array[int] = field(default_factory=lambda: array("Q"))  # by slot: place in the input and 1

    def __len__(self) -> int:
        """One more than the highest row that has a record."""
        return len(self._places)

    def has_gaps(self, own: Callable[[int], int] = lambda rows: rows) -> bool:
        """Whether rows that are not final may come before one that is; `own(n)`: how many of the first n are ours."""
        if self.slots is not None:
            return bool(self._places)
        return 0 < self.count < own(len(self) if self.limit is None else min(len(self), self.limit))

    def meet(self, row: Row) -> int | None:
        """A row of the input has come; where its key is that of a row before it, the place of that one."""
        if row.key is None:
            return None
        if self.slots is None:
            row.slot = row.place
            return None
        slot = self.slots.of(int(row.key[1:], 16))
        row.slot = slot if self.is_kept else row.place
        if slot >= len(self._met):
            size = max(len(self.slots), 2 * len(self._met))
            self._met.extend(bytes(size - len(self._met)))
            self._where.frombytes(bytes(8 * (size - len(self._where))))
        if self._met[slot]:
            return self._where[slot] - 1
        self._met[slot], self._where[slot] = 1, row.place + 1
        if self.is_final(slot):
            self._count(slot, 1)
        return None

    def admit(self, row: Row) -> None:
        """Meet a row of an input that is read once: where its key is another's, too, it becomes an error."""
        before = self.meet(row)
        if before is None or row.key is None:
            return
        row.request, row.error = None, twice(row, before)
        row.key = f"{row.key[0]}{int(row.key[1:], 16) ^ (row.place + 1) * _ODD & _WORD:016x}"
        self.meet(row)

    def rewind(self) -> None:
        """The input begins anew."""
        if self.slots is not None:
            self.count = self.failed = 0
            self._met = bytearray(len(self._where))

    def place(self, row: int) -> int:
        """Where a row stands in the input; rows that were not seen there come behind."""
        if self.slots is None:
            return row
        place = self._where[row] if row < len(self._where) else 0
        return place - 1 if place else GONE + row

    @property
    def seen(self) -> int:
        """One more than the highest place where a row with a key was seen."""
        return max(self._where, default=0)

    def _is_met(self, row: int) -> bool:
        return self.slots is None or (row < len(self._met) and self._met[row] != 0)

    def take_answers(self, stretches: Iterable[FinalAnswers]) -> None:
        """Take in the records of OUT, in their order."""
        for answers in stretches:
            if answers.top >= len(self):
                self._grow(answers.top + _ROOM)
            self._take_together(answers)
        self._trim()

    def _take_together(self, answers: FinalAnswers) -> None:
        """What `take` comes to for most of them: its calls would be half of the time."""
        digests, costs, places = self._digests, self._costs, self._places
        counts_all, others = self.slots is None and self.limit is None, 0
        for row, digest, cost in zip(
            answers.rows, answers.digests, answers.costs or repeat(0.0), strict=False
        ):
            if places[row]:
                others += 1
                self.take(row, Record(digest, cost, Place.OUT))
                self.spent -= Decimal(repr(cost)) if cost else 0  # the sum below has it, too
                continue
            digests[row], places[row] = digest, 1
            if cost:
                costs[row] = cost
            if not counts_all:
                self._count(row, 1)
        self.count += (len(answers.rows) - others) * counts_all
        self.spent += _sum(answers.costs)

    def _grow(self, rows: int) -> None:
        more = rows - len(self._places)
        self._digests.frombytes(bytes(8 * more))
        self._costs.frombytes(bytes(8 * more))
        self._places.extend(bytes(more))

    def _trim(self) -> None:
        """Let go of the room behind the highest row that has a record."""
        rows = len(self._places.rstrip(b"\0"))
        del self._digests[rows:], self._costs[rows:], self._places[rows:]

    def take(self, row: int, record: Record) -> None:
        """Take in a record of the files: those of OUT before those of OUT.errors, each in its order."""
        if row >= len(self):
            self._grow(row + 1)
        before = self._places[row]
        self.superseded = self.superseded or before != Place.NONE
        if before == Place.OUT and record.place == Place.ERRORS:
            if record.digest != self._digests[row]:
                self._rivals[row] = record
        else:
            self._put(row, record)

    def supersede(self, row: int, record: Record) -> None:
        """Take in a newer record than those of the files."""
        if row >= len(self):
            self._grow(row + 1)
        self._rivals.pop(row, None)
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
        if self._is_met(row) and (self.limit is None or self.place(row) < self.limit):
            self.count += number
            self.failed += number * (self._places[row] == Place.ERRORS)

    def replaced(self, row: int, place: Place) -> None:
        """The record of a row that has one was written in this run: from now on it counts."""
        self._places[row] = place

    def has_record(self, row: int) -> bool:
        """Whether an earlier run left a record of a row, final or not."""
        return row < len(self) and self._places[row] != Place.NONE

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

    def settle(self, row: int, digest: int, cost: float, *, failed: bool) -> None:
        """A row's record was written in this run, which may meet the row again."""
        self.take(row, Record(digest, cost, Place.ERRORS if failed else Place.OUT))

    @property
    def has_away(self) -> bool:
        """Whether rows are away: another run is to fetch their answers."""
        return bool(self._away)

    def leave(self, row: int) -> None:
        """A row is away."""
        if row >= len(self._away):
            self._away.extend(bytes(row + _ROOM - len(self._away)))
        self._away[row] = 1

    def back(self, row: int) -> None:
        """A row is away no more."""
        self._away[row] = 0

    def is_away(self, row: int) -> bool:
        """Whether a row is away."""
        return row < len(self._away) and self._away[row] != 0

    def beyond(self, rows: int) -> int:
        """How many rows have a record where the input, which was read to its end, has but so many."""
        if self.slots is not None:
            return sum(
                place != Place.NONE and not self._is_met(row) for row, place in enumerate(self._places)
            )
        return len(self._places[rows:]) - self._places.count(Place.NONE, rows)

    def has_changed(self, row: Row) -> bool:
        """Whether a row is final with another body than it has now."""
        rival = self._rivals.get(row.slot)
        if rival is not None and rival.digest == row.digest:
            self._put(row.slot, self._rivals.pop(row.slot))
        return self.is_final(row.slot) and self._digests[row.slot] != row.digest


def _sum(costs: Sequence[float]) -> Decimal:
    """Their sum, to the digits that a float is sure of: one by one, decimals would be a fifth of the time."""
    try:
        return Decimal(f"{fsum(costs):.15g}")
    except OverflowError:
        return sum(map(Decimal, costs), Decimal(0))


def twice(row: Row, before: int) -> BadRow:
    """The error for a row whose key is that of the row at place `before`, too."""
    return BadRow("duplicate_id", f"{row.custom_id} is there twice: it is row {before}'s, too")


def changed(row: Row) -> UsageError:
    """The error for a row that is done, where its body is another now."""
    return UsageError(
        f"row {row.number} is done, but what it asks has changed since",
        row.where,
        "restore the input and flags, or say --on-change rerun|keep, or start over with --fresh",
    )
