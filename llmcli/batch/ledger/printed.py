"""Records on stdout, for a run without -O."""

from __future__ import annotations

from collections.abc import Callable


class Printed:
    """The ledger of a run without -O: records go to `write`, and nothing can be resumed.

    `ordered`: in the order of the input. Rows that are ready too early wait, and no row is begun that is more
    than `window` rows ahead of the one that is waited for.
    """

    is_stale = False

    def __init__(self, write: Callable[[bytes], None], *, ordered: bool, window: int = 1024) -> None:
        self._write = write
        self._ordered = ordered
        self._window = window
        self._next = 0
        self._waiting: dict[int, bytes] = {}

    def room(self, row: int) -> bool:
        """Whether a row may be begun."""
        return not self._ordered or row < self._next + self._window

    def write(self, row: int, line: bytes, *, failed: bool) -> None:  # noqa: ARG002 - as Ledger has it
        """Print a row's record, when its turn has come."""
        if not self._ordered:
            return self._write(line)
        self._waiting[row] = line
        while (ready := self._waiting.pop(self._next, None)) is not None:
            self._next += 1
            self._write(ready)
        return None

    def sync(self) -> None:
        """Nothing is kept."""

    def finish(self, *, ordered: bool) -> None:
        """What is printed is printed."""

    def close(self) -> None:
        """Stdout is not ours. Rows that still wait for a row that never came are printed now."""
        for row in sorted(self._waiting):
            self._write(self._waiting[row])
        self._waiting.clear()
