"""Budgets: the purse of one command, and the purse in a file that many processes share."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from llmcli import jsonl
from llmcli.errors import BudgetExceeded, OutputFailure, TransientFailure, UsageError

_LINE = 200  # bytes of a line in a budget file: settling a call writes over the line that reserved for it
_PATIENCE = 10.0  # seconds to wait for the file's lock


def exceeded(name: str, amount: Decimal, spent: Decimal, limit: Decimal) -> BudgetExceeded:
    """The error for a call that may cost more than is left."""
    before = f" on top of ${spent:.6f} spent" if spent else ""
    return BudgetExceeded(
        f"a call of {name} may cost ${amount:.6f}{before}, and --max-cost is ${limit:.6f}",
        todo="limit the answer with -M, or raise --max-cost",
    )


@dataclass
class Budget:
    """`limit` $ for this command. What is set aside counts as spent until it is settled."""

    limit: Decimal
    spent: Decimal = field(default=Decimal(0))

    def reserve(self, amount: Decimal, name: str) -> Callable[[Decimal], None]:
        """See guard.Purse."""
        if self.spent + amount > self.limit:
            raise exceeded(name, amount, self.spent, self.limit)
        self.spent += amount

        def settle(cost: Decimal) -> None:
            self.spent += cost - amount

        return settle


@dataclass(frozen=True)
class BudgetFile:
    """`limit` $ (None: no limit, only a record) for all processes that name the same file: one line a call.

    A line says `reserved` until the call's cost is known; a process that is killed leaves it so, and it
    counts as spent. The file is locked while a line is written, not while a call is under way.
    """

    path: str
    limit: Decimal | None

    def reserve(self, amount: Decimal, name: str) -> Callable[[Decimal], None]:
        """See guard.Purse."""
        with self._locked() as descriptor:
            size, spent = self._read(descriptor)
            if self.limit is not None and spent + amount > self.limit:
                raise exceeded(name, amount, spent, self.limit)
            self._write(descriptor, size, name, amount, "reserved")

        def settle(cost: Decimal) -> None:
            with self._locked() as again:
                self._write(again, size, name, cost, "spent")

        return settle

    @contextmanager
    def _locked(self) -> Iterator[int]:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise OutputFailure(f"cannot open --budget-file {self.path}: {error.strerror}") from None
        try:
            self._lock(descriptor)
            yield descriptor
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() > until:
                    raise TransientFailure(
                        f"another process holds the budget file {self.path}", todo="try again later"
                    ) from None
                time.sleep(0.02)

    def _read(self, descriptor: int) -> tuple[int, Decimal]:
        """(size in bytes, $ spent and reserved). A torn last line is completed first."""
        data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        if data and not data.endswith(b"\n"):
            os.pwrite(descriptor, b"\n", len(data))
            data += b"\n"
        spent = Decimal(0)
        for number, line in enumerate(data.splitlines(), 1):
            try:
                spent += Decimal(str(jsonl.loads(line)["cost_usd"])) if line.strip() else 0
            except (ValueError, KeyError, TypeError, ArithmeticError):
                raise UsageError(
                    f"--budget-file {self.path} is no budget file",
                    f"line {number}",
                    "name another file, or mend it",
                ) from None
        return len(data), spent

    def _write(self, descriptor: int, offset: int, name: str, amount: Decimal, state: str) -> None:
        when = datetime.now(UTC).isoformat(timespec="seconds")
        record = {"time": when, "model": name[:80], "state": state, "cost_usd": float(amount)}
        line = jsonl.dumps(record).ljust(_LINE - 1) + b"\n"
        try:
            os.pwrite(descriptor, line, offset)
        except OSError as error:
            raise OutputFailure(f"cannot write --budget-file {self.path}: {error.strerror}") from None
