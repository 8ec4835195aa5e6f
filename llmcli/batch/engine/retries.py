"""Retries: whether a row has another attempt after a failure, and when; the run then goes slower where it should."""

from __future__ import annotations

from llmcli.batch.engine.health import LONGEST_HOLD, Health, Trouble, trouble_of
from llmcli.batch.engine.run import Job, Run
from llmcli.errors import NotRunning, TransientFailure
from llmcli.exchange.layers.retry import backoff

_OBEYED = 10  # attempts for which a server's Retry-After is taken as it is, be it nothing
_REFUSALS = 20  # of one row while other rows get through, after which it is given up
_SHORT_BACKOFF = 5  # attempts that a row's own wait grows with, where the run as a whole slows down or waits


class Retries:
    """Counts the attempts of rows that count, by what is known of their servers."""

    def __init__(self, run: Run, health: Health) -> None:
        self._run = run
        self._health = health

    def wait_after(self, job: Job, error: TransientFailure) -> float | None:
        """Seconds until a row's next attempt; None where it has none left."""
        is_server = self._slow_down(job, error) and self._health.waits_for(job)
        if is_server:
            job.doubt = error
            if error.no_answer_in_time and self._health.passed_since(job) and self.uses_up(job):
                return None
        else:
            job.attempts += 1
            if job.attempts > self._left(error) or error.asks_too_long:
                return None
        return self._wait(job, error, is_server=is_server)

    def uses_up(self, job: Job) -> bool:
        """Count the failure that was in doubt, if it counts; whether that was the row's last."""
        error, job.doubt = job.doubt, None
        if error is None or not self._health.counts(job, error):
            return False
        if trouble_of(error) is Trouble.BUSY:
            job.refusals += 1
            return job.refusals >= _REFUSALS
        job.attempts += 1
        return job.attempts > self._run.plan.retries

    def _left(self, error: TransientFailure) -> int:
        """How many further attempts a failure leaves a row that its server is not waited for."""
        plan = self._run.plan
        return 0 if isinstance(error, NotRunning) and not plan.insists else plan.retries

    def _slow_down(self, job: Job, error: TransientFailure) -> bool:
        """Have the run go slower where the server had enough. Whether the failure may be the server's alone."""
        pace, stats, patience = self._run.pace, self._run.stats, self._run.plan.patience
        trouble, now = trouble_of(error), self._run.world.clock()
        if trouble is Trouble.BUSY:
            stats.refused += error.meant == 429
            stats.overloaded += error.meant != 429
            if error.meant == 429 or patience:
                asked = None if error.retry_after is None else min(error.retry_after, LONGEST_HOLD)
                pace.refused(now, job.sent_at, None if error.asks_too_long else asked, job.tokens)
                job.tokens = 0.0
        elif trouble is Trouble.SILENT and patience:
            pace.crowd.lost(now, job.sent_at, self._health.passed_since(job))
        return trouble not in {None, Trouble.BROKEN}

    def _wait(self, job: Job, error: TransientFailure, *, is_server: bool) -> float:
        """Seconds until a row's next attempt, as far as that is the row's own matter."""
        asked, tries = error.retry_after, job.attempts
        if is_server:
            asked, tries = None if asked is None else min(asked, LONGEST_HOLD), min(job.sent, _SHORT_BACKOFF)
        if asked is not None and (is_server or tries <= _OBEYED):
            return asked  # the server's own word is enough
        return max(backoff(tries, self._run.world.uniform), asked or 0.0)
