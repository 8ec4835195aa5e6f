"""A worker: the engine of a batch, with rows that were lent and records that are told, on any machine."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

from llmcli.batch.cluster.messages import FLUSH, LEASE, Lent, Orders, ToldRecord, WorkerMoney, WorkReport
from llmcli.batch.engine.engine import Engine
from llmcli.batch.engine.run import Run
from llmcli.batch.input.rows import Row, RowBuilder
from llmcli.batch.ledger.final import Done
from llmcli.errors import LlmcliError, PartialFailure

_MUCH = 256  # records that are told at once
_LONGEST = 0.2  # seconds between two reports
_FEW, _MANY = 32, 2048  # rows that are had ahead: what half a second takes, between these
_HOLDING = frozenset({"requests", "tokens", "server"})  # what binds a run that a limit holds back


class LentRows:
    """A Source: rows that were lent, in their order."""

    def __init__(self, builder: RowBuilder, low: Callable[[], None]) -> None:
        self.over = False
        self.costs: dict[int, Decimal] = {}
        self.begun = 0  # since the last report
        self._builder = builder
        self._low = low
        self._mark = 0  # rows at which that is called
        self._rows: deque[Lent] = deque()
        self._wake: Callable[[], None] = lambda: None

    def start(self, wake: Callable[[], None]) -> None:
        """See Source."""
        self._wake = wake

    def next(self) -> Row | None:
        """See Source."""
        if not self._rows:
            return None
        placed, carried = self._rows.popleft()
        self.begun += 1
        if len(self._rows) == self._mark:
            self._low()
        row = self._builder.placed(placed)
        if carried is not None:
            self.costs[row.place] = carried
        return row

    @property
    def ended(self) -> bool:
        """See Source."""
        return self.over and not self._rows

    def take(self, orders: Orders) -> None:
        """Take in rows that were lent, and let go of those that were taken away."""
        self._rows.extend(orders.rows)
        if orders.taken:
            gone = frozenset(orders.taken)
            self._rows = deque(
                lent for lent in self._rows if lent.placed.number + lent.placed.before not in gone
            )
        self.over = self.over or orders.over
        if orders.rows or orders.over:
            self._mark = len(self._rows) // 4 if orders.rows else -1
        self._wake()

    def wanted(self) -> int:
        """How many more are to be lent: with those at hand, twice what was begun since the last report."""
        most = min(_MANY, max(_FEW, 2 * self.begun))
        self.begun = 0
        return max(0, most - len(self._rows))


class ToldRecords:
    """Records that are to be told.

    No row is begun while too many are not known to have arrived, nor where nothing was heard for long, by `clock`.
    """

    def __init__(self, much: Callable[[], None], clock: Callable[[], float]) -> None:
        self._much, self._clock = much, clock
        self._heard = clock()
        self._new: list[ToldRecord] = []
        self._under_way: list[ToldRecord] = []

    def __len__(self) -> int:
        return len(self._new)

    def room(self, _row: int) -> bool:
        """See Records."""
        has_room = len(self._new) + len(self._under_way) < FLUSH
        return has_room and self._clock() - self._heard < LEASE

    def write(self, row: int, line: bytes, *, failed: bool) -> None:
        """See Records."""
        self._new.append(ToldRecord(row, line, failed))
        if len(self._new) == _MUCH:
            self._much()

    def write_all(self, _answers: Sequence[tuple[int, bytes]]) -> bool:
        """See Records: they are told together in any case."""
        return False

    def sync(self) -> None:
        """See Records: nothing is kept here."""

    def arrived(self) -> None:
        """What was told last is known to have arrived."""
        self._under_way, self._heard = [], self._clock()

    def told(self) -> list[ToldRecord]:
        """What is to be told now."""
        self._under_way, self._new = self._new, []
        return self._under_way


class Nothing(Done):
    """Nothing is done of rows that were lent; those that cost something before carry that on."""

    costs: dict[int, Decimal]

    def cost(self, row: int) -> Decimal | None:
        """See Done."""
        return self.costs.pop(row, None)


class Worker:
    """One worker's run, from its first orders to its end. `run` is its own, with a plan that stops for nobody."""

    def __init__(self, run: Run, builder: RowBuilder) -> None:
        self._said: list[str] = []
        self._news = asyncio.Event()
        self._rows = LentRows(builder, self._news.set)
        self._records = ToldRecords(self._news.set, run.world.clock)
        plan = replace(
            run.plan, tell=self._said.append, notice=self._said.append if run.plan.notice else None
        )
        self._run = replace(run, plan=plan)
        done = Nothing()
        done.costs = self._rows.costs
        self._engine = Engine(self._run, self._rows, self._records, done)
        self._task: asyncio.Task[None] | None = None
        self._reason: LlmcliError | None = None

    async def turn(self, orders: Orders) -> WorkReport:
        """Obey orders, and report. Raises what is a bug."""
        self._obey(orders)
        if self._task is None:
            self._task = asyncio.create_task(self._work())
            self._task.add_done_callback(lambda _task: self._news.set())
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST):
                await self._news.wait()
        self._news.clear()
        self._engine.look()
        return self._report(self._task)

    def _obey(self, orders: Orders) -> None:
        self._records.arrived()
        self._run.pace.divide(1 / max(orders.part, 1e-9), self._engine.now)
        self._engine.money.allow(orders.allowed)
        if orders.stop is not None:
            self._engine.stop(orders.stop)
        if orders.abort:
            self._engine.abort()
        self._rows.take(orders)

    async def _work(self) -> None:
        try:
            await self._engine.run()
        except PartialFailure:
            pass  # the dispatcher counts
        except LlmcliError as error:
            error.paid = []  # which is counted, and may not travel
            self._reason = error
        finally:
            await self._run.way.transport.aclose()

    def _report(self, task: asyncio.Task[None]) -> WorkReport:
        if task.done():
            task.result()
        said, self._said[:] = list(self._said), []
        stats, money = self._run.stats, self._engine.money
        return WorkReport(
            records=self._records.told(),
            stats=stats,
            said=said,
            wants=self._rows.wanted(),
            held=stats.binds in _HOLDING,
            purse=WorkerMoney(
                money.spent, money.reserved, money.allowed or Decimal(0), money.short, money.dearest
            ),
            ended=task.done(),
            reason=self._reason if task.done() else None,
        )
