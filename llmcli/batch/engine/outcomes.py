"""The outcome of an attempt, a value that the engine carries out: the row is final, is sent again, or stops the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from llmcli.batch.engine.health import Health
from llmcli.batch.engine.money import Money
from llmcli.batch.engine.retries import Retries
from llmcli.batch.engine.run import Job, Run
from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.final import Done
from llmcli.batch.ledger.records import Course, failure_line, success_line
from llmcli.errors import (
    AuthFailure,
    BadCommand,
    BrokenOff,
    BudgetExceeded,
    CallFailed,
    LlmcliError,
    QuotaExhausted,
    TransientFailure,
    UsageError,
    WrongWay,
)
from llmcli.exchange.exchange import Exchanged
from llmcli.exchange.judged import missing
from llmcli.exchange.layers.fallback import another_may, skipped
from llmcli.exchange.layers.retry import failed_attempt
from llmcli.lean.dataclass import dataclass
from llmcli.lean.maker import maker
from llmcli.output.report import Report, joined_answers, tokens_of, trace
from llmcli.wire import Completion

_MORE = frozenset({"n", "logprobs"})  # what an answer may have less of than was asked for
_A_LITTLE = 0.5  # seconds until a job is looked at again that there was no money for


@dataclass(slots=True)
class Final:
    """A row's record is there. `code` is its failure's (None: it has an answer), `said` what `-v` says of it.

    `reason`: what the row met stops the run, too.
    """

    line: bytes
    code: str | None = None
    said: str | None = None
    reason: LlmcliError | None = None


class Again(NamedTuple):
    """A row is sent again, in so many seconds. `is_retry`: after a failure, of which `-v` says `said`."""

    wait: float
    is_retry: bool = False
    said: str | None = None


class Stop(NamedTuple):
    """The run begins no more rows. This one stays open: the next run sends it."""

    reason: LlmcliError


Outcome = Final | Again | Stop


class Outcomes:
    """Says what comes of answers and errors, and counts what they took. It does not act: see Engine."""

    def __init__(self, run: Run, done: Done, money: Money, health: Health) -> None:
        self._run = run
        self._plan, self._pace, self._stats = run.plan, run.pace, run.stats
        self._clock = run.world.clock
        self._done = done
        self._money = money
        self._health = health
        self._retries = Retries(run, health)
        self._missing: set[str] = set()  # what rows lacked, once told
        self._make_final, self._make_course = maker(Final), maker(Course)
        self._at: str | None = None  # the moment of this turn's answers, once there is one

    def of(self, job: Job, came: Exchanged | Exception) -> Outcome:
        """What comes of an attempt. Raises what is none of our errors."""
        if isinstance(came, Exchanged):
            return self.answered(job, came)
        if isinstance(came, LlmcliError):
            return self.failed(job, came)
        raise came

    def answered(self, job: Job, exchanged: Exchanged) -> Outcome:
        """An answer came; one with nothing in it is a failure."""
        report, error, meta = exchanged.report, exchanged.wrong, exchanged.completion.meta
        clock = self._clock
        now = clock()
        if meta.cached:
            self._give_back(job, now)
        else:
            self._pace.finished(now, job.sent_at, job.crowd, meta.headers)
            job.crowd = 0
        self._stats.latencies.add(meta.latency)
        job.sent += len(meta.earlier)  # of repairs; the last request was counted when it was sent
        if error is None:
            return self._answered(job, report, now)
        if isinstance(error, BrokenOff):  # nobody has seen a part of it
            error = TransientFailure(error.what, error.where, error.todo)
            error.no_answer_in_time = meta.stalled
        if isinstance(error, TransientFailure):
            self._carry(job, report)
            return self.failed(job, error)
        if error.exit_code in self._plan.accepted:
            return self._answered(job, report, now)
        self._take_in(job, report, now)
        return self._failure(job, error, report)

    def _answered(self, job: Job, report: Report, now: float) -> Final:
        """An answer came that counts as one."""
        self._take_in(job, report, now)
        if self._at is None:
            self._at = self._plan.moment()
        line = success_line(job.row, self._course(job.row, job.sent, job.carried, self._at), report)
        make = self._make_final
        return make(line, None, None if self._plan.notice is None else trace(report.completion, job.sent))

    def _take_in(self, job: Job, report: Report, now: float) -> None:
        """Count in an answer, and what it shows of its server."""
        completion, request = report.completion, job.request
        self._health.answered(job, cached=completion.meta.cached)
        if not request.kind.takes_text and not _MORE.isdisjoint(request.fields):
            self._warn_of_missing(job, completion)
        self._count(job, report, now)

    def failed(self, job: Job, error: LlmcliError) -> Outcome:
        """No answer came."""
        self._count_in(job, error)
        if isinstance(error, BudgetExceeded) and not error.paid:
            self._health.takes_back(job)
            return self._unsent(job) if self._stats.in_flight > 1 else Stop(error)
        self._health.failed(job, error, self._clock())
        if isinstance(error, TransientFailure) and not isinstance(error, WrongWay):
            wait = self._retries.wait_after(job, error)
            if wait is not None:
                return Again(wait, is_retry=True, said=self._said(failed_attempt, job.sent, wait, error))
        if self._has_other_model(job, error):
            return Again(0.0)
        if isinstance(error, (AuthFailure, QuotaExhausted)) and error.meant is not None:
            return self._denied(job, error)
        return Stop(error) if self._is_of_all(job, error) else self._failure(job, error)

    def unsendable(self, row: Row, error: LlmcliError) -> Final:
        """A row cannot be sent."""
        course = self._course(row, 0, self._done.cost(row.slot))
        line, code = failure_line(row, course, None, error, None)
        return Final(line, code, self._said("failed: {}".format, error))

    def over(self, job: Job) -> Final | None:
        """The end of a job that was to be sent again, where by now its last failure is known to count."""
        error = job.doubt
        if error is None or not self._retries.uses_up(job):
            return None
        self._stats.retries -= 1
        return self._failure(job, error)

    def _course(self, row: Row, sent: int, carried: Decimal | None, at: str | None = None) -> Course:
        """How a row came to its end, which is now."""
        plan, make = self._plan, self._make_course
        return make(sent, carried, at or plan.moment(), plan.input_of(row) if plan.input_of else None)

    def begin_turn(self) -> None:
        """Answers that come from now on do not come at the moment of those before."""
        self._at = None

    def _failure(self, job: Job, error: LlmcliError, report: Report | None = None) -> Final:
        course = self._course(job.row, job.sent, job.carried)
        line, code = failure_line(job.row, course, job.request, error, report)
        return Final(line, code, self._said("failed: {}".format, error))

    def _denied(self, job: Job, error: CallFailed) -> Outcome:
        """A key or an account was refused: that ends the run where nothing else came, or the same again and again."""
        is_enough, is_all = self._health.denied(job)
        if is_all:
            return Stop(error)
        return replace(self._failure(job, error), reason=error if is_enough else None)

    def _is_of_all(self, job: Job, error: LlmcliError) -> bool:
        """Whether other rows would meet the same, which those with another provider of their own do not."""
        if isinstance(error, AuthFailure) and not job.models:
            return job.request.provider == self._plan.model.partition("/")[0]
        return isinstance(error, (AuthFailure, BadCommand, QuotaExhausted)) or not isinstance(
            error, (CallFailed, UsageError)
        )

    def _count_in(self, job: Job, error: LlmcliError) -> None:
        """Count in what a failure may have cost, and the answers that came before it."""
        if error.paid:
            job.sent += error.earlier  # the request that failed was counted when it was sent
            self._carry(job, Report.of(joined_answers(error.paid), self._run.way.price_of))
        if isinstance(error, CallFailed) and error.may_have_cost:
            self._money.doubt(job)
        self._pace.crowd.leaves(self._clock(), job.sent_at, job.crowd)

    def _carry(self, job: Job, report: Report) -> None:
        """Count in what answers took that are not the last of their row."""
        self._count(job, report, self._clock())
        if report.cost is not None:
            job.carried = (job.carried or Decimal(0)) + report.cost

    def _count(self, job: Job, report: Report, now: float) -> None:
        """Count in what answers took."""
        self._money.spend(job, report)
        completion, stats = report.completion, self._stats
        if (tokens := tokens_of(completion)) is not None:
            prompt, answer = tokens
            stats.prompt_tokens += prompt
            stats.completion_tokens += answer
            if not completion.meta.cached:
                self._pace.used(now, job.row.size, prompt, answer, job.tokens)
                job.tokens = 0.0

    def _give_back(self, job: Job, now: float) -> None:
        """Nothing was sent in the attempt that was begun."""
        self._pace.give_back(now, job.tokens)
        self._pace.crowd.leaves(now, job.sent_at, job.crowd)
        job.tokens, job.crowd = 0.0, 0

    def _unsent(self, job: Job) -> Again:
        """Nothing was sent: another's reserve left no money for it."""
        self._give_back(job, self._clock())
        job.sent -= 1
        self._stats.sent -= 1
        return Again(_A_LITTLE)

    def _has_other_model(self, job: Job, error: LlmcliError) -> bool:
        """Give the job to the next model that may take it, if there is one."""
        if not another_may(error) or job.row.request is None:
            return False
        if job.models < len(self._plan.fallback) and self._plan.notice is not None:
            self._plan.notice(f"{job.row}: {skipped(job.request.name, error)}")
        for model in self._plan.fallback[job.models :]:
            job.models += 1
            try:
                job.request = self._plan.rebuild(job.row.request, model)
                self._money.price(job)
            except UsageError:
                continue
            job.attempts, job.refusals, job.doubt = 0, 0, None
            return True
        return False

    def _warn_of_missing(self, job: Job, completion: Completion) -> None:
        """Say once in a run what was asked for and did not come."""
        for what in missing(completion, job.request):
            if what not in self._missing:
                self._missing.add(what)
                self._plan.tell(f"warning: {job.row}: {what}; other rows are not told of")

    def _said(self, words: Callable[..., str], *about: object) -> str | None:
        """What those are told who asked to hear of each row; None where nobody did."""
        return None if self._plan.notice is None else words(*about)
