"""The account: the lines of a budget file and their sum, read again only where others may have changed it."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from llmcli import jsonl

LINE = 200  # bytes of a line: settling a call writes over the line that reserved for it


class Account:
    """The sum of a file of which this process has written some lines, and others some.

    A line changes once, from `reserved` to `spent`, and new ones come at the end. So what others have reserved is
    looked at again, and what is new. The last line is looked at, too: where it has changed in any other way, and
    where the file is another or shorter than it was, a person was at work, and all is read again.
    """

    def __init__(self) -> None:
        self._begin((0, 0))

    def _begin(self, inode: tuple[int, int]) -> None:
        self._inode = inode
        self._total = Decimal(0)
        self._size = 0  # bytes that are in `_total`
        self._last = 0  # where the last line of them begins
        self._ours: dict[int, Decimal] = {}  # $ that we have reserved, by the line's offset
        self._watched: dict[int, bytes] = {}  # the last line, and those that others reserved, by their offset

    def sum(self, descriptor: int) -> Decimal:
        """$ spent and reserved. Raises ValueError with the number of a line that is torn or no budget's."""
        status = os.fstat(descriptor)
        inode = status.st_dev, status.st_ino
        is_known = inode == self._inode and status.st_size >= self._size and self._look(descriptor)
        if not is_known or self._read_on(descriptor, status.st_size):
            self._begin(inode)
            if bad := self._read_on(descriptor, status.st_size):
                self._begin((0, 0))
                raise ValueError(bad)
        return self._total

    def _look(self, descriptor: int) -> bool:
        """Take in what others have settled; False where anything else has changed."""
        for place, before in list(self._watched.items()):
            line = os.pread(descriptor, len(before), place)
            if line == before:
                continue
            amount = amount_of(line)
            if amount is None or place in self._ours or not _is_reserved(before) or _is_reserved(line):
                return False
            self._total += amount - (amount_of(before) or 0)
            self._watch(place, line)
        return True

    def _read_on(self, descriptor: int, size: int) -> int:
        """Take in what is new; the number of a line that cannot be, counted from the first new one, else 0."""
        data = os.pread(descriptor, size - self._size, self._size)
        for number, line in enumerate(data.splitlines(keepends=True), 1):
            amount = amount_of(line)
            if amount is None:
                return number
            self._take(line, amount)
        return 0

    def _take(self, line: bytes, amount: Decimal) -> None:
        """Take in the line that is next."""
        before, self._last = self._last, self._size
        if (was_last := self._watched.get(before)) is not None:
            self._watch(before, was_last)
        self._total += amount
        self._size += len(line)
        self._watch(self._last, line)

    def _watch(self, place: int, line: bytes) -> None:
        if place == self._last or (_is_reserved(line) and place not in self._ours):
            self._watched[place] = line
        else:
            self._watched.pop(place, None)

    def reserved(self, line: bytes) -> int:
        """We have written a line at the end of what was summed; its offset."""
        amount = amount_of(line) or Decimal(0)
        self._ours[self._size] = amount
        self._take(line, amount)
        return self._last

    def settled(self, place: int, line: bytes) -> None:
        """We have written over the line that we had reserved. Where all was read since, it is seen like another's."""
        if (before := self._ours.pop(place, None)) is not None:
            self._total += (amount_of(line) or 0) - before
            self._watch(place, line)


def account_line(name: str, amount: Decimal, state: str) -> bytes:
    """A line of a budget file, all of one length; a model's name is cut and cleaned to fit."""
    when = datetime.now(UTC).isoformat(timespec="seconds")
    model = re.sub(r"[^\w./:@+?=&-]", "?", name, flags=re.ASCII)[:80]
    record = {"time": when, "model": model, "state": state, "cost_usd": float(amount)}
    return jsonl.dumps(record).ljust(LINE - 1) + b"\n"


def amount_of(line: bytes) -> Decimal | None:
    """The $ of a line; None where it is not a whole line of a budget."""
    try:
        amount = Decimal(str(jsonl.loads(line)["cost_usd"]))
    except (ValueError, KeyError, TypeError, InvalidOperation):
        return None
    return amount if line.endswith(b"\n") and amount.is_finite() and amount >= 0 else None


def _is_reserved(line: bytes) -> bool:
    return b'"state":"reserved"' in line
