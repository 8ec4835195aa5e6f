"""The money of a run: what its answers took, and what is set aside for those that are still to come."""

from __future__ import annotations

from decimal import Decimal

from llmcli.batch.engine.run import Job, Plan
from llmcli.batch.engine.stats import Stats
from llmcli.errors import BudgetExceeded
from llmcli.output.report import Report, dollars


class Money:
    """Holds the plan's `max_cost`, where there is one. All amounts are in $.

    `grows`: somebody else holds the whole, and allows more of it now and then. `short` is what a row may cost that
    could not be begun, `dearest` the most that one could so far.
    """

    def __init__(self, plan: Plan, stats: Stats) -> None:
        self._plan = plan
        self._stats = stats
        self.allowed = plan.max_cost
        self.is_limited = plan.max_cost is not None or plan.has_budget
        self.grows = False
        self.spent = Decimal(0)  # where a cost is not known, what was reserved for it
        self._doubted = Decimal(0)  # of that, for answers that never came
        self.reserved = Decimal(0)
        self.short = Decimal(0)
        self.dearest = Decimal(0)

    def allow(self, amount: Decimal | None) -> None:
        """Allow so much in all, but no less than is spent or set aside; None: as much as may be."""
        self.grows = True
        if amount is not None:
            self.allowed = max(amount, self.spent + self.reserved)

    def price(self, job: Job) -> None:
        """Find out what a job may cost, where that matters. Raises UsageError where nobody knows."""
        if self.is_limited:
            job.worst = self._plan.worst(job.request)
            self.dearest = max(self.dearest, job.worst)

    def reserve(self, job: Job) -> None:
        """Set aside what a job may cost. Raises BudgetExceeded."""
        most = self.allowed
        if most is None:
            return
        before = self._stats.earlier_spent + self.spent
        if before + self.reserved + job.worst > most:
            self.short = job.worst
            raise over_budget(job.worst, (before, self._doubted), most, str(job.row.custom_id))
        self.short = Decimal(0)
        job.reserved = job.worst
        self.reserved += job.reserved

    def release(self, job: Job) -> None:
        """Set nothing aside for a job any more."""
        if not job.reserved:
            return
        self.reserved -= job.reserved
        job.reserved = Decimal(0)

    def spend(self, job: Job, report: Report) -> None:
        """Count in what answers of a job took."""
        if self.allowed is not None:
            self._take(job, job.reserved if report.cost is None else report.cost)
        spent = self._stats.spent
        self._stats.spent = None if spent is None or report.cost is None else spent + report.cost

    def doubt(self, job: Job) -> None:
        """Count in an attempt without an answer, which may have been charged for, at the most that it may cost."""
        self._doubted += job.reserved
        self._take(job, job.reserved)

    def _take(self, job: Job, amount: Decimal) -> None:
        """Count in an amount, for which no more is set aside then."""
        covered = min(amount, job.reserved)
        self.spent += amount
        self.reserved -= covered
        job.reserved -= covered


def over_budget(worst: Decimal, spent: tuple[Decimal, Decimal], most: Decimal, where: str) -> BudgetExceeded:
    """The error for a row that may cost `worst` on top of what is `spent`, and of that for answers that broke off."""
    before, doubted = map(dollars, spent)
    broken = f" ({doubted} of it for answers that broke off)" if spent[1] else ""
    return BudgetExceeded(
        f"the next row may cost {dollars(worst)} on top of {before}{broken}, and --max-cost is {dollars(most)}",
        where,
        "raise --max-cost",
    )
