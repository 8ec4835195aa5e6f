"""Records on stdout, for a run without -O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from llmcli.batch.ledger.final import Done
from llmcli.batch.ledger.slots import Slots


class Shape(Protocol):
    """What stdout gets of records."""

    def shown(self, line: bytes, *, failed: bool) -> bytes:
        """What is printed of a record."""

    def end(self) -> bytes:
        """What is printed at the end."""


class RecordLines:
    """Records as they are, answers and failures alike."""

    def shown(self, line: bytes, *, failed: bool) -> bytes:  # noqa: ARG002 - as others have it
        """See Shape."""
        return line

    def end(self) -> bytes:
        """See Shape."""
        return b""


class Printed:
    """The ledger of a run without -O: records, or what `shape` makes of them, go to `write`; nothing can be resumed.

    `ordered`: in the order of the input. Rows that are ready too early wait, and no row is begun that is more
    than `window` rows ahead of the one that is waited for.
    """

    is_stale = False

    def __init__(
        self,
        write: Callable[[bytes], None],
        shape: Shape | None = None,
        *,
        ordered: bool,
        window: int = 1024,
    ) -> None:
        self._write = write
        self._shape = shape or RecordLines()
        self._ordered = ordered
        self._window = window
        self._next = 0
        self._waiting: dict[int, tuple[bytes, bool]] = {}

    def recover(self, *, retry_failed: bool, limit: int | None) -> Done:  # noqa: ARG002 - as Ledger has it
        """Nothing is done."""
        return Done(limit, Slots(), is_kept=False)

    def room(self, row: int) -> bool:
        """Whether a row may be begun."""
        return not self._ordered or row < self._next + self._window

    def write(self, row: int, line: bytes, *, failed: bool) -> None:
        """Print a row's record, when its turn has come."""
        if not self._ordered:
            return self._print(line, failed=failed)
        self._waiting[row] = line, failed
        while (ready := self._waiting.pop(self._next, None)) is not None:
            self._next += 1
            self._print(ready[0], failed=ready[1])
        return None

    def write_all(self, _answers: Sequence[tuple[int, bytes]]) -> bool:
        """See Records: each has its turn."""
        return False

    def _print(self, line: bytes, *, failed: bool) -> None:
        if shown := self._shape.shown(line, failed=failed):
            self._write(shown)

    def sync(self) -> None:
        """Nothing is kept."""

    def finish(self, *, ordered: bool) -> None:  # noqa: ARG002 - as Ledger has it
        """Print what ends it all."""
        if end := self._shape.end():
            self._write(end)

    def withdraw(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Stdout is not ours. Rows that still wait for a row that never came are printed now."""
        for row in sorted(self._waiting):
            line, failed = self._waiting.pop(row)
            self._print(line, failed=failed)
