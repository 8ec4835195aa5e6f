"""Budgets: the purse of one command, and the purse in a file that many processes share."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from llmcli import jsonl
from llmcli.errors import BudgetExceeded, Busy, OutputFailure, UsageError
from llmcli.transport.guard import Settle

_LINE = 200  # bytes of a line in a budget file: settling a call writes over the line that reserved for it
_PATIENCE = 10.0  # seconds to wait for the file's lock
_POLL = 0.02  # seconds between two looks at it


def exceeded(name: str, amount: Decimal, spent: Decimal, limit: Decimal) -> BudgetExceeded:
    """The error for a call that may cost more than is left."""
    before = f" on top of ${spent:.6f} spent" if spent else ""
    return BudgetExceeded(
        f"a call of {name} may cost ${amount:.6f}{before}, and --max-cost is ${limit.normalize():f}",
        todo="limit the answer with -M, or raise --max-cost",
    )


@dataclass
class Budget:
    """`limit` $ for this command. What is set aside counts as spent until it is settled."""

    limit: Decimal
    spent: Decimal = field(default=Decimal(0))

    async def reserve(self, amount: Decimal, name: str) -> Settle:
        """See guard.Purse."""
        if self.spent + amount > self.limit:
            raise exceeded(name, amount, self.spent, self.limit)
        self.spent += amount

        async def settle(cost: Decimal) -> None:
            self.spent += cost - amount

        return settle


@dataclass(frozen=True)
class BudgetFile:
    """`limit` $ (None: no limit, only a record) for all processes that name the same file: one line a call.

    A line says `reserved` until the call's cost is known; a process that is killed leaves it so, and it
    counts as spent. The file is locked while a line is written, not while a call is under way. `clock` and
    `sleep`, in seconds, are those of the wait for that lock.
    """

    path: str
    limit: Decimal | None
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]

    async def reserve(self, amount: Decimal, name: str) -> Settle:
        """See guard.Purse."""
        async with self._locked() as descriptor:
            data = self._read(descriptor)
            spent = self._sum(data)
            if self.limit is not None and spent + amount > self.limit:
                raise exceeded(name, amount, spent, self.limit)
            reserved = _line(name, amount, "reserved")
            self._write(descriptor, reserved, len(data))

        async def settle(cost: Decimal) -> None:
            # An answer is not lost for a line: what cannot be settled stays reserved.
            with suppress(OutputFailure, Busy):
                async with self._locked() as again:
                    now = self._read(again)
                    place = len(data) if now.startswith(reserved, len(data)) else len(now)
                    self._write(again, _line(name, cost, "spent"), place)

        return settle

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[int]:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise OutputFailure(
                f"cannot open --budget-file {self.path}: {error.strerror}", todo="check the path"
            ) from None
        try:
            await self._lock(descriptor)
            yield descriptor
        finally:
            os.close(descriptor)

    async def _lock(self, descriptor: int) -> None:
        until = self.clock() + _PATIENCE
        while True:
            try:
                return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if self.clock() >= until:
                    raise Busy(
                        f"another process holds --budget-file {self.path} for {_PATIENCE:g} s",
                        todo="try again later",
                    ) from None
            await self.sleep(_POLL)

    def _read(self, descriptor: int) -> bytes:
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)

    def _sum(self, data: bytes) -> Decimal:
        """$ spent and reserved. Raises UsageError where a line is torn, or no line of a budget."""
        total = Decimal(0)
        for number, line in enumerate(data.splitlines(keepends=True), 1):
            amount = _amount(line)
            if amount is None:
                raise UsageError(
                    f"--budget-file {self.path} is no budget file",
                    f"line {number}",
                    "name another file, or take that line out",
                )
            total += amount
        return total

    def _write(self, descriptor: int, line: bytes, place: int) -> None:
        size = os.fstat(descriptor).st_size
        try:
            if os.pwrite(descriptor, line, place) == len(line):
                return
            reason = "no space left"
        except OSError as error:
            reason = str(error.strerror)
        if place == size:
            os.ftruncate(descriptor, size)
        raise OutputFailure(f"cannot write --budget-file {self.path}: {reason}", todo="check the disk")


def _line(name: str, amount: Decimal, state: str) -> bytes:
    """A line of a budget file, all of one length; a model's name is cut and cleaned to fit."""
    when = datetime.now(UTC).isoformat(timespec="seconds")
    model = re.sub(r"[^\w./:@+?=&-]", "?", name, flags=re.ASCII)[:80]
    record = {"time": when, "model": model, "state": state, "cost_usd": float(amount)}
    return jsonl.dumps(record).ljust(_LINE - 1) + b"\n"


def _amount(line: bytes) -> Decimal | None:
    """The $ of a line; None where it is not a whole line of a budget."""
    try:
        amount = Decimal(str(jsonl.loads(line)["cost_usd"]))
    except (ValueError, KeyError, TypeError, InvalidOperation):
        return None
    return amount if line.endswith(b"\n") and amount.is_finite() and amount >= 0 else None
