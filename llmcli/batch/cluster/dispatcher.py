"""The dispatcher: lends rows to workers and makes their records final, the one writer of a run on many machines.

A row that is lent stays open until its record is written here. Where its worker dies, or says nothing for long, it is
lent again, before any new one; a record of it that comes late from the first is as good as another, if it is the first
to come, and else dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from itertools import count

from llmcli import jsonl
from llmcli.batch.cluster.lending import Lender, Loan
from llmcli.batch.cluster.messages import SILENCE, Crew, Lent, Orders, ToldRecord, WorkerLost, WorkReport
from llmcli.batch.cluster.shares import MoneyShares, RateShares, WorkerAccount
from llmcli.batch.engine.new_rows import Look, Unsent
from llmcli.batch.engine.outcomes import Stop
from llmcli.batch.engine.run import Records, Run, raise_ending
from llmcli.batch.engine.stats import Latencies, Stats
from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.records import Course, failure_line
from llmcli.errors import (
    Interrupted,
    LlmcliError,
    PartialFailure,
    ReaderGone,
    Terminated,
    TransientFailure,
)

_LOSSES = 5  # workers in a row that died before they told of anything, after which a run gives up
_BYTES = 4 << 20  # of rows that are lent at once
_SUMS = (
    "sent",
    "retries",
    "refused",
    "overloaded",
    "in_flight",
    "crowd",
    "prompt_tokens",
    "completion_tokens",
)


class Dispatcher:
    """Carries a run out, with a crew. It is to a program what an Engine is.

    `silence`: see SILENCE.
    """

    def __init__(
        self, run: Run, lender: Lender, records: Records, crew: Crew, silence: float = SILENCE
    ) -> None:
        self.stats = run.stats
        self._run, self._plan = run, run.plan
        self._clock = run.world.clock
        self._lender = lender
        self._records = records
        self._crew = crew
        self._silence = silence
        self._rates = RateShares(crew.size)
        self._money = MoneyShares(run.plan.max_cost, run.stats.earlier_spent, lender.fund)
        self._numbers = count()
        self._accounts: dict[int, WorkerAccount] = {}
        self._past = Stats(began=0.0)  # what workers did that are no more
        self._losses = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._change = asyncio.Event()  # a turn came to its end, or the run
        self._stopped: LlmcliError | None = None
        self._aborted = False
        self._bug: BaseException | None = None

    @property
    def now(self) -> float:
        """The time on the run's clock, in seconds."""
        return self._clock()

    def stop(self, reason: LlmcliError) -> None:
        """Lend no more; what is under way is finished."""
        self._stopped = self._stopped or reason

    def abort(self) -> None:
        """Break off what is under way; for a run that is stopped."""
        self._aborted = self.stats.aborted = True
        self._change.set()

    def look(self) -> None:
        """Sum up what workers did. Called now and then."""
        live = [account.stats for account in self._accounts.values()]
        _sum_up(self.stats, [self._past, *live])

    def nudge(self) -> None:
        """Nothing is to be done: workers ask for rows again and again."""

    async def run(self) -> None:
        """Run to the end. Raises what stopped the run, or PartialFailure where rows failed."""
        self._lender.start(lambda: None)
        try:
            for _ in range(self._crew.size):
                self._begin()
            while self._tasks and not self._aborted and self._bug is None:
                await self._change.wait()
                self._change.clear()
        finally:
            for account in self._accounts.values():
                account.worker.dismiss()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self.look()
            await self._money.settle()
        raise_ending(self._bug, self._stopped, self.stats)

    # --- Workers --------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Have one more worker, and a task that talks to it."""
        account = WorkerAccount(next(self._numbers), self._crew.hire(), Stats(began=self._clock()))
        self._accounts[account.number] = account
        task = asyncio.create_task(self._employ(account))
        self._tasks.add(task)
        task.add_done_callback(self._ends)

    def _ends(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, LlmcliError):
                self.stop(error)
            else:
                self._bug = self._bug or error
        self._change.set()

    async def _employ(self, account: WorkerAccount) -> None:
        """One worker, from its first orders to its end."""
        try:
            while not account.ended and not self._is_idle(account):
                orders = await self._orders(account)
                turn = asyncio.ensure_future(account.worker.turn(orders))
                await self._take(account, await self._heard(account, turn))
        except asyncio.CancelledError:
            self._money.leaves(account)
            raise
        except WorkerLost as lost:
            self._lose(account, str(lost))
        else:
            self._money.leaves(account)
        finally:
            account.worker.dismiss()
            del self._accounts[account.number]
            _sum_up(self._past, [_copy(self._past), account.stats])
            self._past.in_flight = self._past.crowd = 0

    def _is_idle(self, account: WorkerAccount) -> bool:
        """Whether a worker need not be waited for: it is taken to be dead, and nobody wants what it may bring."""
        return account.gone and self._is_over

    @property
    def _is_over(self) -> bool:
        return self._lender.is_done or self._stopped is not None

    async def _heard(self, account: WorkerAccount, turn: asyncio.Future[WorkReport]) -> WorkReport:
        """The report of a turn. A worker that has rows and is silent for long loses them to others."""
        waited = 0.0
        while not turn.done():
            await asyncio.wait({turn}, timeout=min(1.0, self._silence / 4))
            waited += min(1.0, self._silence / 4)
            if waited >= self._silence and account.reported and not account.gone:
                self._give_up(account)
            if self._is_over and (account.gone or not account.reported):
                turn.cancel()
                raise WorkerLost("it said nothing any more")
        return await turn

    def _give_up(self, account: WorkerAccount) -> None:
        """Take a silent worker's rows, and have another in its place."""
        account.gone, account.part = True, 0.0
        places, account.places = account.places, set()
        account.taken.extend(places)
        rows = self._lender.returned(places)
        self._plan.tell(
            f"{account.worker.name} has said nothing for {self._silence:g} s: {_rows(rows)} go to others"
        )
        self._begin()

    def _lose(self, account: WorkerAccount, why: str) -> None:
        """A worker is dead: its rows go first, and another comes in its place."""
        rows = self._lender.returned(account.places)
        self._money.loses(account)
        if self._is_over or account.gone:
            return
        self._losses = 0 if account.stats.sent else self._losses + 1
        if self._losses >= _LOSSES:
            self.stop(
                TransientFailure(f"{_LOSSES} workers in a row were lost before they did anything: {why}")
            )
            return
        self._plan.tell(f"{account.worker.name} is lost ({why}): {_rows(rows)} go to others")
        self._begin()

    # --- Orders ---------------------------------------------------------------------------------------------------

    async def _orders(self, account: WorkerAccount) -> Orders:
        accounts = self._accounts.values()
        taken, account.taken = account.taken, []
        self._rates.look([each for each in accounts if not each.gone], self._clock())
        account.part = 0.0 if account.gone else self._rates.part_of(account, accounts)
        rows = await self._lent(account)
        await self._money.raise_for(account, accounts)
        return Orders(
            rows=rows,
            part=account.part,
            allowed=self._money.allow(account, accounts),
            taken=taken,
            over=self._is_over or account.gone,
            stop=self._stopped or (TransientFailure("it was taken to be dead") if account.gone else None),
            abort=self._aborted,
        )

    async def _lent(self, account: WorkerAccount) -> Sequence[Lent]:
        """Rows for a worker, as many as it wants and there are."""
        if not account.reported or account.gone or account.part * self._crew.size < 0.1:
            return ()
        lent: list[Lent] = []
        size = 0
        for _ in range(account.wants):
            loan = self._next() if size < _BYTES else None
            if loan is None:
                break
            loan.holder = account.number
            if await self._is_kept(loan):
                continue
            account.places.add(loan.place)
            lent.append(loan.lent)
            size += loan.size
        return lent

    async def _is_kept(self, loan: Loan) -> bool:
        """Whether the answer to a row is kept, so that nobody needs to be asked."""
        answers = self._lender.answers
        if answers is None:
            return False
        line = await answers.record(loan.row)
        if line is None or not self._write(loan.slot, line, None):
            return False
        del self._lender.loans[loan.place]
        self._count(loan, line, None)
        return True

    def _next(self) -> Loan | None:
        """The next row to be lent. Those that nobody can send are final."""
        while self._stopped is None:
            try:
                found = self._lender.next()
            except LlmcliError as error:
                self.stop(error)
                return None
            if isinstance(found, Loan):
                return found
            if isinstance(found, Look):
                return None
            if isinstance(found, Stop):
                self.stop(found.reason)
            else:
                self._fail(found)
        return None

    def _fail(self, unsent: Unsent) -> None:
        row, kept = unsent.row, self._plan.input_of
        course = Course(0, None, self._plan.moment(), kept(row) if kept else None)
        line, code = failure_line(row, course, None, unsent.error, None)
        if self._write(row.slot, line, code):
            self.stats.failures[code] += 1

    # --- Reports --------------------------------------------------------------------------------------------------

    async def _take(self, account: WorkerAccount, report: WorkReport) -> None:
        account.reported = True
        account.stats, account.purse = report.stats, report.purse
        account.allowed = report.purse.allowed
        account.wants, account.held = report.wants, report.held
        written = self._written(report.records)
        kept = [loan for told in report.records if (loan := self._finish(account, told, written)) is not None]
        for words in report.said:
            self._plan.tell(words)
        if report.ended:
            account.ended = True
            if report.reason is not None and not account.gone:
                self.stop(report.reason)
        if (over := self._money.over(self._accounts.values())) is not None:
            self.stop(over)
        if self._lender.answers is not None:
            for row, line in kept:
                await self._lender.answers.keep(row, line)

    def _written(self, records: Sequence[ToldRecord]) -> AbstractSet[int]:
        """The places of those that were written at once: answers of rows that are not final, or none."""
        first: dict[int, ToldRecord] = {}
        for told in records:
            first.setdefault(told.place, told)
        loans = self._lender.loans
        answers = {
            place: (loans[place].slot, told.line)
            for place, told in first.items()
            if not told.failed and place in loans
        }
        try:
            return answers.keys() if answers and self._records.write_all([*answers.values()]) else frozenset()
        except LlmcliError:  # it comes again where one is written alone
            return frozenset()

    def _finish(
        self, account: WorkerAccount, told: ToldRecord, written: AbstractSet[int]
    ) -> tuple[Row, bytes] | None:
        """Make a row final, if it is not that already; the row and its record, where that has an answer."""
        account.places.discard(told.place)
        loan = self._lender.loans.get(told.place)
        if loan is None:
            return None
        code = _code(told.line) if told.failed else None
        if told.place not in written and not self._write(loan.slot, told.line, code):
            return None
        del self._lender.loans[told.place]
        holder = None if loan.holder is None else self._accounts.get(loan.holder)
        if holder is not None and holder is not account:
            holder.places.discard(told.place)
            holder.taken.append(told.place)
        self._count(loan, told.line, code)
        return None if told.failed else (loan.row, told.line)

    def _count(self, loan: Loan, line: bytes, code: str | None) -> None:
        stats, most = self.stats, self._plan.max_failures
        if code is None:
            stats.ok += 1
            if self._plan.beside is not None:
                try:
                    self._plan.beside.written(loan.row, line)
                except LlmcliError as error:
                    self.stop(error)
            return
        stats.failures[code] += 1
        if most is not None and stats.failed >= most:
            self.stop(PartialFailure(f"{stats.failed} rows failed, and --max-failures is {most}"))

    def _write(self, slot: int, line: bytes, code: str | None) -> bool:
        """Make a record final; where that fails the run stops, and the row stays open."""
        try:
            self._records.write(slot, line, failed=code is not None)
        except LlmcliError as error:
            self.stop(error)
            if isinstance(error, (ReaderGone, Interrupted, Terminated)):
                self.abort()
            return False
        return True


def _code(line: bytes) -> str:
    return str(jsonl.loads(line)["error"]["code"])


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _copy(stats: Stats) -> Stats:
    copied = Stats(began=0.0, spent=stats.spent, latencies=Latencies())
    _sum_up(copied, [stats])
    return copied


def _sum_up(whole: Stats, parts: Sequence[Stats]) -> None:
    """Make the figures of requests and answers those of all parts; what is counted of rows stays."""
    for name in _SUMS:
        setattr(whole, name, sum(getattr(part, name) for part in parts))
    spent = [part.spent for part in parts if part.spent is not None]
    whole.spent = sum(spent, Decimal(0)) if len(spent) == len(parts) else None
    whole.latencies = Latencies.of([part.latencies for part in parts])
    whole.bound.clear()
    for part in parts:
        for name, seconds in part.bound.items():
            whole.bound[name] += seconds
    live = [part for part in parts if part.in_flight]
    if live:
        busiest = max(live, key=lambda part: part.in_flight)
        whole.binds, whole.waiting = busiest.binds, busiest.waiting
