"""The engine, with a source, a transport and records of memory, and a clock that only sleeping moves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from llmcli import jsonl
from llmcli.batch.engine.engine import Engine
from llmcli.batch.engine.run import Plan, Run
from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.rows import Row
from llmcli.batch.input.shape import BadRow
from llmcli.batch.ledger.final import Done, Place, Record
from llmcli.batch.pacing.pace import Pace
from llmcli.batch.program import run_batch
from llmcli.batch.progress import Silent
from llmcli.errors import (
    Interrupted,
    LlmcliError,
    OutputFailure,
    PartialFailure,
    Terminated,
    Told,
    TransientFailure,
    UsageError,
)
from llmcli.exchange.exchange import Way
from llmcli.output.report import PriceOf
from llmcli.transport.answer import Answer
from llmcli.wire import Completion, Meta, Request
from llmcli.world import World
from tests.conftest import Clock


class Numbers:
    """A source of so many rows, which are made when they are asked for."""

    def __init__(self, count: int) -> None:
        self.count, self.given = count, 0

    def start(self, wake: Callable[[], None]) -> None:
        wake()

    @property
    def ended(self) -> bool:
        return self.given == self.count

    def next(self) -> Row | None:
        if self.ended:
            return None
        number, self.given = self.given, self.given + 1
        request = Request(
            "openai", "tiny", "http://x", {"messages": [{"role": "user", "content": str(number)}]}
        )
        return Row(number, f"row-{number}", number + 1, request, size=10, slot=number)


class Kept:
    """Records of memory; `room` is for so many. `together`: answers can be written at once, `writes` had how many."""

    def __init__(self, room: float = float("inf"), *, together: bool = False) -> None:
        self.rows: Counter[int] = Counter()
        self.failed: list[int] = []
        self.writes: list[int] = []
        self._room, self._together = room, together

    def room(self, row: int) -> bool:
        return row < self._room

    def write(self, row: int, line: bytes, *, failed: bool) -> None:
        assert json.loads(line)["llmcli"]["row"] == row
        self.rows[row] += 1
        if failed:
            self.failed.append(row)

    def write_all(self, answers: Sequence[tuple[int, bytes]]) -> bool:
        if self._together:
            self.rows.update(row for row, _ in answers)
            self.writes.append(len(answers))
        return self._together

    def sync(self) -> None:
        pass


class Host:
    """Its readers never keep it waiting."""

    def using(self, _check: Callable[[], None]) -> AbstractContextManager[None]:
        return nullcontext()


class Answers:
    """A transport; `answer(row)` gives the text, or raises. `most` were under way at once."""

    def __init__(self, answer: Callable[[int], str]) -> None:
        self.answer, self.under_way, self.most, self.sent = answer, 0, 0, 0

    async def ask(self, request: Request) -> Answer:
        self.sent += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        text = self.answer(int(request.fields["messages"][0]["content"]))
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1}
        return Answer.of(Completion({"choices": [choice], "usage": usage}, Meta("openai", "tiny")))


def engine(
    source,
    transport,
    records,
    *,
    done: Done | None = None,
    crowd: int = 4,
    clock: Clock | None = None,
    price_of: PriceOf = lambda *_: None,
    **plan: object,
) -> Engine:
    clock = clock or Clock()
    settings = {
        "model": "openai/tiny",
        "retries": 2,
        "fallback": (),
        "rebuild": None,
        "accepted": frozenset(),
    }
    run = Run(
        plan=Plan(**{**settings, **plan}),
        way=Way(transport, clock, price_of),
        pace=Pace(None, None, crowd),
        stats=Stats(began=0.0),
        world=World(None, None, None, {}, clock=clock, sleep=clock.sleep, uniform=lambda _low, high: high),
    )
    return Engine(run, source, records, done or Done())


def test_every_row_is_final_once_and_never_more_are_under_way_than_may_be():
    records, transport = Kept(), Answers(str)
    asyncio.run(engine(Numbers(1000), transport, records, crowd=7).run())
    assert records.rows == Counter(range(1000))
    assert transport.most == 7


def test_the_answers_of_a_turn_are_written_at_once():
    records = Kept(together=True)
    asyncio.run(engine(Numbers(1000), Answers(str), records, crowd=50).run())
    assert records.rows == Counter(range(1000))
    assert len(records.writes) < 100


def test_each_row_ends_at_its_own_moment_whether_it_was_answered_or_could_not_be_sent():
    minutes: list[int] = []  # that have passed; a row is read, or answered, in the next

    class Odd(Numbers):
        def next(self) -> Row | None:
            minutes.append(0)
            row = super().next()
            if row is not None and row.number % 2 == 0:
                row.request, row.error = None, BadRow("invalid_row", "it is none")
            return row

    class Dated(Kept):
        def write(self, _row: int, line: bytes, **_how: bool) -> None:
            assert json.loads(line)["llmcli"]["at"] == jsonl.moment(today())

    def today() -> datetime:
        return datetime(2026, 11, 27, tzinfo=UTC) + timedelta(minutes=len(minutes))

    def answer(row: int) -> str:
        minutes.append(row)
        return "x"

    with pytest.raises(PartialFailure):
        asyncio.run(engine(Odd(9), Answers(answer), Dated(), crowd=1, now=today).run())


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("crowd", [1, 7])
def test_a_request_goes_out_in_an_answers_place_only_when_that_is_written(crowd, together):
    records = Kept(together=together)

    class Watched(Answers):
        async def ask(self, request: Request) -> Answer:
            assert self.sent - records.rows.total() < crowd  # what a kill now would have sent again
            return await super().ask(request)

    asyncio.run(engine(Numbers(100), Watched(str), records, crowd=crowd).run())
    assert records.rows == Counter(range(100))


def test_what_cannot_be_written_at_once_is_written_one_by_one():
    class Narrow(Kept):
        def write_all(self, _answers: Sequence[tuple[int, bytes]]) -> bool:
            raise OutputFailure("the disk is full")

        def write(self, row: int, line: bytes, *, failed: bool) -> None:
            if row == 2:
                raise OutputFailure("the disk is full")
            super().write(row, line, failed=failed)

    records = Narrow()
    running = engine(Numbers(4), Answers(str), records)
    with pytest.raises(OutputFailure, match="the disk is full"):
        asyncio.run(running.run())
    assert (set(records.rows), running.stats.ok) == ({0, 1, 3}, 3)


def test_an_answer_that_came_as_the_run_was_broken_off_is_written():
    records = Kept(together=True)

    def answer(row: int) -> str:
        if row == 3:
            running.abort()
        return "x"

    running = engine(Numbers(100), Answers(answer), records)
    asyncio.run(running.run())
    assert {0, 1, 2, 3} <= set(records.rows)


def test_rows_are_pulled_as_they_are_wanted():
    source = Numbers(10_000)

    def answer(row: int) -> str:
        assert source.given <= row + 4 + 1
        return "x"

    asyncio.run(engine(source, Answers(answer), Kept()).run())


def test_rows_that_are_final_are_passed_over_while_signals_come_through():
    done = Done()
    for row in range(100_000):
        done.take(row, Record(row + 1, 0.0, Place.OUT))
    source, records = Numbers(100_000), Kept()
    running = engine(source, Answers(str), records, done=done)

    async def main() -> None:
        asyncio.get_running_loop().call_soon(lambda: running.stop(LlmcliError("stop")))
        await running.run()

    with pytest.raises(LlmcliError, match="stop"):
        asyncio.run(main())
    assert source.given < 1000


def test_a_bug_ends_the_run_with_its_traceback():
    def answer(row: int) -> str:
        return {0: "fine"}[row]

    with pytest.raises(KeyError):
        asyncio.run(engine(Numbers(3), Answers(answer), Kept()).run())


def test_a_bug_in_what_comes_after_a_failure_does_not_lose_the_row():
    def answer(_row: int) -> str:
        raise TransientFailure("no", told=Told(status=500))

    def rebuild(_request: Request, _model: str) -> Request:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(engine(Numbers(1), Answers(answer), Kept(), fallback=["other"], rebuild=rebuild).run())


@pytest.mark.parametrize("fails", [True, False])
def test_a_record_that_cannot_be_written_stops_the_run_and_the_row_stays_open(fails):
    class Full(Kept):
        def write(self, row: int, line: bytes, *, failed: bool) -> None:
            if row == 2:
                raise OutputFailure("the disk is full")
            super().write(row, line, failed=failed)

    def answer(_row: int) -> str:
        if fails:
            raise UsageError("no")
        return "yes"

    records = Full()
    running = engine(Numbers(100), Answers(answer), records)
    with pytest.raises(OutputFailure):
        asyncio.run(running.run())
    assert set(records.rows) <= {0, 1, 3, 4, 5, 6}
    assert running.stats.ok + running.stats.failed == records.rows.total()


def test_retries_wait_in_a_heap_without_a_slot():
    tries: Counter[int] = Counter()

    def answer(row: int) -> str:
        tries[row] += 1
        if row % 2 and tries[row] < 3:
            raise TransientFailure("no", told=Told(status=500))
        return "x"

    records = Kept()
    running = engine(Numbers(100), Answers(answer), records)
    asyncio.run(running.run())
    assert records.rows == Counter(range(100))
    assert running.stats.retries == 100
    assert {row: count for row, count in tries.items() if row % 2} == dict.fromkeys(range(1, 100, 2), 3)


@pytest.mark.parametrize(
    ("retry_after", "least", "most"), [(0.0, 0.0, 0.0), (2.0, 6.0, 6.5), (None, 3.5, 4.5)]
)
def test_the_servers_word_on_when_to_come_back_is_taken_at_first(retry_after, least, most):
    tries: Counter[int] = Counter()

    def answer(row: int) -> str:
        tries[row] += 1
        if tries[row] <= 3:
            raise TransientFailure("no", told=Told(status=503, retry_after=retry_after))
        return "x"

    clock = Clock()
    asyncio.run(engine(Numbers(1), Answers(answer), Kept(), retries=3, clock=clock).run())
    assert least <= clock.now - 1000 <= most


def test_not_too_many_retries_wait():
    def answer(_row: int) -> str:
        raise TransientFailure("no", told=Told(status=503, retry_after=600.0))

    source = Numbers(100_000)
    running = engine(source, Answers(answer), Kept(), retries=1, max_failures=1)
    with pytest.raises(PartialFailure):
        asyncio.run(running.run())
    assert source.given < 1100


def test_a_row_for_which_there_is_no_room_waits():
    class Window(Kept):
        def room(self, row: int) -> bool:
            return row < self.rows.total() + 2

    records, transport = Window(), Answers(str)
    asyncio.run(engine(Numbers(50), transport, records).run())
    assert records.rows == Counter(range(50))
    assert transport.most == 2


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, Interrupted), (signal.SIGTERM, Terminated)])
def test_a_signal_ends_what_holds_up_the_loop(number, error):
    class Long(Kept):
        def finish(self, *, ordered: bool) -> None:  # noqa: ARG002 - as Ledger has it
            os.kill(os.getpid(), number)
            pytest.fail("it went on")

    records = Long()
    running = run_batch(engine(Numbers(3), Answers(str), records), records, Silent(), Host(), ordered=True)
    before = signal.getsignal(number)
    with pytest.raises(error):
        asyncio.run(running)
    assert signal.getsignal(number) == before
    assert records.rows.total() == 3


def test_money_is_never_passed_with_all_that_is_under_way():
    transport, price = Answers(str), {"in": 0, "out": 1_000_000}
    running = engine(
        Numbers(100),
        transport,
        Kept(),
        crowd=50,
        price_of=lambda *_: price,
        worst=lambda _request: Decimal(3),
        max_cost=Decimal(10),
    )
    with pytest.raises(LlmcliError, match=r"the next row may cost \$3.000000 on top of \$8.000000"):
        asyncio.run(running.run())
    assert (transport.sent, transport.most) == (8, 3)


def test_a_second_stop_does_not_hide_the_first():
    running = engine(Numbers(10), Answers(str), Kept())
    running.stop(UsageError("first"))
    running.stop(UsageError("second"))
    with pytest.raises(UsageError, match="first"):
        asyncio.run(running.run())
