"""The queue: which job is sent next: a retry, a row that is tried at an ill server, a new row; or how long none is."""

from __future__ import annotations

import heapq
import itertools
import math
from typing import NamedTuple

from llmcli.batch.engine.health import Health
from llmcli.batch.engine.new_rows import Look, NewRows, Unsent
from llmcli.batch.engine.outcomes import Stop
from llmcli.batch.engine.run import Job
from llmcli.batch.pacing.crowd import Crowd

_WAITING = 1024  # retries that may wait, whatever the crowd, before no new row is begun
_LOOK = 256  # rows that are passed over before others have their turn


class Pause(NamedTuple):
    """Nothing is to be sent, for so many seconds (None: until something ends), and why."""

    seconds: float | None
    why: str


OTHERS_TURN = Pause(0.0, "input")  # signals and answers come between


class JobQueue:
    """Retries wait in a heap, without a slot, and go before new rows. `now` is the time on the run's clock."""

    def __init__(self, rows: NewRows, health: Health, crowd: Crowd) -> None:
        self._rows = rows
        self._health = health
        self._crowd = crowd
        self._retries: list[tuple[float, int, Job]] = []
        self._order = itertools.count()
        self._looked = 0  # rows that gave no job, one after the other

    def later(self, job: Job, time: float) -> None:
        """Have a job sent at a time, or after it."""
        heapq.heappush(self._retries, (time, next(self._order), job))

    def first(self, job: Job, now: float) -> Job:
        """A retry whose time has come while the job waited, which then takes its place; else the job."""
        if not self._retries or self._retries[0][0] > now:
            return job
        return heapq.heapreplace(self._retries, (now, next(self._order), job))[2]

    def next(self, now: float) -> Job | Unsent | Stop | None:
        """A job whose time has come, else what a new row is; None: see `pause`."""
        if not self._retries and not self._health.ill:
            return self._new()
        if self._retries and self._retries[0][0] <= now:
            return heapq.heappop(self._retries)[2]
        if (tried := self._health.due(now)) is not None:
            return tried
        waiting = len(self._retries) + self._health.waiting
        return self._new() if waiting < max(_WAITING, 4 * self._crowd.limit) else None

    def _new(self) -> Job | Unsent | Stop | None:
        while self._looked < _LOOK:
            found = self._rows.next()
            if isinstance(found, Job):
                self._looked = 0
                return found
            if found is Look.NOTHING:
                break
            self._looked += 1
            if found is not Look.PASSED:
                return found
        return None

    def pause(self, now: float, in_flight: int) -> Pause | None:
        """For how long there is no job; None: there will be none, with so many in flight."""
        looked, self._looked = self._looked, 0
        if looked >= _LOOK:
            return OTHERS_TURN
        waiting = self._retries or self._health.waiting
        if self._rows.exhausted and not waiting and not in_flight:
            return None
        then = min(self._retries[0][0] if self._retries else math.inf, self._health.next_try())
        return Pause(None if then == math.inf else then - now, "server" if waiting else "input")
