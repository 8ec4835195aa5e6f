"""Shares: what of every limit, and of the money, each worker may use, so that all together keep to the whole."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import field
from decimal import Decimal

from llmcli.batch.cluster.fund import Fund
from llmcli.batch.cluster.messages import RemoteWorker, WorkerMoney
from llmcli.batch.engine.money import over_budget
from llmcli.batch.engine.stats import Stats
from llmcli.errors import BudgetExceeded
from llmcli.lean.dataclass import dataclass

_EVERY = 2.0  # seconds between two looks at who needs how much
_GROWTH = 1.25  # of what a worker used that no limit held back
_LEAST = 0.25  # of an equal part that each has
_AHEAD = 64  # rows that a worker has money for before it is asked for more
_NOTHING = Decimal(0)


@dataclass(slots=True)
class WorkerAccount:
    """What is known of a worker. `places` are those of the rows that it has; `part` and `allowed`: see Orders.

    `gone`: it is dead, or silent for so long that it is taken to be.
    """

    number: int
    worker: RemoteWorker
    stats: Stats
    purse: WorkerMoney = field(default_factory=WorkerMoney)
    places: set[int] = field(default_factory=set)
    taken: list[int] = field(default_factory=list)  # of its rows, those that others have by now
    wants: int = 0
    held: bool = False
    part: float = 0.0
    target: float = 0.0
    allowed: Decimal = field(default=_NOTHING)
    sent: int = 0  # requests when targets were set last
    reported: bool = False
    gone: bool = False
    ended: bool = False

    @property
    def claim(self) -> Decimal:
        """$ that it may have spent by now."""
        return max(self.allowed, self.purse.allowed)

    @property
    def works(self) -> bool:
        """Whether it has anything to do."""
        return bool(self.places or self.stats.in_flight)


class RateShares:
    """Divides limits: equally, but that a worker whom none holds back leaves what it does not use to the others."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._then: float | None = None

    def look(self, accounts: Collection[WorkerAccount], now: float) -> None:
        """Set what each is to have, now and then. A worker that dies or comes is seen to at once."""
        active = [each for each in accounts if each.works or not each.reported]
        is_new = any(not each.target for each in active)
        if self._then is not None and now - self._then < _EVERY and not is_new:
            return
        seconds = max(now - (now if self._then is None else self._then), 1e-9)
        rates = {each.number: (each.stats.sent - each.sent) / seconds for each in active}
        for each in active:
            each.sent = each.stats.sent
        self._then = now
        _divide(active, rates)

    def part_of(self, account: WorkerAccount, others: Collection[WorkerAccount]) -> float:
        """The part that a worker is to have from now on: no more than others have let go by now."""
        left = 1.0 - sum(each.part for each in others if each is not account)
        return max(0.0, min(account.target, left))


def _divide(active: Sequence[WorkerAccount], rates: dict[int, float]) -> None:
    """Set the targets of those that have something to do, by the requests a second that each sent."""
    if not active:
        return
    equal = 1.0 / len(active)
    held = [each for each in active if each.held]
    held_part = sum(each.part for each in held)
    whole = sum(rates[each.number] for each in held) / held_part if held_part else 0.0
    left = 1.0
    for each in active:
        each.target = equal
        if whole and not each.held:
            used = _GROWTH * rates[each.number] / whole
            each.target = min(equal, max(_LEAST * equal, used))
            left -= each.target
    for each in held if whole else ():
        each.target = left / len(held)


class MoneyShares:
    """Divides --max-cost, of which `before` was spent in earlier runs, or what a fund holds. All amounts are in $."""

    def __init__(self, most: Decimal | None, before: Decimal, fund: Fund | None = None) -> None:
        self._limit = most
        self._before = before
        self._fund = fund
        self.spent = _NOTHING  # by workers that came to their end,
        self.lost = _NOTHING  # and more that was for answers that nobody got

    @property
    def _most(self) -> Decimal | None:
        if self._fund is None:
            return self._limit
        held = self._before + self._fund.held
        return held if self._limit is None else min(held, self._limit)

    @property
    def _may_grow(self) -> bool:
        """Whether it is the fund that holds workers back, and not --max-cost with what earlier runs spent."""
        fund = self._fund
        return fund is not None and (self._limit is None or self._before + fund.held < self._limit)

    async def raise_for(self, account: WorkerAccount, accounts: Collection[WorkerAccount]) -> None:
        """Have a fund hold what a worker will need. Raises what the file of the budget is not good for."""
        if self._fund is None or not account.places or not self._may_grow:
            return
        purse = account.purse
        need = max(purse.short, _AHEAD * purse.dearest)
        left = self._free(accounts) + account.claim - purse.spent - purse.reserved
        if need and left < max(purse.short, need / 2):
            await self._fund.grow(need, purse.short or purse.dearest)

    async def settle(self) -> None:
        """Tell the fund what was spent, once no worker is left."""
        if self._fund is not None:
            await self._fund.settle(self.spent + self.lost)

    def leaves(self, account: WorkerAccount) -> None:
        """A worker came to its end; what it still had under way is broken off, and may have to be paid."""
        self.spent += account.purse.spent
        self.lost += account.purse.reserved

    def loses(self, account: WorkerAccount) -> None:
        """A worker is dead: what it may have spent that nobody knows of counts as spent."""
        self.spent += account.purse.spent
        self.lost += account.claim - account.purse.spent

    def allow(self, account: WorkerAccount, accounts: Collection[WorkerAccount]) -> Decimal | None:
        """What a worker may spend in all, from now on; None: as much as it likes."""
        if self._most is None:
            return None
        purse = account.purse
        used = purse.spent + purse.reserved
        free = self._free(accounts) + account.claim - used
        need = max(purse.short, _AHEAD * purse.dearest) if account.places else _NOTHING
        working = sum(each.works for each in accounts) or 1
        # What is too little for a row is of more use to another.
        fair = max(free / working, purse.short) if purse.short <= free else _NOTHING
        account.allowed = account.purse.allowed = used + max(_NOTHING, min(need, fair))
        return account.allowed

    def _free(self, accounts: Collection[WorkerAccount]) -> Decimal:
        assert self._most is not None  # noqa: S101 - the caller looked
        return (
            self._most
            - self._before
            - self.spent
            - self.lost
            - sum((each.claim for each in accounts), _NOTHING)
        )

    def over(self, accounts: Collection[WorkerAccount]) -> BudgetExceeded | None:
        """The error that ends the run where no worker can go on with what is left."""
        short = [each.purse.short for each in accounts if each.places]
        if (
            self._most is None
            or not short
            or not all(short)
            or any(each.stats.in_flight for each in accounts)
        ):
            return None
        idle = sum((each.claim - each.purse.spent - each.purse.reserved for each in accounts), _NOTHING)
        if self._free(accounts) + idle >= min(short):
            return None
        if self._fund is not None and self._may_grow:
            return self._fund.over
        spent = self._before + self.spent + self.lost + sum((each.purse.spent for each in accounts), _NOTHING)
        return over_budget(min(short), (spent, self.lost), self._most, "")
