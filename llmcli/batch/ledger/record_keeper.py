"""The record keeper: what a run asks of whatever its records go to: two files, stdout, or an object store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from llmcli.batch.ledger.final import Done


class RecordKeeper(Protocol):
    """Ledger, Printed or StoredLedger, whose docstrings say what each does. All raise LlmcliError."""

    @property
    def is_stale(self) -> bool:
        """Whether what was kept is lost once there is something new."""

    def recover(self, *, retry_failed: bool, limit: int | None) -> Done:
        """What is final already."""

    def room(self, row: int, /) -> bool:
        """Whether a row may be begun."""

    def write(self, row: int, line: bytes, /, *, failed: bool) -> None:
        """Make a row final."""

    def write_all(self, answers: Sequence[tuple[int, bytes]], /) -> bool:
        """Make rows final that have answers, all at once, or none; False: none, they are to be written one by one."""

    def sync(self) -> None:
        """See to it that what was written stays; called every second, from any thread."""

    def finish(self, *, ordered: bool) -> None:
        """All that is written stays, and in order."""

    def withdraw(self) -> None:
        """Leave nothing empty behind, where nothing was sent."""

    def close(self) -> None:
        """Let go of it."""
