"""The shared gate: one limit that several processes of a machine keep to, as if they were one."""

from __future__ import annotations

from llmcli.batch.pacing.gate import Gate
from llmcli.errors import OutputFailure, UsageError
from llmcli.files.shared_numbers import Foreign, SharedNumbers

REQUESTS, TOKENS, DECLARED = range(3)  # which gate a cell is of


class SharedGate(Gate):
    """A gate whose next time is in a cell: each process knows the rate, and all of them use it up together."""

    def __init__(self, alone: Gate, cells: SharedNumbers, cell: int) -> None:
        self._cells, self._cell = cells, cell
        super().__init__(None, alone.burst, alone.lateness)
        self.rate = alone.rate

    def delay(self, now: float) -> float:
        """See Gate."""
        self._due = self._cells.read(self._cell)
        return super().delay(now)

    def set(self, rate: float | None, now: float) -> None:  # noqa: ARG002 - as the other has it
        """See Gate. What is waited for is not shortened: each process would do that."""
        self.rate = rate

    def take(self, now: float, units: float) -> None:
        """See Gate."""
        if self.rate is not None:
            with self._cells.held():
                self._due = self._cells.read(self._cell)
                super().take(now, units)
                self._cells.write(self._cell, self._due, now)

    def correct(self, now: float, units: float) -> None:
        """See Gate."""
        if self.rate is not None:
            with self._cells.held():
                self._due = self._cells.read(self._cell)
                super().correct(now, units)
                self._cells.write(self._cell, self._due, now)

    def reset(self) -> None:
        """Be open; what others wait for is theirs."""
        self.rate = None


def shared_cells(path: str, now: float) -> SharedNumbers:
    """The cells of a file that runs share. Raises UsageError, OutputFailure."""
    try:
        return SharedNumbers(path, len((REQUESTS, TOKENS, DECLARED)), now)
    except Foreign:
        raise UsageError(f"{path} holds something else", todo="name a new file", flag="--share") from None
    except OSError as error:
        reason = error.strerror or "it is no regular file"
        raise OutputFailure(f"cannot share {path}: {reason}", todo="check the path") from None
