"""Trying again: how often, how long in between, and when not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcli.errors import (
    AuthFailure,
    CallFailed,
    DeadlinePassed,
    LlmcliError,
    NoInput,
    QuotaExhausted,
    Rejected,
    StreamCut,
    Told,
    TransientFailure,
)
from llmcli.exchange.layers.retry import Policy, Retry
from llmcli.transport.answer import Answer
from llmcli.wire import Chunk, Completion, Meta, Request
from tests.conftest import Clock
from tests.server import chunk

REQUEST = Request("openai", "tiny", "http://127.0.0.1/v1", {"model": "tiny", "messages": []})
STREAMED = Request("openai", "tiny", "http://127.0.0.1/v1", {"model": "tiny", "messages": [], "stream": True})
Outcome = BaseException | list[Chunk | BaseException]
"""A failure of the call, or the chunks of its answer; a failure among them comes in the middle."""

EMPTY, HEL, LO, STOP = chunk("", role="assistant"), chunk("Hel"), chunk("lo"), chunk(finish_reason="stop")
ANSWER: list[Any] = [EMPTY, HEL, LO, STOP]


class Inner:
    """A transport that does what it is told, once for each call."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0
        self.closed = 0  # streams that were let go of

    def _next(self) -> list[Chunk | BaseException]:
        self.calls += 1
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def ask(self, request: Request) -> Answer:
        pieces, meta = self._next(), Meta("openai", "tiny")
        if not request.stream:
            return Answer.of(Completion({}, meta))

        async def chunks() -> AsyncGenerator[Chunk, None]:
            try:
                for piece in pieces:
                    if isinstance(piece, BaseException):
                        raise piece
                    yield piece
            finally:
                self.closed += 1

        return Answer.streamed(chunks(), meta)

    async def aclose(self) -> None:
        self.outcomes.clear()


@dataclass
class Trial:
    """A Retry over outcomes, on a clock that only sleeping moves."""

    inner: Inner
    clock: Clock = field(default_factory=Clock)
    noticed: list[tuple[int, float, str]] = field(default_factory=list)

    def retry(self, retries: int = 4, deadline: float | None = None, uniform: Any = None) -> Retry:
        policy = Policy(
            retries=retries,
            clock=self.clock,
            sleep=self.clock.sleep,
            uniform=uniform or (lambda _low, high: high),
            deadline=deadline,
            notice=lambda attempt, wait, error: self.noticed.append((attempt, wait, error.what)),
        )
        return Retry(self.inner, policy)


def trial(*outcomes: Outcome) -> Trial:
    return Trial(Inner(*outcomes))


def flaky(what: str = "busy", **known: Any) -> TransientFailure:
    return TransientFailure(what, "here", "try again", Told(**known))


def whole(retry: Retry) -> Answer:
    return asyncio.run(retry.ask(REQUEST))


def opened(retry: Retry) -> Answer:
    """A stream, opened and left."""

    async def work() -> Answer:
        answer = await retry.ask(STREAMED)
        await anext(answer)
        await answer.aclose()
        return answer

    return asyncio.run(work())


def read(retry: Retry) -> list[Chunk]:
    async def work() -> list[Chunk]:
        return [piece async for piece in await retry.ask(STREAMED)]

    return asyncio.run(work())


WAYS: list[Callable[[Retry], Any]] = [whole, opened]


# --- How often ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_is_asked_for_once(way):
    tried = trial(ANSWER)
    assert way(tried.retry()).meta.attempts == 1
    assert (tried.inner.calls, tried.clock.slept, tried.noticed) == (1, [], [])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("failures", [1, 2, 4])
def test_failures_and_then_an_answer(failures, way):
    tried = trial(*[flaky() for _ in range(failures)], ANSWER)
    assert way(tried.retry(retries=4)).meta.attempts == failures + 1
    assert tried.inner.calls == failures + 1
    assert tried.clock.slept == [0.5, 1.0, 2.0, 4.0][:failures]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("retries", [0, 1, 4])
def test_the_last_failure_is_the_one_that_is_told(retries, way):
    failures = [flaky(f"failure {number}", code=str(number)) for number in range(retries + 2)]
    tried = trial(*failures)
    with pytest.raises(TransientFailure) as caught:
        way(tried.retry(retries=retries))
    assert caught.value is failures[retries]
    assert (caught.value.attempts, tried.inner.calls) == (retries + 1, retries + 1)
    suffix = f", after {retries + 1} attempts" if retries else ""
    assert str(caught.value) == f"failure {retries}{suffix} (here); try again"
    assert len(tried.clock.slept) == retries


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "error",
    [
        Rejected("no", told=Told(status=400)),
        AuthFailure("no", told=Told(status=401)),
        QuotaExhausted("no", told=Told(status=429, retry_after=1.0)),
        CallFailed("no"),
        NoInput("no"),
        DeadlinePassed("no"),
        RuntimeError("a bug"),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_nothing_else_is_tried_again(error, way):
    tried = trial(error, ANSWER)
    with pytest.raises(type(error)) as caught:
        way(tried.retry())
    assert caught.value is error
    assert (tried.inner.calls, tried.clock.slept) == (1, [])


@pytest.mark.parametrize("way", WAYS)
def test_a_failure_that_cannot_be_mended_ends_the_trying(way):
    tried = trial(flaky(), Rejected("no such model"), ANSWER)
    with pytest.raises(Rejected) as caught:
        way(tried.retry())
    assert (caught.value.attempts, tried.inner.calls) == (2, 2)
    assert str(caught.value) == "no such model, after 2 attempts"


def test_a_retry_can_be_used_again():
    tried = trial(flaky(), ANSWER, ANSWER, flaky(), flaky(), ANSWER)
    retry = tried.retry()
    assert [whole(retry).meta.attempts for _ in range(3)] == [2, 1, 3]


# --- How long -----------------------------------------------------------------------------------------------


@given(st.integers(1, 2000), st.floats(0, 1))
def test_full_jitter_grows_to_a_bound(attempt, chance):
    asked = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return low + (high - low) * chance

    wait = Policy(9, Clock(), Clock().sleep, uniform).wait(attempt, flaky())
    ((low, high),) = asked
    assert (low, high) == (0.0, min(60.0, 0.5 * 2.0 ** min(attempt - 1, 20)))
    assert 0 <= wait <= high


@pytest.mark.parametrize("way", WAYS)
def test_what_the_server_asks_for_is_waited(way):
    tried = trial(flaky(retry_after=7.0), flaky(), flaky(retry_after=0.0), flaky(retry_after=600.0), ANSWER)
    way(tried.retry())
    assert tried.clock.slept == [7.0, 1.0, 0.0, 600.0]


@pytest.mark.parametrize("way", WAYS)
def test_a_day_is_not_waited(way):
    tried = trial(flaky(), flaky(retry_after=86400.0), ANSWER)
    with pytest.raises(TransientFailure) as caught:
        way(tried.retry())
    assert (caught.value.attempts, tried.inner.calls, tried.clock.slept) == (2, 2, [0.5])


@pytest.mark.parametrize("way", WAYS)
def test_a_day_is_waited_where_the_deadline_is_in_two(way):
    tried = trial(flaky(retry_after=86400.0), ANSWER)
    way(tried.retry(deadline=1000.0 + 2 * 86400))
    assert tried.clock.slept == [86400.0]


def test_each_wait_is_noticed_before_it_begins():
    tried = trial(flaky("one"), flaky("two", retry_after=9.0), flaky("three"))
    with pytest.raises(TransientFailure):
        whole(tried.retry(retries=2))
    assert tried.noticed == [(1, 0.5, "one"), (2, 9.0, "two")], "there is no wait after the last one"


# --- The deadline -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_a_wait_beyond_the_deadline_is_not_begun(way):
    tried = trial(flaky("busy", retry_after=31.0), ANSWER)
    with pytest.raises(DeadlinePassed) as caught:
        way(tried.retry(deadline=1030.0))
    assert str(caught.value) == (
        "the next attempt, in 31.0 s, would be past --deadline; the last one failed: busy (here); raise --deadline"
    )
    assert (tried.clock.slept, tried.noticed, tried.inner.calls) == ([], [], 1)


def test_waits_before_the_deadline_are_waited():
    tried = trial(flaky(retry_after=20.0), flaky(retry_after=9.0), flaky(retry_after=2.0), ANSWER)
    with pytest.raises(DeadlinePassed):
        whole(tried.retry(deadline=1030.0))
    assert tried.clock.slept == [20.0, 9.0]


def test_a_deadline_far_away_changes_nothing():
    tried = trial(flaky(), ANSWER)
    assert whole(tried.retry(deadline=1e9)).meta.attempts == 2


# --- Streams ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before",
    [
        [],
        [EMPTY],
        [{}],
        [chunk(None)],
        [{"choices": []}, EMPTY],
        [chunk(reasoning_content="Hm")],
        [EMPTY, chunk(reasoning="Hm")],
    ],
)
@pytest.mark.parametrize("kind", [TransientFailure, StreamCut])
def test_a_stream_is_tried_again_before_its_first_piece(before, kind):
    tried = trial([*before, kind("it broke")], ANSWER)
    assert read(tried.retry()) == ANSWER, "nothing of the first attempt is seen"
    assert (tried.inner.calls, tried.inner.closed, tried.clock.slept) == (2, 2, [0.5])


@pytest.mark.parametrize(
    "piece",
    [
        HEL,
        chunk(refusal="No."),
        chunk(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}]),
        chunk(audio={"data": "QUJD"}),
        chunk("x", index=3),
    ],
)
def test_a_stream_is_not_tried_again_after_its_first_piece(piece):
    tried = trial([EMPTY, piece, StreamCut("it broke")], ANSWER)
    seen = []

    async def work() -> None:
        async for each in await tried.retry().ask(STREAMED):
            seen.append(each)  # noqa: PERF401, the last step raises

    with pytest.raises(StreamCut):
        asyncio.run(work())
    assert seen == [EMPTY, piece]
    assert (tried.inner.calls, tried.inner.closed, tried.clock.slept) == (1, 1, [])


def test_a_stream_comes_whole_and_in_order():
    assert read(trial(ANSWER).retry()) == ANSWER


@pytest.mark.parametrize("pieces", [[], [EMPTY], [{"choices": []}], [chunk(finish_reason="null")]])
def test_a_stream_that_ends_and_says_nothing_is_tried_again(pieces):
    tried = trial(pieces, ANSWER)
    assert read(tried.retry()) == ANSWER
    assert tried.inner.calls == 2


def test_a_stream_that_is_finished_and_says_nothing_is_the_readers_to_judge():
    tried = trial([EMPTY, STOP])
    assert read(tried.retry()) == [EMPTY, STOP]
    assert tried.inner.closed == 1


def test_a_stream_that_breaks_behind_a_finish_reason_and_said_nothing_is_tried_again():
    tried = trial([EMPTY, STOP, StreamCut("it broke")], ANSWER)
    assert read(tried.retry()) == ANSWER


def test_a_quota_that_ends_in_the_stream_is_not_tried_again():
    tried = trial([EMPTY, QuotaExhausted("no credit")], ANSWER)
    with pytest.raises(QuotaExhausted):
        read(tried.retry())
    assert (tried.inner.calls, tried.inner.closed) == (1, 1)


def test_leaving_a_stream_closes_the_one_below():
    tried = trial(ANSWER)
    opened(tried.retry())
    assert tried.inner.closed == 1


def test_closing_goes_through():
    tried = trial(ANSWER)
    asyncio.run(tried.retry().aclose())
    assert tried.inner.outcomes == []


def test_a_sleep_that_is_cancelled_is_no_failure():
    async def asleep(_: float) -> None:
        raise asyncio.CancelledError

    inner = Inner(flaky(), ANSWER)
    sleep: Callable[[float], Awaitable[None]] = asleep
    retry = Retry(inner, Policy(4, Clock(), sleep, lambda _low, high: high))

    async def work() -> None:
        with pytest.raises(asyncio.CancelledError):
            await retry.ask(REQUEST)

    asyncio.run(work())
    assert inner.calls == 1


def test_every_failure_of_the_tree_but_one_is_final():
    kinds = [kind for kind in CallFailed.__subclasses__() if not issubclass(kind, TransientFailure)]
    assert {kind.__name__ for kind in kinds} == {"Rejected", "Moderated", "QuotaExhausted", "AuthFailure"}
    assert issubclass(StreamCut, TransientFailure)
    assert not issubclass(TransientFailure, tuple(kinds))
    assert issubclass(TransientFailure, LlmcliError)
