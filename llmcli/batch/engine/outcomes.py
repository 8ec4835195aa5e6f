"""The endings of an attempt: its row is final, has another attempt or another model, or ends the run."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from llmcli.batch.engine.health import LONGEST_HOLD, Health, Trouble, trouble_of
from llmcli.batch.engine.money import Money
from llmcli.batch.engine.pace import Pace
from llmcli.batch.engine.run import Job, Plan, Records
from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.final import Done
from llmcli.batch.ledger.records import Course, failure_line, success_line
from llmcli.errors import (
    AuthFailure,
    BadCommand,
    BrokenOff,
    BudgetExceeded,
    CallFailed,
    Interrupted,
    LlmcliError,
    NotRunning,
    PartialFailure,
    QuotaExhausted,
    ReaderGone,
    Terminated,
    TransientFailure,
    UsageError,
)
from llmcli.exchange.exchange import Exchanged
from llmcli.exchange.judged import missing
from llmcli.exchange.layers.fallback import another_may, skipped
from llmcli.exchange.layers.retry import backoff, failed_attempt
from llmcli.output.report import Report, joined, trace, usage_of
from llmcli.wire import Completion

_A_LITTLE = 0.5  # seconds until a job is looked at again that there was no money for
_OBEYED = 10  # attempts for which a server's Retry-After is taken as it is, be it nothing
_REFUSALS = 20  # of one row while other rows get through, after which it is given up
_SHORT_BACKOFF = 5  # attempts that a row's own wait grows with, where the run as a whole slows down or waits


class Schedule(Protocol):
    """What an ending may do to the run: Engine."""

    @property
    def is_stopped(self) -> bool:
        """Whether no more attempts are begun."""

    def stop(self, reason: LlmcliError) -> None:
        """Begin no more; what is under way is finished."""

    def abort(self) -> None:
        """Break off what is under way; for one that is stopped."""

    def later(self, job: Job, seconds: float) -> None:
        """Put a job back, to be begun again after so long."""


class Endings:
    """Judges answers and errors. A row that is neither final nor put back stays open: the next run sends it."""

    def __init__(
        self,
        schedule: Schedule,
        records: Records,
        done: Done,
        pace: Pace,
        plan: Plan,
        money: Money,
        health: Health,
        stats: Stats,
        clock: Callable[[], float],
        uniform: Callable[[float, float], float],
    ) -> None:
        self._schedule = schedule
        self._records = records
        self._done = done
        self._pace = pace
        self._plan = plan
        self._money = money
        self._health = health
        self._stats = stats
        self._clock = clock
        self._uniform = uniform
        self._missing: set[str] = set()  # what rows lacked, once told

    def answered(self, job: Job, exchanged: Exchanged) -> None:
        """Make the row final. Raises TransientFailure for an answer that is none."""
        now, stats, completion = self._clock(), self._stats, exchanged.completion
        if completion.meta.cached:
            self._give_back(job, now)
        else:
            self._pace.finished(now, completion.meta.latency, completion.meta.headers)
        stats.latencies.add(completion.meta.latency)
        job.sent += len(completion.meta.earlier)  # of repairs; the last request was counted when it was sent
        error, report = exchanged.wrong, exchanged.report
        if isinstance(error, BrokenOff):  # nobody has seen a part of it
            error = TransientFailure(error.what, error.where, error.todo)
        if isinstance(error, TransientFailure):
            self._carry(job, report)
            raise error
        self._health.answered(job, cached=completion.meta.cached)
        self._warn_of_missing(job, completion)
        self._count(job, report)
        if error is None or error.exit_code in self._plan.accepted:
            line = success_line(job.row, Course(job.sent, job.carried, self._plan.now()), report)
            stats.ok += self._write(job.row, line, failed=False)
            self._tell(job.row, trace, completion, job.sent)
        else:
            self.fail(job.row, error, job, report)

    def failed(self, job: Job, error: LlmcliError) -> None:
        """No answer came: another attempt, another model, the end of the row, or the end of the run."""
        if error.paid:
            job.sent += error.earlier  # the request that failed was counted when it was sent
            self._carry(job, Report.of(joined(error.paid), self._plan.price_of))
        if isinstance(error, CallFailed) and error.may_have_cost:
            self._money.doubt(job)
        nothing_sent = isinstance(error, BudgetExceeded) and not error.paid
        if nothing_sent:
            self._health.takes_back(job)
            if self._stats.in_flight > 1 and not self._schedule.is_stopped:
                return self._unsent(job)
        else:
            self._health.failed(job, error, self._clock())
        if isinstance(error, TransientFailure) and self._again(job, error):
            return None
        if self._other_model(job, error):
            return None
        if isinstance(error, (AuthFailure, QuotaExhausted)) and error.meant is not None:
            return self._denied(job, error)
        if self._is_of_all(job, error):
            return self._schedule.stop(error)
        return self.fail(job.row, error, job)

    def _denied(self, job: Job, error: CallFailed) -> None:
        """A key or an account was refused: that ends the run where nothing else came, or the same again and again."""
        is_enough, is_all = self._health.denied(job)
        if is_enough:
            self._schedule.stop(error)
        if not is_all:
            self.fail(job.row, error, job)

    def _is_of_all(self, job: Job, error: LlmcliError) -> bool:
        """Whether other rows would meet the same, which those with another provider of their own do not."""
        if isinstance(error, AuthFailure) and not job.models:
            return job.request.provider == self._plan.model.partition("/")[0]
        return isinstance(error, (AuthFailure, BadCommand, QuotaExhausted)) or not isinstance(
            error, (CallFailed, UsageError)
        )

    def fail(
        self, row: Row, error: LlmcliError, job: Job | None = None, report: Report | None = None
    ) -> None:
        """Make a row a final failure; without a job, nothing of it was sent."""
        sent, request = (job.sent, job.request) if job else (0, None)
        carried = job.carried if job else self._done.cost(row.number)
        course = Course(sent, carried, self._plan.now())
        line, code = failure_line(row, course, request, error, report)
        self._stats.failures[code] += self._write(row, line, failed=True)
        self._tell(row, "failed: {}".format, error)
        most, failed = self._plan.max_failures, self._stats.failed
        if most is not None and failed >= most:
            self._schedule.stop(PartialFailure(f"{failed} rows failed, and --max-failures is {most}"))

    def _carry(self, job: Job, report: Report) -> None:
        """Count in what answers took that are not the last of their row."""
        self._count(job, report)
        if report.cost is not None:
            job.carried = (job.carried or Decimal(0)) + report.cost

    def _count(self, job: Job, report: Report) -> None:
        """Count in what answers took."""
        self._money.spend(job, report)
        if (usage := usage_of(report.completion)) is not None:
            self._stats.prompt_tokens += usage["prompt_tokens"]
            self._stats.completion_tokens += usage["completion_tokens"]
            if not report.completion.meta.cached:
                now, taken = self._clock(), job.tokens
                self._pace.used(now, job.row.size, usage["prompt_tokens"], usage["completion_tokens"], taken)
                job.tokens = 0.0

    def _give_back(self, job: Job, now: float) -> None:
        """Nothing was sent in the attempt that was begun."""
        self._pace.give_back(now, job.tokens)
        job.tokens = 0.0

    def _unsent(self, job: Job) -> None:
        """Put back a job of which nothing was sent: another's reserve left no money for it."""
        self._give_back(job, self._clock())
        job.sent -= 1
        self._stats.sent -= 1
        self._schedule.later(job, _A_LITTLE)

    def _again(self, job: Job, error: TransientFailure) -> bool:
        """Put a job back, if it has an attempt left; it may then have to wait for its server."""
        is_server = self._slow_down(job, error) and self._health.waits_for(job)
        if is_server:
            job.doubt = error
            if error.no_answer_in_time and self._health.passed_since(job) and self._uses_up(job):
                return False
        else:
            job.attempts += 1
            if job.attempts > self._retries(error) or error.asks_too_long:
                return False
        if self._schedule.is_stopped:
            return True  # the row stays open
        self._stats.retries += 1
        wait = self._wait(job, error, is_server=is_server)
        self._tell(job.row, failed_attempt, job.sent, wait, error)
        if not self._health.holds(job):
            self._schedule.later(job, wait)
        return True

    def _retries(self, error: TransientFailure) -> int:
        """How many further attempts a failure leaves a row that its server is not waited for."""
        return 0 if isinstance(error, NotRunning) and not self._plan.insists else self._plan.retries

    def _slow_down(self, job: Job, error: TransientFailure) -> bool:
        """Have the run go slower where the server had enough; whether a failure may be none of the row's."""
        trouble, now = trouble_of(error), self._clock()
        if trouble is Trouble.BUSY:
            self._stats.refused += error.meant == 429
            self._stats.overloaded += error.meant != 429
            if error.meant == 429 or self._plan.patience:
                asked = None if error.retry_after is None else min(error.retry_after, LONGEST_HOLD)
                self._pace.refused(now, job.sent_at, None if error.asks_too_long else asked, job.tokens)
                job.tokens = 0.0
        elif trouble is Trouble.SILENT and self._plan.patience:
            self._pace.crowd.lost(now, job.sent_at, self._health.passed_since(job))
        return trouble not in {None, Trouble.BROKEN}

    def _wait(self, job: Job, error: TransientFailure, *, is_server: bool) -> float:
        """Seconds until a row's next attempt, as far as that is the row's own matter."""
        asked, tries = error.retry_after, job.attempts
        if is_server:
            asked, tries = None if asked is None else min(asked, LONGEST_HOLD), min(job.sent, _SHORT_BACKOFF)
        if asked is not None and (is_server or tries <= _OBEYED):
            return asked  # the server's own word is enough
        return max(backoff(tries, self._uniform), asked or 0.0)

    def _uses_up(self, job: Job) -> bool:
        """Count the failure that was in doubt, if it counts; whether that was the row's last."""
        error, job.doubt = job.doubt, None
        if error is None or not self._health.counts(job, error):
            return False
        if trouble_of(error) is Trouble.BUSY:
            job.refusals += 1
            return job.refusals >= _REFUSALS
        job.attempts += 1
        return job.attempts > self._plan.retries

    def is_over(self, job: Job) -> bool:
        """Whether a job that could be sent again is not to be: by now its last failure is known to count."""
        error = job.doubt
        if error is None or not self._uses_up(job):
            return False
        self._stats.retries -= 1
        self.fail(job.row, error, job)
        return True

    def _other_model(self, job: Job, error: LlmcliError) -> bool:
        """Give the job to the next model that may take it."""
        if not another_may(error) or job.row.request is None:
            return False
        if job.models < len(self._plan.fallback):
            self._tell(job.row, skipped, job.request.name, error)
        for model in self._plan.fallback[job.models :]:
            job.models += 1
            try:
                job.request = self._plan.rebuild(job.row.request, model)
                self._money.price(job)
            except UsageError:
                continue
            job.attempts, job.refusals, job.doubt = 0, 0, None
            self._schedule.later(job, 0.0)
            return True
        return False

    def _warn_of_missing(self, job: Job, completion: Completion) -> None:
        """Say once in a run what was asked for and did not come."""
        for what in missing(completion, job.request):
            if what not in self._missing:
                self._missing.add(what)
                self._plan.tell(f"warning: row {job.row.number}: {what}; other rows are not told of")

    def _tell(self, row: Row, words: Callable[..., str], *about: object) -> None:
        """Say `words(*about)` of a row to those who asked."""
        if self._plan.notice is not None:
            self._plan.notice(f"row {row.number}: {words(*about)}")

    def _write(self, row: Row, line: bytes, *, failed: bool) -> bool:
        """Make a row final; where that fails the run stops, and the row stays open."""
        try:
            self._records.write(row.number, line, failed=failed)
        except LlmcliError as error:
            self._schedule.stop(error)
            if isinstance(error, (ReaderGone, Interrupted, Terminated)):
                self._schedule.abort()  # nobody wants the answers, or waits for them
            return False
        return True
