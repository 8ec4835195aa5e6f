"""The fund: money of --budget-file that is set aside for all workers of a cluster together."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from llmcli.errors import BudgetExceeded
from llmcli.exchange.layers.budget import BudgetFile


class Fund:
    """Sets more aside as workers need it. `over` is the error where the file has no more. Amounts are in $.

    Where we are killed, what was set aside counts as spent, as it does for a call that was under way.
    """

    def __init__(self, budget: BudgetFile, name: str) -> None:
        self.held = Decimal(0)
        self.over: BudgetExceeded | None = None
        self._budget, self._name = budget, name
        self._lines: deque[tuple[tuple[int, str], Decimal]] = deque()

    async def grow(self, wanted: Decimal, least: Decimal) -> None:
        """Set so much more aside, or at least what one row needs. Raises Busy, OutputFailure, UsageError."""
        for amount in dict.fromkeys((wanted, least)):
            try:
                line = await self._budget.hold(amount, self._name)
            except BudgetExceeded as error:
                self.over = error
            else:
                self.over = None
                self._lines.append((line, amount))
                self.held += amount
                return

    async def settle(self, spent: Decimal) -> None:
        """Say what was spent in all, at the end of a run."""
        while self._lines:
            line, amount = self._lines.popleft()
            part = min(amount, spent) if self._lines else spent
            spent -= part
            await self._budget.pay(line, self._name, part)
