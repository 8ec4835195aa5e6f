"""Servers of a few lines, by the shape of their load curve, and a run of Pace against one on a virtual clock."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from llmcli.batch.pacing.pace import Pace

MOMENT = 1e-6  # seconds between two requests that are sent one after the other


class Answer(NamedTuple):
    """What a server makes of a request: an answer, or a 429, after so many seconds."""

    seconds: float
    ok: bool = True
    headers: dict[str, str] = {}  # noqa: RUF012 - nobody changes it


class Load(Protocol):
    """A server, which is told how many requests are under way."""

    def answer(self, now: float, under_way: int) -> Answer: ...


class Chance:
    """A factor of mean 1: lognormal, `spread` is its sigma."""

    def __init__(self, spread: float, seed: int = 1) -> None:
        self._spread, self._random = spread, random.Random(seed)

    def __call__(self) -> float:
        spread = self._spread
        return self._random.lognormvariate(-(spread**2) / 2, spread) if spread else 1.0


class Curve:
    """Latency in seconds is a function of how many are under way, of the time, and of chance."""

    def __init__(self, latency: Callable[[int, float], float], spread: float = 0.0, seed: int = 1) -> None:
        self._latency, self._chance = latency, Chance(spread, seed)

    def answer(self, now: float, under_way: int) -> Answer:
        return Answer(self._latency(under_way, now) * self._chance())


class Slots:
    """So many at once, the others wait, first in, first out. What a client gave up is answered none the less."""

    def __init__(
        self, slots: Callable[[float], int], seconds: float, spread: float = 0.0, seed: int = 1
    ) -> None:
        self._slots, self._seconds, self._chance = slots, seconds, Chance(spread, seed)
        self._free: list[float] = []  # when each slot will be

    def answer(self, now: float, _under_way: int) -> Answer:
        slots = self._slots(now)
        while len(self._free) < slots:
            heapq.heappush(self._free, now)
        while len(self._free) > slots:
            heapq.heappop(self._free)
        end = max(now, heapq.heappop(self._free)) + self._seconds * self._chance()
        heapq.heappush(self._free, end)
        return Answer(end - now)


class Limited:
    """Lets `rate` requests a second pass, and `burst` at once; others are refused after `refusal` seconds.

    `told`: headers say so. The answers come from another server.
    """

    def __init__(self, rate: float, burst: float, behind: Load, *, told: bool, refusal: float = 0.02) -> None:
        self._rate, self._burst, self._behind, self._told = rate, burst, behind, told
        self._refusal = refusal
        self._tokens, self._then = burst, 0.0

    def answer(self, now: float, under_way: int) -> Answer:
        self._tokens = min(self._burst, self._tokens + (now - self._then) * self._rate)
        self._then = now
        headers = {
            "x-ratelimit-limit-requests": f"{self._rate * 60:.0f}",
            "x-ratelimit-remaining-requests": f"{self._tokens:.0f}",
        }
        headers = headers if self._told else {}
        if self._tokens < 1:
            return Answer(self._refusal, ok=False, headers=headers)
        self._tokens -= 1
        return self._behind.answer(now, under_way)._replace(headers=headers)


class Sent(NamedTuple):
    """A request under way; those that end first come first."""

    end: float
    order: int
    began: float
    crowd: int
    ok: bool
    headers: dict[str, str]
    passed: int  # rows that had passed when it was sent


@dataclass
class Simulation:
    """The engine's loop without the engine: admit, send, hear, send again. `work`: the client's seconds a row.

    What is refused comes again after `wait` seconds, which the server said; None: after half a second.
    """

    pace: Pace
    server: Load
    timeout: float = math.inf
    work: float = 0.0
    wait: float | None = None
    now: float = 0.0
    rows: list[tuple[float, float]] = field(default_factory=list)  # that are done: when, and what they took
    sent: int = 0
    lost: int = 0
    refused: int = 0
    limits: list[tuple[float, int]] = field(default_factory=list)  # the crowd's, whenever it changed
    _under_way: list[Sent] = field(default_factory=list)
    _again: list[float] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def run(self, *, seconds: float = math.inf, rows: float = math.inf) -> Simulation:
        """Go on until so many rows are done, or so much time has passed."""
        left = rows
        while len(self.rows) < rows and self.now < seconds:
            if not self.limits or self.limits[-1][1] != self.pace.crowd.limit:
                self.limits.append((self.now, self.pace.crowd.limit))
            is_again = bool(self._again) and self._again[0] <= self.now
            has_room = (left > 0 or is_again) and len(self._under_way) < self.pace.crowd.room
            delay = self.pace.delay(self.now)[0] if has_room else math.inf
            if delay > 0:
                self._sleep(delay)
                continue
            if is_again:
                heapq.heappop(self._again)
            else:
                left -= 1
            self._send()
        return self

    def _send(self) -> None:
        self.now += MOMENT
        crowd = len(self._under_way) + 1
        self.pace.crowd.sends(self.now, crowd)
        self.pace.take(self.now, 2000, None)
        seconds, ok, headers = self.server.answer(self.now, crowd)
        ok = ok and seconds <= self.timeout
        end = self.now + min(seconds, self.timeout)
        heapq.heappush(
            self._under_way, Sent(end, next(self._order), self.now, crowd, ok, headers, len(self.rows))
        )
        self.sent += 1

    def _sleep(self, delay: float) -> None:
        """Until a request may go, or one comes back."""
        times = [self._under_way[0].end] if self._under_way else []
        if self._again and self._again[0] > self.now:
            times.append(self._again[0])
        self.now = max(self.now + MOMENT, min([*times, self.now + delay + MOMENT]))
        while self._under_way and self._under_way[0].end <= self.now:
            self._hear(heapq.heappop(self._under_way))
            if self.work:
                self.now += self.work
                return

    def _hear(self, one: Sent) -> None:
        crowd, now = self.pace.crowd, self.now
        if one.ok:
            self.rows.append((now, now - one.began))
            return self.pace.finished(now, one.began, one.crowd, one.headers)
        crowd.leaves(now, one.began, one.crowd)
        if one.end - one.began > self.timeout - MOMENT:
            self.lost += 1
            crowd.lost(now, one.began, len(self.rows) - one.passed)
            return heapq.heappush(self._again, now)
        self.refused += 1
        self.pace.refused(now, one.began, self.wait)
        return heapq.heappush(self._again, now + (0.5 if self.wait is None else self.wait))

    def rate(self, begin: float, end: float) -> float:
        """Rows a second in a time."""
        return sum(begin <= now < end for now, _ in self.rows) / (end - begin)

    def latency(self, share: float, after: int = 0) -> float:
        """A percentile (0 to 1) of all rows but the first."""
        took = sorted(seconds for _, seconds in self.rows[after:])
        return took[min(len(took) - 1, int(share * len(took)))]

    def limit(self, now: float) -> int:
        """The crowd's limit at a time."""
        return [limit for then, limit in self.limits if then <= now][-1]
