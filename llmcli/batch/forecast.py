"""The tally: tokens and price of all rows, on all cores, with nothing sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from decimal import Decimal
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

from llmcli.batch.input.readers.entry import Placed
from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.records import code_of
from llmcli.errors import BadCommand
from llmcli.exchange.counted import CountOf, count_of
from llmcli.lean.dataclass import dataclass
from llmcli.output.report import PriceOf
from llmcli.registry.estimate import estimate
from llmcli.tokens.count import Count
from llmcli.tokens.encodings import prepare
from llmcli.wire import Json, Request
from llmcli.workers import spread

R = TypeVar("R")

_Columns = list[
    tuple[Any, ...]
]  # what is of each Placed: a quarter of the time that they themselves take to travel

Span = tuple[Decimal, Decimal, Decimal]
"""$ of prompts, of the longest answers, and of both at most: where tokens are estimated, with a margin."""

_NOTHING = (Decimal(0), Decimal(0), Decimal(0))
_FIRST, _CHUNK = 1 << 13, 1 << 17  # bytes of rows that are counted at a time, at first and later,
_USUAL = 1_000  # of a row whose size is not known
_FEW = 10  # chunks that are counted here


@dataclass(frozen=True)
class Scales:
    """What rows are weighed with: the price of a model, that of the Batch API, and what counts a request's tokens.

    `each`: all rows are asked for, and not alone those that are bad, that have a key, or a model that is new; `by_row`:
    with the money of each, and not their sum alone.
    """

    price_of: PriceOf
    batch_price_of: PriceOf | None = None
    count_of: CountOf = count_of
    each: bool = True
    by_row: bool = True

    def span(self, request: Request, count: Count, *, batch: bool) -> Span | None:
        """The money of a request, where its price and its longest answer are known."""
        price_of = (self.batch_price_of or self.price_of) if batch else self.price_of
        price = price_of(request.provider, request.model)
        if price is None:
            return None
        prompt, answer, most = estimate(request, price, count.tokens, count.most, batch=batch)
        return None if answer is None or most is None else (prompt, answer, most)


class Counted(NamedTuple):
    """One row: its model, its tokens, whether they are exact, and its $ where that is asked for.

    `model` and `tokens` are None for a row that is invalid. The first row of a model still has its request.
    """

    row: Row
    model: str | None = None
    tokens: int | None = None
    exact: bool = True
    standard: Span | None = None
    batch: Span | None = None  # the same through the Batch API
    longest: int | None = None  # tokens that its answer may have, where it says so


@dataclass
class Tally:
    """Sums over rows. A sum of money is None once one row's is not known."""

    rows: int = 0
    invalid: int = 0
    tokens: int = 0
    exact: bool = True
    standard: Span | None = field(default=_NOTHING)
    batch: Span | None = field(default=_NOTHING)

    def __reduce__(self) -> tuple[type[Tally], tuple[Any, ...]]:
        """As it goes to another process: a third of what names and values take."""
        return Tally, (self.rows, self.invalid, self.tokens, self.exact, self.standard, self.batch)

    def add(self, counted: Counted) -> None:
        """Take a row in."""
        self.rows += 1
        if counted.tokens is None:
            self.invalid += 1
            return
        self.tokens += counted.tokens
        self.exact = self.exact and counted.exact
        self.standard = _plus(self.standard, counted.standard)
        self.batch = _plus(self.batch, counted.batch)

    def merge(self, other: Tally) -> None:
        """Take in what others came to."""
        self.rows += other.rows
        self.invalid += other.invalid
        self.tokens += other.tokens
        self.exact = self.exact and other.exact
        self.standard = _plus(self.standard, other.standard)
        self.batch = _plus(self.batch, other.batch)

    def record(self) -> Json:
        """The sums as JSON, money in $."""
        return {
            "rows": self.rows,
            "invalid": self.invalid,
            "tokens": self.tokens,
            "method": "exact" if self.exact else "estimate",
            "cost_usd": money(self.standard),
            "batch_cost_usd": money(self.batch),
        }


def row_record(counted: Counted) -> Json:
    """One row as JSON, money in $: `error` is what a bad row's record of a batch would say."""
    row, error = counted.row, counted.row.error
    return {
        "row": row.number,
        **({} if row.file is None else {"file": row.file}),
        "custom_id": row.custom_id,
        "model": counted.model,
        "tokens": counted.tokens,
        "method": None if counted.model is None else "exact" if counted.exact else "estimate",
        "cost_usd": money(counted.standard),
        "error": None if error is None else {"code": code_of(error), "message": str(error)},
    }


def money(amounts: Span | None) -> Json:
    """Prompt, longest answer and both, in $; null where they are not known."""
    if amounts is None:
        return {"input": None, "output_max": None, "total_max": None}
    prompt, answer, most = amounts
    return {"input": float(prompt), "output_max": float(answer), "total_max": float(most)}


def count_rows(
    found: Iterator[Placed],
    row_of: Callable[[Placed], Row],
    scales: Scales,
    tally: Tally | None = None,
    in_order: Callable[[], bool] = lambda: False,
) -> Iterator[Counted]:
    """Count the rows that `row_of` makes of what was found, in their order, on all cores but for a few.

    `tally` takes them in, some at a time. `in_order`: whether rows have to be made one behind the other; asked when
    some were. Only some are under way at once, never the whole file. Raises BadCommand.
    """
    chunks, tally, models = _chunks(found), tally or Tally(), set[str]()

    def work(columns: _Columns) -> tuple[Tally, list[Counted]]:
        return _counted_together(map(row_of, map(Placed, *columns)), scales, models)

    for sums, counted in _worked(work, chunks, in_order):
        tally.merge(sums)
        yield from counted


def _worked(
    work: Callable[[_Columns], R], chunks: Iterator[_Columns], in_order: Callable[[], bool]
) -> Iterator[R]:
    for chunk in chunks:
        yield work(chunk)
        if not in_order():
            break
    few = list(islice(chunks, _FEW))
    is_long = len(few) == _FEW  # else to fork takes longer
    if is_long:
        prepare()
    yield from spread(work, chain(few, chunks), None if is_long else 1)


def _chunks(found: Iterator[Placed]) -> Iterator[_Columns]:
    """What is counted together, small or large; the first of it are few."""
    chunk: list[Placed] = []
    size, enough = 0, _FIRST
    for one in found:
        chunk.append(one)
        size += len(one.entry) if isinstance(one.entry, bytes | str) else _USUAL
        if size >= enough:
            yield list(zip(*chunk, strict=True))
            chunk, size, enough = [], 0, min(2 * enough, _CHUNK)
    if chunk:
        yield list(zip(*chunk, strict=True))


def _counted_together(rows: Iterable[Row], scales: Scales, models: set[str]) -> tuple[Tally, list[Counted]]:
    """Count rows, and drop what nobody needs of them any more: it goes to another process. Raises BadCommand.

    `models` are those that were met here before: no process meets a row before one that stands further up.
    """
    tally, asked = Tally(), list[Counted]()
    for row in rows:
        if isinstance(row.error, BadCommand):
            raise row.error
        counted = _counted(row, scales)
        tally.add(counted)
        if counted.model not in models and counted.model is not None:
            models.add(counted.model)
        elif scales.each or row.error is not None or row.key is not None:
            row.request = None
        else:
            continue
        row.fields, row.json, row.body = None, b"", b""
        asked.append(counted if scales.by_row else counted._replace(standard=None, batch=None))
    return tally, asked


def _counted(row: Row, scales: Scales) -> Counted:
    request = row.request
    if request is None:
        return Counted(row)
    count = scales.count_of(request)
    spans = (scales.span(request, count, batch=False), scales.span(request, count, batch=True))
    return Counted(row, request.name, count.tokens, count.exact, *spans, request.max_tokens)


def _plus(left: Span | None, right: Span | None) -> Span | None:
    if left is None or right is None:
        return None
    return left[0] + right[0], left[1] + right[1], left[2] + right[2]
