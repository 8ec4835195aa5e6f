"""Pace against simulated servers: how much of a limit is reached, and how many 429s that takes. No time passes."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass

import pytest

from llmcli.batch.pacing.gate import Gate
from llmcli.batch.pacing.pace import Pace
from llmcli.batch.pacing.server_limit import ServerLimit


@dataclass
class Bucket:
    """A server with a token bucket of `rate` a second and room for `burst`; tells of it in headers, or does not."""

    rate: float
    burst: float
    told: bool
    retry_after: float | None = 0.2
    tokens: float = 0.0
    then: float = 0.0

    def answer(self, now: float) -> tuple[bool, dict[str, str]]:
        self.tokens = min(self.burst, self.tokens + (now - self.then) * self.rate)
        self.then = now
        admitted = self.tokens >= 1
        self.tokens -= admitted
        headers = {
            "x-ratelimit-limit-requests": f"{self.rate * 60:.0f}",
            "x-ratelimit-remaining-requests": f"{self.tokens:.0f}",
        }
        return admitted, headers if self.told else {}


class Unlucky:
    """A server that refuses a share of the requests, at whatever rate they come."""

    def __init__(self, share: float, retry_after: float | None = None) -> None:
        self._share = share
        self.retry_after = retry_after
        self._random = random.Random(1)

    def answer(self, _now: float) -> tuple[bool, dict[str, str]]:
        return self._random.random() >= self._share, {}


@dataclass
class Result:
    seconds: float
    sent: int
    refused: int
    most: int


def simulate(pace: Pace, server: Bucket | Unlucky, rows: int, latency: float) -> Result:
    """The engine's loop, without the engine: admit, send, hear, and send again what was refused."""
    now, sent, refused, most = 0.0, 0, 0, 0
    order = itertools.count()
    under_way: list[tuple[float, int, bool, dict[str, str], float, int]] = []
    waiting: list[float] = []
    left = rows
    done = 0
    while done < rows:
        delay, _ = pace.delay(now)
        ready = left > 0 or (waiting and waiting[0] <= now)
        room = ready and len(under_way) < pace.crowd.room
        if room and delay <= 0:
            if waiting and waiting[0] <= now:
                heapq.heappop(waiting)
            else:
                left -= 1
            crowd = len(under_way) + 1
            pace.crowd.sends(now, crowd)
            pace.take(now, 2000, None)
            ok, headers = server.answer(now + latency / 2)
            sent += 1
            heapq.heappush(
                under_way, (now + (latency if ok else latency / 2), next(order), ok, headers, now, crowd)
            )
            most = max(most, len(under_way))
            continue
        times = [under_way[0][0]] if under_way else []
        if room and delay > 0:
            times.append(now + delay + 1e-6)
        if waiting and waiting[0] > now:
            times.append(waiting[0])
        now = max(now + 1e-6, min(times))
        while under_way and under_way[0][0] <= now:
            _, _, ok, headers, then, crowd = heapq.heappop(under_way)
            if ok:
                done += 1
                pace.finished(now, then, crowd, headers)
            else:
                refused += 1
                pace.crowd.leaves(now, then, crowd)
                pace.refused(now, then, server.retry_after)
                heapq.heappush(waiting, now + (0.5 if server.retry_after is None else server.retry_after))
    return Result(now, sent, refused, most)


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
@pytest.mark.parametrize("retry_after", [None, 0.2])
@pytest.mark.parametrize(
    ("rate", "latency", "burst"),
    [(50, 0.2, 10), (50, 0.01, 1), (50, 0.01, 5), (50, 2.0, 50), (300, 0.5, 50), (5, 0.1, 1)],
)
def test_most_of_a_limit_is_reached_with_few_refusals(rate, latency, burst, told, retry_after):
    rows = int(rate * 120 + burst)
    server = Bucket(rate, burst, told, retry_after, tokens=burst)
    result = simulate(Pace(None, None, None), server, rows, latency)
    ideal = (rows - burst) / rate + latency
    assert ideal / result.seconds > (0.95 if told else 0.8), result
    assert result.refused <= 10 + (0 if told else 0.1 * rows + result.most), result


@pytest.mark.parametrize("retry_after", [None, 1.0])
def test_a_server_that_refuses_so_many_first_is_gone_back_to(retry_after):
    class Refusing:
        def __init__(self) -> None:
            self.retry_after, self.left = retry_after, 50

        def answer(self, _now: float) -> tuple[bool, dict[str, str]]:
            self.left -= 1
            return self.left < 0, {}

    result = simulate(Pace(None, None, None), Refusing(), 10, 0.01)
    assert (result.sent, result.refused) == (60, 50)
    assert result.seconds < 25


def test_few_rows_are_not_kept_waiting_by_a_server_that_says_at_once():
    result = simulate(Pace(None, None, None), Unlucky(0.8, retry_after=0.0), 10, 0.01)
    assert result.refused > 20
    assert result.seconds < 0.1 * result.refused, result


def test_a_server_that_says_at_once_is_not_pestered():
    result = simulate(
        Pace(None, None, None), Bucket(50, 10, told=False, retry_after=0.0, tokens=10), 6000, 0.2
    )
    assert result.seconds < 130
    assert result.refused < 300


@pytest.mark.parametrize(("share", "most"), [(0.05, 15), (0.2, 25), (0.5, 150)])
@pytest.mark.parametrize("concurrency", [None, 20])
def test_refusals_that_have_nothing_to_do_with_the_rate_do_not_stop_the_run(share, most, concurrency):
    result = simulate(Pace(None, None, concurrency), Unlucky(share), 1000, 0.1)
    assert result.seconds < most, result


def test_a_server_that_refuses_the_first_requests_is_gone_back_to():
    server = Bucket(1e9, 1e9, told=False, retry_after=0.0, tokens=-1e9 * 0.5)  # for half a second
    result = simulate(Pace(None, None, None), server, 100, 0.05)
    assert result.seconds < 12, result


@pytest.mark.parametrize("limit", ["0", "-1", "inf", "many", ""])
def test_a_limit_that_is_none_is_not_believed(limit):
    pace = Pace(None, None, None)
    headers = {f"x-ratelimit-limit-{unit}": limit for unit in ("requests", "tokens")}
    pace.finished(0.1, 0.0, 1, headers)
    pace.take(0.0, 100, None)
    assert pace.delay(0.0)[0] == 0.0


def test_a_limit_of_the_users_is_kept():
    result = simulate(Pace(600, None, 50), Bucket(1e9, 1e9, told=False, tokens=1e9), 300, 0.1)
    assert 29.0 < result.seconds < 31.0


def test_tokens_a_minute_are_kept():
    pace = Pace(None, 60_000, 50)
    for _ in range(200):
        pace.used(0.0, 2000, 500, 100, 600)
    result = simulate(pace, Bucket(1e9, 1e9, told=False, tokens=1e9), 100, 0.1)
    assert 55 < result.seconds < 66  # 600 tokens a row, 1,000 a second


@pytest.mark.parametrize(("answer", "latency"), [(10_000, 0.5), (10_000, 5.0), (100, 0.5), (30_000, 0.1)])
def test_tokens_a_minute_are_kept_from_the_first_minute_on(answer, latency):
    pace, now, used, sent = Pace(None, 60_000, 8), 0.0, 0, list[tuple[float, float]]()
    while now < 300:
        while pace.delay(now)[0] <= 0 and len(sent) < 8:
            sent.append((now, pace.take(now, 80, None)))
        now += 0.01
        while sent and sent[0][0] + latency <= now:
            pace.used(now, 80, 20, answer, sent.pop(0)[1])
            used += 20 + answer
            assert used < 1000 * now + 9 * (20 + answer), "no more than the rate, and what is under way"
    assert used > 0.9 * 300_000


def test_refused_requests_use_no_tokens_of_the_limit():
    pace = Pace(None, 60_000, 8)
    pace.used(0.0, 80, 20, 100, 120)
    pace.refused(1.1, 1.0, None, pace.take(1.0, 80, 50_000))
    assert pace.delay(5.0)[0] == 0.0


def test_a_burst_of_refusals_cuts_once():
    limit = ServerLimit()
    for moment in range(100):
        limit.sends(9.0 + moment / 100)
    limit.refuses(10.0, 9.9)
    after = limit.rate
    for moment in range(50):
        limit.refuses(10.0 + moment / 100, 9.9)
    assert limit.rate == after == pytest.approx(50, rel=0.05)


def test_a_gate_has_a_short_burst():
    gate = Gate(600)  # ten a second, less the margin
    passed, now = 0, 0.0
    while gate.delay(now) <= 0:
        gate.take(now, 1)
        passed += 1
    assert passed <= 3
    assert gate.delay(now) < 0.12
