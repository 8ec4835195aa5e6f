"""What is done: which rows are final, as their records say in the first and the last of their bytes."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field
from decimal import Decimal

HEAD = re.compile(rb'\{"id":"batch_req_(\d{6,12})_([0-9a-f]{16})",')
_ENVELOPE = b',"llmcli":{"row":'
_COST = re.compile(rb'"cost_usd":([0-9.eE+-]+)')


def record_id(row: int, digest: int) -> str:
    """The `id` of a row's record."""
    return f"batch_req_{row:06d}_{digest:016x}"


@dataclass
class Done:
    """Which rows are final: 8 bytes for each, the digest of its body, 0 where it is not.

    `spent` is in $, with what was `carried`: what rows cost whose record was taken off, to go into their next.
    """

    digests: array[int] = field(default_factory=lambda: array("Q"))
    count: int = 0
    failed: int = 0
    spent: Decimal = field(default=Decimal(0))
    carried: dict[int, Decimal] = field(default_factory=dict)

    def add(self, row: int, digest: int) -> bool:
        """Take a row in; False where it was there already."""
        if row >= len(self.digests):
            self.digests.frombytes(bytes(self.digests.itemsize * (row + 1 - len(self.digests))))
        if self.digests[row]:
            return False
        self.digests[row] = digest
        self.count += 1
        return True

    def carry(self, line: bytes) -> None:
        """Take in what a record cost that is taken off."""
        if cost := cost_of(line):
            row = row_of(line)
            self.carried[row] = self.carried.get(row, Decimal(0)) + cost
            self.spent += cost

    def take(self, line: bytes) -> bool:
        """Take a record in, and what it cost; False where its row was there already."""
        head = HEAD.match(line)
        if head is None or not self.add(int(head[1]), int(head[2], 16)):
            return False
        self.spent += cost_of(line)
        return True

    def digest(self, row: int) -> int:
        """The digest of a final row's body; 0 where the row is not final."""
        return self.digests[row] if row < len(self.digests) else 0


def row_of(line: bytes) -> int:
    """The row of a record; -1 where it is none."""
    head = HEAD.match(line)
    return int(head[1]) if head else -1


def cost_of(line: bytes) -> Decimal:
    """$ that a record says its row cost; 0 where it says none."""
    cost = _COST.search(line, max(0, line.rfind(_ENVELOPE)))
    return Decimal(cost[1].decode()) if cost else Decimal(0)
