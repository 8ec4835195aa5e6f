"""The money of a run: what its answers took, and what is set aside for those that are still to come."""

from __future__ import annotations

from decimal import Decimal

from llmcli.batch.engine.run import Job, Plan
from llmcli.batch.engine.stats import Stats
from llmcli.errors import BudgetExceeded
from llmcli.output.report import Report


class Money:
    """Holds the plan's `max_cost`, where there is one. All amounts are in $."""

    def __init__(self, plan: Plan, stats: Stats) -> None:
        self._plan = plan
        self._stats = stats
        self._spent = Decimal(0)  # where a cost is not known, what was reserved for it
        self._doubted = Decimal(0)  # of that, for answers that never came
        self._reserved = Decimal(0)

    def price(self, job: Job) -> None:
        """Find out what a job may cost, where that matters. Raises UsageError where nobody knows."""
        if self._plan.max_cost is not None or self._plan.has_budget:
            job.worst = self._plan.worst(job.request)

    def reserve(self, job: Job) -> None:
        """Set aside what a job may cost. Raises BudgetExceeded."""
        most = self._plan.max_cost
        if most is None:
            return
        spent = self._stats.earlier_spent + self._spent
        if spent + self._reserved + job.worst > most:
            doubted = f" (${self._doubted:.6f} of it for answers that broke off)" if self._doubted else ""
            raise BudgetExceeded(
                f"the next row may cost ${job.worst:.6f} on top of ${spent:.6f}{doubted},"
                f" and --max-cost is ${most:.6f}",
                str(job.row.custom_id),
                "raise --max-cost",
            )
        job.reserved = job.worst
        self._reserved += job.reserved

    def release(self, job: Job) -> None:
        """Set nothing aside for a job any more."""
        if not job.reserved:
            return
        self._reserved -= job.reserved
        job.reserved = Decimal(0)

    def spend(self, job: Job, report: Report) -> None:
        """Count in what answers of a job took."""
        if self._plan.max_cost is not None:
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
        self._spent += amount
        self._reserved -= covered
        job.reserved -= covered
