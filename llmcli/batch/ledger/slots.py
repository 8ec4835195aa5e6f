"""Slots: a number for each key of 64 bits, in the order in which they were met."""

from __future__ import annotations

from array import array

_FIRST = 1 << 10  # places of the table


class Slots:
    """Some 20 to 40 bytes a key: a table of slots in which a key is looked for from the place that its bits name."""

    def __init__(self) -> None:
        self._keys: array[int] = array("Q")
        self._table: array[int] = array("I", bytes(4 * _FIRST))  # a slot and one, 0 where there is none

    def __len__(self) -> int:
        return len(self._keys)

    def of(self, key: int) -> int:
        """The slot of a key; a new one where it was not met before."""
        table, keys = self._table, self._keys
        last = len(table) - 1
        place = key & last
        while slot := table[place]:
            if keys[slot - 1] == key:
                return slot - 1
            place = (place + 1) & last
        keys.append(key)
        table[place] = len(keys)
        if 2 * len(keys) > len(table):
            self._grow()
        return len(keys) - 1

    def has(self, key: int) -> bool:
        """Whether a key was met."""
        last = len(self._table) - 1
        place = key & last
        while slot := self._table[place]:
            if self._keys[slot - 1] == key:
                return True
            place = (place + 1) & last
        return False

    def _grow(self) -> None:
        table: array[int] = array("I", bytes(16 * len(self._table)))
        last = len(table) - 1
        for number, key in enumerate(self._keys, 1):
            place = key & last
            while table[place]:
                place = (place + 1) & last
            table[place] = number
        self._table = table
