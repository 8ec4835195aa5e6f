"""The cutter: goes over the input once, and cuts what is open into portions, one model each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from decimal import Decimal

from llmcli.batch.away.desk import Desk, Lookup
from llmcli.batch.away.manifest import Portion
from llmcli.batch.away.spool import PortionWriter, around_row
from llmcli.batch.engine.run import OpenedInput
from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.final import changed
from llmcli.batch.ledger.records import failure_line, success_line
from llmcli.errors import BadCommand, BudgetExceeded, ContextOverflow, LlmcliError
from llmcli.exchange.layers.window import check_window, prompt_count, worst
from llmcli.output.report import dollars
from llmcli.registry.batch_terms import BatchTerms
from llmcli.wire import CHAT, Request

_ROWS = 20_000  # of a file: what is cut off in a download begins anew, and an end comes sooner
_SIZE = 64_000_000  # bytes of a file, which goes up whole
_ANSWERS = 100_000_000  # bytes that come down in one piece: longer ones were seen to break off, each time
_TOKEN = 5  # bytes of an answer, at most, as a rule
_AROUND = 1_500  # bytes around a request or an answer
_BREATH = 256  # rows, after which others have a turn


_Place = tuple[str, str, str, str]
"""Provider, address, model and API: what rows of one file share."""


class Cutter:
    """Cuts the rows of a source that are open. Rows that cannot be sent are final at once.

    `next` gives portions while there are some. `over` is why there are no more although rows are left: the budget.
    """

    def __init__(self, desk: Desk, source: OpenedInput) -> None:
        self._desk, self._source = desk, source
        self._plan, self._done, self._stats = desk.run.plan, desk.done, desk.run.stats
        self._open: dict[_Place, _Begun] = {}
        self._rows = self._cut()
        self._wake = asyncio.Event()
        self.rows = 0  # that were seen
        self._sent = 0
        self._next = desk.manifest.next_number
        self.is_over = False
        self.over: BudgetExceeded | None = None
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(self._wake.set)

        source.start(wake)

    async def next(self) -> Portion | None:
        """The next portion, of which the manifest has been told; None: there is none any more."""
        begun = await anext(self._rows, None)
        if begun is None:
            self.is_over = True
            return None
        portion = begun.writer.commit(self._desk.now)
        portion.tokens, portion.worst = (
            begun.fill.tokens or None,
            None if begun.worst is None else str(begun.worst),
        )
        self._desk.manifest.add(portion)
        self._desk.mark_away(portion)
        return portion

    async def close(self) -> None:
        """Nothing more is wanted."""
        await self._rows.aclose()
        for begun in self._open.values():
            begun.writer.discard()
        self._open.clear()
        self._source.close()

    async def _cut(self) -> AsyncGenerator[_Begun, None]:
        async for row, cost in self._read():
            if (full := self._put(row, cost)) is not None:
                yield full
            if self.over is not None:
                break
        for begun in list(self._open.values()):
            del self._open[begun.place]
            yield begun

    async def _read(self) -> AsyncGenerator[tuple[Row, Decimal | None], None]:
        """The good rows that are open, and the $ that each may cost at most, where that matters."""
        source, plan = self._source, self._plan
        while plan.limit is None or self.rows < plan.limit:
            row = source.next()
            if row is None:
                if source.ended:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            self.rows += 1
            if self.rows % _BREATH == 0:
                await asyncio.sleep(0)
            if not self._is_open(row):
                continue
            try:
                cost = self._checked(row)
            except LlmcliError as error:
                self._fail(row, error)
                continue
            if self._desk.lookup is None or not await self._is_kept(row, self._desk.lookup):
                yield row, cost

    def _is_open(self, row: Row) -> bool:
        """Whether a row is neither final nor away. Raises UsageError where it has changed, and that is to stop us."""
        done, plan = self._done, self._plan
        if row.key is not None:
            done.admit(row)
        if done.has_changed(row):
            if plan.on_change == "stop":
                raise changed(row)
            if plan.on_change == "rerun":
                done.reopen(row.slot)
        if not done.is_final(row.slot):
            return not done.is_away(row.slot)
        if plan.beside is not None:
            plan.beside.passed(row)
        return False

    def _checked(self, row: Row) -> Decimal | None:
        """$ that a row may cost at most, where that matters. Raises UsageError where it is not to be sent."""
        request = row.request
        if request is None:
            assert row.error is not None  # noqa: S101 - a row has a request or an error
            raise row.error
        check_window(request)
        self._desk.terms_of(request)
        if request.api is not CHAT:
            request.body()  # what the API has no counterpart of
        is_free = self._plan.max_cost is None and self._desk.budget is None
        return None if is_free else worst(request, self._desk.run.way.price_of)

    async def _is_kept(self, row: Row, lookup: Lookup) -> bool:
        """Whether a row has an answer in the cache: then it is final."""
        assert row.request is not None  # noqa: S101 - it is a good row
        exchanged = await lookup(row.request)
        if exchanged is None or exchanged.wrong is not None:
            return False
        course = replace(self._desk.course(row, self._kept(row), 1), via=None)
        self._desk.finish_row(
            row, success_line(row, course, exchanged.report), None, float(course.carried or 0)
        )
        return True

    def _fail(self, row: Row, error: LlmcliError) -> None:
        """Make a row final that cannot be sent, unless that is so of all."""
        is_first = row.request is not None and not self._sent and row.request.name == self._plan.model
        if isinstance(error, BadCommand) or (is_first and not isinstance(error, ContextOverflow)):
            raise error
        line, code = failure_line(row, self._desk.course(row, self._kept(row), 0), None, error, None)
        self._desk.finish_row(row, line, code, 0.0)

    def _kept(self, row: Row) -> bytes | None:
        return None if self._plan.input_of is None else self._plan.input_of(row)

    def _put(self, row: Row, cost: Decimal | None) -> _Begun | None:
        """Put a row into the portion of its model; the one that it found no room in, where there was such."""
        request = row.request
        assert request is not None  # noqa: S101 - it is a good row
        if cost is not None and (over := self._beyond(cost, row)) is not None:
            self.over = over
            return None
        place = (request.provider, request.base_url, request.model, request.api.name)
        terms, tokens, full = self._desk.terms_of(request), self._tokens(request), None
        begun = self._open.get(place)
        size, limit = row.size + around_row(row, terms.url), self._desk.manifest.limits.get(request.name)
        if begun is not None and begun.fill.is_full(terms, size, tokens, limit):
            full, begun = self._open.pop(place), None
        if begun is None:
            begun = self._open[place] = self._begin(place, request, terms)
        ask = self._desk.ask
        own = request.expects is not ask.expects or request.choices != ask.choices
        begun.writer.add(row, self._kept(row), own_format=own)
        begun.fill.count(size, request.max_tokens, tokens)
        begun.worst = begun.worst if cost is None else (begun.worst or Decimal(0)) + cost
        self._sent += 1
        return full

    def _begin(self, place: _Place, request: Request, terms: BatchTerms) -> _Begun:
        self._desk.manifest.begin()
        number, self._next = self._next, self._next + 1
        return _Begun(
            place, PortionWriter(self._desk.manifest, number, request, terms.url_of(request.api.path))
        )

    def _beyond(self, cost: Decimal, row: Row) -> BudgetExceeded | None:
        """Why a row cannot be paid; what is away is taken to cost the most that it may."""
        most, manifest = self._plan.max_cost, self._desk.manifest
        if most is None:
            return None
        begun = sum((each.worst or Decimal(0) for each in self._open.values()), Decimal(0))
        away = sum((portion.reserve for portion in manifest.away), begun)
        spent = self._done.spent
        if spent + away + cost <= most:
            return None
        held = f" and {dollars(away)} for what is away" if away else ""
        before = f"{dollars(spent)}{held}"
        return BudgetExceeded(
            f"the next row may cost {dollars(cost)} on top of {before}, and --max-cost is {dollars(most)}",
            str(row.custom_id),
            "limit answers with -M, or raise --max-cost",
        )

    def _tokens(self, request: Request) -> int | None:
        """The tokens of a prompt, where a limit of them is known."""
        if request.name not in self._desk.manifest.limits:
            return None
        return prompt_count(request, request.fields).most


class Fill:
    """How much is in a file, and whether another row has room."""

    def __init__(self) -> None:
        self.rows = self.size = self.tokens = 0
        self._longest = 0  # answer that is asked for, in tokens

    def is_full(self, terms: BatchTerms, size: int, tokens: int | None, limit: int | None) -> bool:
        """Whether another row of so many bytes, and so many tokens where there is a limit of them, has no room."""
        if self.rows >= min(terms.rows, _ROWS) or self.size + size > min(terms.size, _SIZE):
            return True
        if self._longest and self.rows * (self._longest * _TOKEN + _AROUND) > _ANSWERS:
            return True
        return limit is not None and self.tokens + (tokens or 0) > limit

    def count(self, size: int, longest: int | None, tokens: int | None = None) -> None:
        """Count a row in; `longest`: the most tokens that its answer may have."""
        self.rows += 1
        self.size += size
        self.tokens += tokens or 0
        self._longest = max(self._longest, longest or 0)


class _Begun:
    """A portion that rows are put into."""

    def __init__(self, place: _Place, writer: PortionWriter) -> None:
        self.place, self.writer = place, writer
        self.fill = Fill()
        self.worst: Decimal | None = None
