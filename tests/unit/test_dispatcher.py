"""The dispatcher, with workers in this process that die, fall silent and come back as a test likes."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from llmcli.batch.cluster.dispatcher import Dispatcher
from llmcli.batch.cluster.fund import Fund
from llmcli.batch.cluster.lending import NOTHING_HELD, HeldHere, Lender, Unmade
from llmcli.batch.cluster.messages import FLUSH, Orders, WorkerLost, WorkReport
from llmcli.batch.cluster.shares import MoneyShares, RateShares, WorkerAccount
from llmcli.batch.cluster.worker import Worker
from llmcli.batch.engine.run import Plan, Run
from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.readers.entry import Placed
from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.final import Done
from llmcli.batch.pacing.pace import Pace
from llmcli.errors import BudgetExceeded, OutputFailure, PartialFailure, Rejected, TransientFailure
from llmcli.exchange.exchange import Way
from llmcli.exchange.layers.budget import BudgetFile
from llmcli.transport.answer import Answer
from llmcli.wire import Completion, Meta, Request
from llmcli.world import World


class Lines:
    """Entries of so many rows."""

    def __init__(self, count: int) -> None:
        self._numbers, self.ended = iter(range(count)), not count
        self._last = count - 1

    def start(self, wake: Callable[[], None]) -> None:
        wake()

    def entry(self) -> Placed | None:
        number = next(self._numbers, None)
        self.ended = number is None or number == self._last
        return None if number is None else Placed(b"%d" % number, number)

    def next(self) -> Row | None:
        raise AssertionError("rows are made by workers")

    def close(self) -> None:
        pass


class Builds:
    """What makes rows of entries."""

    def placed(self, placed: Placed) -> Row:
        message = {"role": "user", "content": str(placed.number)}
        request = Request("openai", "tiny", "http://x", {"messages": [message]})
        return Row(
            placed.number, f"row-{placed.number}", placed.number + 1, request, size=10, slot=placed.number
        )


class Served:
    """A transport of all workers: `answer(row)` gives the text, or raises; `asked` counts."""

    def __init__(self, answer: Callable[[int], str] = str) -> None:
        self.answer, self.asked = answer, Counter()

    async def ask(self, request: Request) -> Answer:
        row = int(request.fields["messages"][0]["content"])
        self.asked[row] += 1
        await asyncio.sleep(0)
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": self.answer(row)},
            "finish_reason": "stop",
        }
        usage = {"prompt_tokens": 1, "completion_tokens": 1}
        return Answer.of(Completion({"choices": [choice], "usage": usage}, Meta("openai", "tiny")))

    async def aclose(self) -> None:
        pass


class Kept:
    """Records of memory."""

    def __init__(self) -> None:
        self.rows, self.failed = Counter(), Counter()

    def room(self, _row: int) -> bool:
        return True

    def write(self, _row: int, line: bytes, *, failed: bool) -> None:
        (self.failed if failed else self.rows)[json.loads(line)["llmcli"]["row"]] += 1

    def write_all(self, answers: Sequence[tuple[int, bytes]]) -> bool:
        for row, line in answers:
            self.write(row, line, failed=False)
        return True

    def sync(self) -> None:
        pass


def run_of(transport: object, **plan: object) -> Run:
    settings = {
        "model": "openai/tiny",
        "retries": 0,
        "fallback": (),
        "rebuild": None,
        "accepted": frozenset(),
    }
    return Run(
        plan=Plan(**{**settings, **plan}),
        way=Way(transport, time.monotonic, lambda *_: None),
        pace=Pace(None, None, 8),
        stats=Stats(began=time.monotonic()),
        world=World(None, None, None, {}),
    )


class Hired:
    """A worker in this process. `fate(turn)` says what becomes of its turns: it may raise, or take its time."""

    def __init__(self, name: str, worker: Worker, fate: Callable[[int], object]) -> None:
        self.name, self._worker, self._fate = name, worker, fate
        self._turns = itertools.count()
        self.is_dismissed = False

    async def turn(self, orders: Orders) -> WorkReport:
        report = await self._worker.turn(orders)
        waited = self._fate(next(self._turns))
        if waited is not None:
            await waited
        return report

    def dismiss(self) -> None:
        self.is_dismissed = True


class Company:
    """A crew whose workers have their fates, in the order in which they are hired; the others do well."""

    def __init__(self, size: int, transport: object, *fates: Callable[[int], object], **plan: object) -> None:
        self.size, self._transport, self._plan = size, transport, plan
        self._fates: Iterator[Callable[[int], object]] = iter(fates)
        self.hired: list[Hired] = []

    def hire(self) -> Hired:
        worker = Worker(run_of(self._transport, **self._plan), Builds())
        hired = Hired(f"worker {len(self.hired) + 1}", worker, next(self._fates, lambda _turn: None))
        self.hired.append(hired)
        return hired


def dispatched(
    rows: int,
    crew: Company,
    records: Kept,
    *,
    silence: float = 60.0,
    held: HeldHere = NOTHING_HELD,
    **plan: object,
) -> Dispatcher:
    """Run so many rows; the dispatcher that did."""
    run = run_of(None, **plan)
    lender = Lender(run, Lines(rows), records, Unmade(Builds(), Done(), always=False), held)
    dispatcher = Dispatcher(run, lender, records, crew, silence)
    asyncio.run(asyncio.wait_for(dispatcher.run(), 60))
    return dispatcher


def dies(turn: int) -> Callable[[int], object]:
    def fate(now: int) -> None:
        if now == turn:
            raise WorkerLost("killed")

    return fate


def test_each_row_is_final_once_and_all_workers_have_some():
    records, served = Kept(), Served()
    crew = Company(3, served)
    dispatcher = dispatched(2000, crew, records)
    assert records.rows == Counter(range(2000)) == served.asked
    assert dispatcher.stats.ok == dispatcher.stats.sent == dispatcher.stats.rows == 2000
    assert all(hired.is_dismissed for hired in crew.hired)


@pytest.mark.parametrize("turn", [0, 1, 3, 8])
def test_rows_of_a_worker_that_dies_go_to_others_and_few_are_asked_again(turn):
    records, served, said = Kept(), Served(), []
    dispatched(2000, Company(2, served, dies(turn), dies(turn + 1)), records, tell=said.append)
    assert records.rows == Counter(range(2000))
    assert sum(served.asked.values()) - 2000 <= 2 * (8 + FLUSH)
    assert "worker 1 is lost (killed)" in said[0]


def test_workers_that_die_before_they_do_anything_end_the_run():
    with pytest.raises(
        TransientFailure, match="5 workers in a row were lost before they did anything: killed"
    ):
        dispatched(10, Company(1, Served(), *[dies(0)] * 5), Kept())


def test_late_records_of_a_silent_worker_are_dropped_row_by_row():
    records, served, said = Kept(), Served(), []
    is_over = asyncio.Event()

    def silent(turn: int) -> object:
        return is_over.wait() if turn == 3 else None

    def answer(row: int) -> str:
        if row == 1999:
            is_over.set()
        return "x"

    served.answer = answer
    dispatched(2000, Company(2, served, silent), records, silence=0.2, tell=said.append)
    assert records.rows == Counter(range(2000))
    assert any("worker 1 has said nothing for 0.2 s" in line for line in said)


def test_a_worker_that_is_silent_for_ever_is_not_waited_for():
    records = Kept()
    dispatched(
        2000,
        Company(1, Served(), lambda turn: asyncio.Event().wait() if turn == 2 else None),
        records,
        silence=0.2,
    )
    assert records.rows == Counter(range(2000))


def test_failures_are_counted_here_and_too_many_end_the_run():
    def answer(row: int) -> str:
        if row % 2:
            raise Rejected("no")
        return "x"

    records = Kept()
    with pytest.raises(PartialFailure, match="500 of 1000 rows failed"):
        dispatched(1000, Company(2, Served(answer)), records)
    assert sum(records.failed.values()) == len(records.failed) == 500
    with pytest.raises(PartialFailure, match="and --max-failures is 7"):
        dispatched(100_000, Company(2, Served(answer)), Kept(), max_failures=7)


def test_an_error_of_all_rows_at_one_worker_stops_all():
    def answer(_row: int) -> str:
        raise OutputFailure("full")

    with pytest.raises(OutputFailure, match="full"):
        dispatched(10_000, Company(2, Served(answer)), Kept())


def test_a_record_that_cannot_be_written_stops_the_run():
    class Full(Kept):
        def write(self, row: int, line: bytes, *, failed: bool) -> None:
            if row == 100:
                raise OutputFailure("the disk is full")
            super().write(row, line, failed=failed)

        def write_all(self, answers: Sequence[tuple[int, bytes]]) -> bool:
            if any(row == 100 for row, _ in answers):
                raise OutputFailure("the disk is full")
            return super().write_all(answers)

    records = Full()
    with pytest.raises(OutputFailure, match="the disk is full"):
        dispatched(100_000, Company(2, Served()), records)
    assert 100 not in records.rows
    assert max(records.rows.values()) == 1


def test_a_bug_in_a_worker_is_a_bug_here():
    with pytest.raises(KeyError):
        dispatched(10, Company(1, Served({}.__getitem__)), Kept())


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_together_spend_no_more_than_may_be_and_no_less_than_fits(workers):
    served, records = Served(), Kept()
    cost = Decimal("0.01")
    money = {"max_cost": Decimal("0.255"), "worst": lambda _request: cost}
    crew = Company(workers, served, **{**money, "max_cost": Decimal(0)})
    with pytest.raises(
        BudgetExceeded, match=r"the next row may cost \$0.010000 on top of \$0.250000, and --max-cost is"
    ):
        dispatched(1000, crew, records, **money)
    assert (
        sum(served.asked.values()) == 25
    )  # of answers whose cost is not known, each counts as what was set aside


def account(number: int, **known: object) -> WorkerAccount:
    return replace(WorkerAccount(number, None, Stats(began=0.0), places={number}, reported=True), **known)


def test_a_worker_that_comes_has_no_part_before_others_let_go_of_it():
    rates, first = RateShares(1), account(1)
    rates.look([first], 0.0)
    first.part = rates.part_of(first, [first])
    second = account(2)
    both = [first, second]
    rates.look(both, 1.0)
    assert (first.part, rates.part_of(second, both)) == (1.0, 0.0)
    first.part = rates.part_of(first, both)
    assert (first.part, rates.part_of(second, both)) == (0.5, 0.5)


def test_what_a_worker_does_not_use_of_a_limit_goes_to_those_whom_it_holds_back():
    rates, slow, fast = RateShares(2), account(1), account(2, held=True)
    both = [slow, fast]
    rates.look(both, 0.0)
    for each in both:
        each.part = rates.part_of(each, both)
    slow.stats.sent, fast.stats.sent = 20, 100  # in two seconds: 10 and 50 a second, of 100
    rates.look(both, 2.0)
    assert slow.target == pytest.approx(0.125)
    assert fast.target == pytest.approx(0.875)


def test_what_a_dead_worker_may_have_spent_counts_as_spent():
    money, lost = MoneyShares(Decimal(10), Decimal(1)), account(1)
    lost.purse.spent, lost.purse.allowed = Decimal(2), Decimal(5)
    money.loses(lost)
    assert (money.spent, money.lost) == (2, 3)
    assert money.allow(account(2), [account(2)]) == 0


def test_two_workers_do_not_keep_from_each_other_what_is_enough_for_one():
    money, first, second = MoneyShares(Decimal(12), Decimal(0)), account(1), account(2)
    both = [first, second]
    for each in both:
        each.purse.short = each.purse.dearest = Decimal(10)
        each.purse.allowed = Decimal(6)
    assert money.allow(first, both) == 0
    assert money.allow(second, both) == 10


def test_a_budget_file_is_of_all_workers_together(tmp_path):
    records, cost = Kept(), Decimal("0.01")
    budget = BudgetFile(str(tmp_path / "spent"), Decimal("0.255"), time.monotonic, asyncio.sleep)
    money = {"has_budget": True, "worst": lambda _request: cost}
    crew = Company(3, Served(), **{**money, "max_cost": Decimal(0)})
    with pytest.raises(BudgetExceeded, match="a call of openai/tiny may cost"):
        dispatched(1000, crew, records, held=HeldHere(fund=Fund(budget, "openai/tiny")), **money)
    assert sum(records.rows.values()) == 25
    assert budget.spent() == Decimal("0.25")
