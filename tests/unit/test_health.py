"""Batches against servers that are not well: a clock of our own, and servers of a few lines. No time passes."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable

import pytest

from llmcli.batch.engine import run as engine_run
from llmcli.batch.engine.engine import Engine
from llmcli.batch.engine.health import Trouble, trouble_of
from llmcli.batch.engine.run import Plan
from llmcli.batch.engine.stats import Stats
from llmcli.batch.ledger.final import Done
from llmcli.batch.pacing.pace import Pace
from llmcli.errors import (
    AuthFailure,
    LlmcliError,
    PartialFailure,
    QuotaExhausted,
    Rejected,
    Told,
    TransientFailure,
)
from llmcli.exchange.exchange import Way
from llmcli.transport.answer import Answer
from llmcli.transport.failures import diagnosis as failures
from llmcli.transport.failures import ways
from llmcli.wire import Completion, Meta, Request
from llmcli.world import World
from tests.unit.test_engine import Kept, Numbers

REQUEST = Request("openai", "tiny", "http://x", {"messages": []})


class Timeline:
    """A clock for many sleepers: when all that can run has run, it goes on to the first of them."""

    def __init__(self) -> None:
        self.now, self._order = 1000.0, itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), woken))
        await woken

    async def run(self, work: Callable[[], asyncio.Future[None]]) -> None:
        task = asyncio.ensure_future(work())
        while not task.done():
            for _ in range(12):
                await asyncio.sleep(0)
            while self._sleepers and self._sleepers[0][2].cancelled():
                heapq.heappop(self._sleepers)
            if self._sleepers and not task.done():
                self.now, _, woken = heapq.heappop(self._sleepers)
                woken.set_result(None)
        await task


def failure(status: int, retry_after: float | None = None) -> TransientFailure:
    return TransientFailure(f"it says {status}", told=Told(status=status, retry_after=retry_after))


def refused() -> TransientFailure:
    return ways.unreachable(REQUEST, "Connection refused", None)


class Server:
    """A transport: `answer(row, seconds)` gives what it takes for a row, in seconds, or the error that comes.

    It may also be a pair of both. `requests` are (seconds since it began, row).
    """

    def __init__(self, answer, *, latency: float = 0.1, headers: dict[str, str] | None = None) -> None:
        self.time, self._answer, self._latency = Timeline(), answer, latency
        self.requests: list[tuple[float, int]] = []
        self._headers = headers or {}

    @property
    def seconds(self) -> float:
        return self.time.now - 1000

    def rows(self, begin: float = 0.0, end: float = float("inf")) -> Counter[int]:
        return Counter(row for then, row in self.requests if begin <= then < end)

    async def ask(self, request: Request) -> Answer:
        row, began = int(request.fields["messages"][0]["content"]), self.time.now
        self.requests.append((self.seconds, row))
        error = self._answer(row, self.seconds)
        if isinstance(error, tuple):
            error, seconds = error
        else:
            seconds = 0.002 if error else self._latency
        if seconds:
            await self.time.sleep(seconds)
        if error:
            raise error
        choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 300, "completion_tokens": 300}
        meta = Meta("openai", "tiny", headers=self._headers, latency=self.time.now - began)
        return Answer.of(Completion({"choices": [choice], "usage": usage}, meta))


class Run:
    """A run of so many rows to its end."""

    def __init__(self, server: Server, rows: int, *, crowd: int | None = None, **plan: object) -> None:
        self.records, self.said, self.error = Kept(), [], None
        settings = {
            "model": "openai/tiny",
            "retries": 4,
            "fallback": (),
            "rebuild": None,
            "accepted": frozenset(),
            "patience": 600.0,
            "tell": self.said.append,
        }
        chance = random.Random(7)
        time = server.time
        run = engine_run.Run(
            plan=Plan(**{**settings, **plan}),
            way=Way(server, time, lambda *_: None),
            pace=Pace(None, None, crowd),
            stats=Stats(began=1000.0),
            world=World(None, None, None, {}, clock=time, sleep=time.sleep, uniform=chance.uniform),
        )
        self.engine = Engine(run, Numbers(rows), self.records, Done())
        try:
            asyncio.run(server.time.run(self.engine.run))
        except LlmcliError as error:
            self.error = error

    @property
    def answered(self) -> int:
        return len(self.records.rows) - len(self.records.failed)


def nginx(rate: float) -> Callable[[int, float], TransientFailure | None]:
    """limit_req with no burst: one request each 1 / rate seconds, 503 for the rest."""
    last = -1.0

    def answer(_row: int, now: float) -> TransientFailure | None:
        nonlocal last
        if now - last < 1 / rate:
            return failure(503)
        last = now
        return None

    return answer


@pytest.mark.parametrize("crowd", [None, 4, 100])
def test_no_row_is_lost_to_a_limit_that_is_told_with_503(crowd):
    server = Server(nginx(20))
    run = Run(server, 130, crowd=crowd)
    assert (run.error, run.answered) == (None, 130)
    assert server.seconds < 60
    assert len(server.requests) < 400


@pytest.mark.parametrize("crowd", [None, 64])
def test_a_server_with_two_slots_is_not_crowded_until_all_rows_time_out(crowd):
    """Requests that we give up stay in its queue."""
    free = [0.0, 0.0]

    def answer(_row: int, now: float) -> tuple[TransientFailure | None, float]:
        begin = max(now, heapq.heappop(free))
        heapq.heappush(free, begin + 0.45)
        if begin + 0.45 - now > 4:
            return failures.timed_out(REQUEST, 4.0), 4.0
        return None, begin + 0.45 - now

    server = Server(answer)
    run = Run(server, 130, crowd=crowd)
    assert (run.error, run.answered) == (None, 130)
    assert server.seconds < 130 * 0.225 * 3


def down(begin: float, end: float, error: Callable[[], TransientFailure]):
    def answer(_row: int, now: float) -> TransientFailure | None:
        return error() if begin <= now < end else None

    return answer


@pytest.mark.parametrize(
    "error",
    [
        refused,
        lambda: ways.not_connected(REQUEST, 10.0),
        *(lambda status=status: failure(status) for status in (429, 502, 503, 504, 522, 529)),
    ],
)
@pytest.mark.parametrize("crowd", [None, 1, 100])
@pytest.mark.parametrize("retries", [0, 4])
def test_no_row_is_lost_to_a_server_that_is_gone_for_a_while(error, crowd, retries):
    server = Server(down(0.5, 10.5, error))
    run = Run(server, 1500 if crowd != 1 else 60, crowd=crowd, retries=retries)
    assert (run.error, run.records.failed) == (None, [])
    assert len(server.rows(0.5, 10.5)) <= (crowd or 200) + 4, "few rows are begun"
    assert server.rows(1.5, 10.5).total() < 15, "and few requests made"
    assert server.seconds < 12 + 5 + 40


def test_a_server_that_is_gone_for_long_is_given_up_with_its_rows_open():
    server = Server(down(0.5, 1e9, refused))
    run = Run(server, 1500, patience=60.0)
    assert run.error.exit_code == 75
    assert "nothing has got through for --patience, 60 s" in str(run.error)
    assert run.records.failed == []
    assert 60 <= server.seconds < 68
    assert any("nothing gets through" in words for words in run.said)


def test_a_person_is_told_when_it_is_there_again():
    run = Run(Server(down(0.5, 10.5, refused)), 500)
    assert [words.split(" ")[0] for words in run.said] == ["nothing", "openai/tiny"]
    assert run.said[1] == "openai/tiny at http://x answers again"


@pytest.mark.parametrize("error", [refused, lambda: failures.timed_out(REQUEST, 4.0)])
def test_a_server_that_never_answered_is_not_waited_for(error):
    server = Server(down(0.0, 1e9, error))
    run = Run(server, 20)
    assert isinstance(run.error, PartialFailure)
    assert server.rows() == Counter(dict.fromkeys(range(20), 5))
    assert server.seconds < 60


def test_with_no_patience_each_failure_is_an_attempt():
    for error in (refused, lambda: failure(429), lambda: failure(503), lambda: failure(504)):
        server = Server(down(0.0, 1e9, error))
        run = Run(server, 3, patience=0.0, retries=2)
        assert isinstance(run.error, PartialFailure)
        assert server.rows() == Counter({0: 3, 1: 3, 2: 3})


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("rows", [1, 2, 10])
def test_the_first_replies_may_be_that_it_is_not_well(status, rows):
    server = Server(down(0.0, 20.0, lambda: failure(status)))
    run = Run(server, rows, retries=0)
    assert (run.error, run.answered) == (None, rows)


@pytest.mark.parametrize("crowd", [None, 1, 20])
def test_a_server_that_refuses_half_keeps_its_rows(crowd):
    chance = random.Random(3)
    server = Server(lambda _row, _now: failure(503) if chance.random() < 0.5 else None)
    run = Run(server, 300, crowd=crowd)
    assert (run.error, run.answered) == (None, 300)
    assert server.seconds < 120


@pytest.mark.parametrize("crowd", [None, 1, 8])
@pytest.mark.parametrize("status", [502, 504])
def test_a_row_that_alone_meets_a_gateways_word_has_its_attempts(crowd, status):
    server = Server(lambda row, _now: failure(status) if row == 3 else None)
    run = Run(server, 300, crowd=crowd, retries=2)
    assert isinstance(run.error, PartialFailure)
    assert run.records.failed == [3]
    assert server.rows()[3] == 3


def test_a_row_that_times_out_when_all_others_are_done_has_its_attempts():
    server = Server(lambda row, _now: (failures.timed_out(REQUEST, 4.0), 4.0) if row == 3 else None)
    run = Run(server, 8, retries=2)
    assert run.records.failed == [3]
    assert server.rows()[3] == 3


@pytest.mark.parametrize(("crowd", "retry_after"), [(2, 0.0), (2, None), (8, 0.01)])
def test_a_row_that_is_refused_twenty_times_while_others_get_through_is_over(crowd, retry_after):
    server = Server(lambda row, _now: failure(503, retry_after) if row == 3 else None)
    run = Run(server, 1500, crowd=crowd, retries=1)
    assert run.records.failed == [3]
    assert 20 <= server.rows()[3] <= 25


def test_a_row_that_kills_its_server_does_not_keep_the_others_waiting():
    server = Server(lambda row, _now: failure(503, 0.0) if row == 0 else None)
    run = Run(server, 50, crowd=1)
    assert run.answered == 49
    assert server.rows(0, 10).total() > 30


def test_slow_rows_of_a_healthy_server_do_not_shrink_the_crowd():
    server = Server(lambda row, _now: (failures.timed_out(REQUEST, 4.0), 4.0) if row % 25 == 24 else None)
    run = Run(server, 2000, crowd=50, retries=0)
    assert len(run.records.failed) == 80
    assert run.engine._pace.crowd.limit == 50
    assert server.seconds < 15


def test_another_model_is_asked_at_once_where_one_is_left():
    def answer(_row: int, _now: float) -> TransientFailure | None:
        return failure(503) if server.rows().total() > 3 else None

    def rebuild(request: Request, model: str) -> Request:
        return Request("other", model, "http://y", request.fields)

    class Two(Server):
        async def ask(self, request: Request) -> Answer:
            if request.provider == "other":
                choice = {"message": {"content": "y"}, "finish_reason": "stop"}
                return Answer.of(Completion({"choices": [choice]}, meta))
            return await super().ask(request)

    meta = Meta("other", "z")
    server = Two(answer)
    run = Run(server, 40, fallback=["z"], rebuild=rebuild, retries=2)
    assert (run.error, run.answered) == (None, 40)
    assert max(server.rows().values()) == 3


@pytest.mark.parametrize("kind", [AuthFailure, QuotaExhausted])
def test_a_key_that_is_refused_first_stops_the_run(kind):
    server = Server(lambda _row, _now: kind("no", told=Told(402)))
    run = Run(server, 100, crowd=2)
    assert isinstance(run.error, kind)
    assert (server.rows().total(), run.records.rows.total()) == (2, 0)


@pytest.mark.parametrize("kind", [AuthFailure, QuotaExhausted])
def test_an_account_that_dies_stops_the_run_with_the_twentieth_failure(kind):
    server = Server(lambda row, _now: kind("no", told=Told(402)) if row >= 50 else None)
    run = Run(server, 1000, crowd=1)
    assert isinstance(run.error, kind)
    assert (run.answered, run.records.failed) == (50, list(range(50, 70)))


def test_failures_of_an_account_that_others_come_between_are_of_their_rows_alone():
    server = Server(lambda row, _now: AuthFailure("no", told=Told(status=403)) if row % 2 else None)
    run = Run(server, 100, crowd=1)
    assert isinstance(run.error, PartialFailure)
    assert (run.answered, len(run.records.failed)) == (50, 50)


def test_a_rejected_row_shows_that_the_server_is_there():
    server = Server(
        lambda row, now: (
            Rejected("no", told=Told(status=400)) if row < 3 else down(1.0, 5.0, refused)(row, now)
        )
    )
    run = Run(server, 300)
    assert run.records.failed == [0, 1, 2]


@pytest.mark.parametrize("retry_after", [3600.0, 86400.0, 1e300])
def test_a_wait_of_hours_is_tried_with_one_row_a_minute(retry_after):
    server = Server(down(1.0, 1e9, lambda: failure(429, retry_after)))
    run = Run(server, 1000, crowd=4)
    assert run.error.exit_code == 75
    assert run.records.failed == []
    assert 600 <= server.seconds < 670
    assert server.rows(3.0).total() <= 10
    server = Server(down(1.0, 90.0, lambda: failure(429, retry_after)))
    run = Run(server, 1000, crowd=4)
    assert (run.error, run.answered) == (None, 1000)
    assert server.seconds < 180


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ratelimit-limit-tokens": "1"},
        {"x-ratelimit-limit-requests": "0.001"},
        {"x-ratelimit-limit-tokens": "1e-300"},
        {"x-ratelimit-limit-requests": "1e-300"},
        {"anthropic-ratelimit-tokens-limit": "1"},
    ],
)
def test_a_limit_that_cannot_be_is_tried_and_not_believed(headers):
    server = Server(lambda _row, _now: None, headers=headers)
    run = Run(server, 500)
    assert (run.error, run.answered) == (None, 500)
    assert server.seconds < 75
    assert max(run.engine.stats.bound, key=run.engine.stats.bound.get).startswith("the server's header ")


@pytest.mark.parametrize("digits", [300, 308, 309, 5000])
@pytest.mark.parametrize("unit", ["tokens", "requests"])
def test_a_limit_of_many_digits_is_none(digits, unit):
    headers = {f"x-ratelimit-{word}-{unit}": "9" * digits for word in ("limit", "remaining", "reset")}
    server = Server(lambda _row, _now: None, headers=headers)
    run = Run(server, 500)
    assert (run.error, run.answered) == (None, 500)
    assert server.seconds < 15


def test_patience_counts_while_a_limit_holds_the_run_back():
    server = Server(lambda _row, _now: None, headers={"x-ratelimit-limit-tokens": "1"})
    run = Run(server, 500, patience=5.0)
    assert run.error.exit_code == 75
    assert "the server's header x-ratelimit-limit-tokens: 1 holds the run back" in str(run.error)
    assert server.seconds < 7


def test_what_a_failure_says_of_the_server():
    broken = failures.broken(REQUEST, "Connection reset by peer", None)
    assert [trouble_of(failure(status)) for status in (500, 408, 409)] == [None] * 3
    assert trouble_of(refused()) is Trouble.GONE
    assert trouble_of(broken) is Trouble.BROKEN
    assert trouble_of(Rejected("no", told=Told(status=400))) is None
