"""Budgets: the purse of one command, and the purse in a file that many processes share."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import field
from decimal import Decimal
from pathlib import Path

from llmcli import files
from llmcli.errors import BudgetExceeded, Busy, OutputFailure, UsageError
from llmcli.exchange.layers.spending import LINE, Account, account_line
from llmcli.exchange.layers.window import Settle
from llmcli.files import locks
from llmcli.lean.dataclass import dataclass
from llmcli.output.report import dollars

_LOCK_WAIT = 10.0  # seconds to wait for the file's lock
_POLL = 0.02  # seconds between two looks at it


def exceeded(name: str, amount: Decimal, spent: Decimal, limit: Decimal) -> BudgetExceeded:
    """The error for a call that may cost more than is left."""
    before = f" on top of {dollars(spent)} spent" if spent else ""
    return BudgetExceeded(
        f"a call of {name} may cost {dollars(amount)}{before}, and --max-cost is ${limit.normalize():f}",
        todo="limit the answer with -M, or raise --max-cost",
    )


@dataclass
class Budget:
    """`limit` $ for this command. What is set aside counts as spent until it is settled."""

    limit: Decimal
    spent: Decimal = field(default=Decimal(0))

    async def reserve(self, amount: Decimal, name: str) -> Settle:
        """See window.Purse."""
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
    _account: Account = field(default_factory=Account, init=False)

    def spent(self) -> Decimal:
        """$ spent and reserved by now; a file that is not there is not made. Raises UsageError, OutputFailure."""
        with self._told():
            files.check_file(Path(self.path))
        if not files.exists(self.path):
            return Decimal(0)
        with self._opened(os.O_RDONLY) as descriptor:
            return self._sum(descriptor)

    async def reserve(self, amount: Decimal, name: str) -> Settle:
        """See window.Purse."""
        held = await self.hold(amount, name)

        async def settle(cost: Decimal) -> None:
            await self.pay(held, name, cost)

        return settle

    async def hold(self, amount: Decimal, name: str) -> tuple[int, str]:
        """Set `amount` aside; where its line is, and the line, for `pay`, be that in another process."""
        async with self._locked() as descriptor:
            spent = self._sum(descriptor)
            if self.limit is not None and spent + amount > self.limit:
                raise exceeded(name, amount, spent, self.limit)
            reserved = account_line(name, amount, "reserved")
            self._append(descriptor, reserved)
            return self._account.reserved(reserved), reserved.decode()

    async def pay(self, held: tuple[int, str], name: str, cost: Decimal) -> None:
        """Put the cost in the place of what was set aside."""
        place, reserved = held[0], held[1].encode()
        # An answer is not lost for a line: what cannot be settled stays reserved.
        with suppress(OutputFailure, Busy, UsageError):
            async with self._locked() as again:
                spent = account_line(name, cost, "spent")
                if os.pread(again, LINE, place) == reserved:
                    self._overwrite(again, spent, place)
                    self._account.settled(place, spent)
                else:
                    self._append(again, spent)

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[int]:
        with self._opened(os.O_RDWR | os.O_CREAT) as descriptor:
            await self._lock(descriptor)
            yield descriptor

    @contextmanager
    def _opened(self, flags: int) -> Iterator[int]:
        with self._told():
            descriptor = files.open_regular(self.path, flags)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except files.Irregular:
            raise UsageError(
                f"{self.path} is no regular file, so it cannot keep a sum",
                todo="name a file",
                flag="--budget-file",
            ) from None
        except OSError as error:
            raise OutputFailure(
                f"cannot open --budget-file {self.path}: {error.strerror}", todo="check the path"
            ) from None

    async def _lock(self, descriptor: int) -> None:
        until = self.clock() + _LOCK_WAIT
        while True:
            try:
                return locks.exclusive(descriptor)
            except OSError:
                if self.clock() >= until:
                    raise Busy(
                        f"another process holds --budget-file {self.path} for {_LOCK_WAIT:g} s",
                        todo="try again later",
                    ) from None
            await self.sleep(_POLL)

    def _sum(self, descriptor: int) -> Decimal:
        """$ spent and reserved. Raises UsageError where a line is torn, or no line of a budget."""
        try:
            return self._account.sum(descriptor)
        except ValueError as error:
            raise UsageError(
                f"{self.path} is no budget file",
                f"line {error}",
                "name another file, or take that line out",
                flag="--budget-file",
            ) from None

    def _append(self, descriptor: int, line: bytes) -> None:
        with self._written():
            os.lseek(descriptor, 0, os.SEEK_END)
            files.append(descriptor, line)

    def _overwrite(self, descriptor: int, line: bytes, place: int) -> None:
        with self._written():
            files.overwrite(descriptor, line, place)

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputFailure(
                f"cannot write --budget-file {self.path}: {error.strerror}", todo="check the disk"
            ) from None
