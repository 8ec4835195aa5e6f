"""The tally: tokens and price of all rows, on all cores, with nothing sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field
from decimal import Decimal
from itertools import chain, islice
from typing import TypeVar

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

T = TypeVar("T")

Span = tuple[Decimal, Decimal, Decimal]
"""$ of prompts, of the longest answers, and of both at most: where tokens are estimated, with a margin."""

_NOTHING = (Decimal(0), Decimal(0), Decimal(0))
_CHUNK = 1 << 17  # bytes of rows that are counted at a time,
_USUAL = 1_000  # of a row whose size is not known
_FEW = 8  # chunks that are counted here


@dataclass(frozen=True)
class Scales:
    """What rows are weighed with: the price of a model, that of the Batch API, and what counts a request's tokens."""

    price_of: PriceOf
    batch_price_of: PriceOf | None = None
    count_of: CountOf = count_of

    def span(self, request: Request, count: Count, *, batch: bool) -> Span | None:
        """The money of a request, where its price and its longest answer are known."""
        price_of = (self.batch_price_of or self.price_of) if batch else self.price_of
        price = price_of(request.provider, request.model)
        if price is None:
            return None
        prompt, answer, most = estimate(request, price, count.tokens, count.most, batch=batch)
        return None if answer is None or most is None else (prompt, answer, most)


@dataclass(frozen=True, slots=True)
class Counted:
    """One row: its model, its tokens, whether they are exact, and its $.

    `model` and `tokens` are None for a row that is invalid. Of good rows that were counted together, the first alone
    still has its request.
    """

    row: Row
    model: str | None = None
    tokens: int | None = None
    exact: bool = True
    standard: Span | None = None
    batch: Span | None = None  # the same through the Batch API


@dataclass
class Tally:
    """Sums over rows. A sum of money is None once one row's is not known."""

    rows: int = 0
    invalid: int = 0
    tokens: int = 0
    exact: bool = True
    standard: Span | None = field(default=_NOTHING)
    batch: Span | None = field(default=_NOTHING)

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
    found: Iterator[T],
    row_of: Callable[[T], Row],
    scales: Scales,
    workers: int | None = None,
) -> Iterator[Counted]:
    """Count the rows that `row_of` makes of what was found, in their order, on all cores but for a few.

    `workers`: see `spread`. Only some are under way at once, never the whole file. Raises BadCommand.
    """
    chunks = _chunks(found)

    def work(chunk: Sequence[T]) -> list[Counted]:
        return _counted_together(map(row_of, chunk), scales)

    yield from chain.from_iterable(map(work, islice(chunks, 1)))
    few = list(islice(chunks, _FEW))
    if len(few) < _FEW:
        workers = 1  # to fork takes longer
    else:
        prepare()
    yield from chain.from_iterable(spread(work, chain(few, chunks), workers))


def _chunks(found: Iterator[T]) -> Iterator[Sequence[T]]:
    """What is counted together: many small ones, or few large ones."""
    chunk: list[T] = []
    size = 0
    for one in found:
        chunk.append(one)
        entry = getattr(one, "entry", None)
        size += len(entry) if isinstance(entry, bytes | str) else _USUAL
        if size >= _CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _counted_together(rows: Iterable[Row], scales: Scales) -> list[Counted]:
    """Count rows, and drop what nobody needs of them any more. Raises BadCommand."""
    counts: list[Counted] = []
    kept = False
    for row in rows:
        if isinstance(row.error, BadCommand):
            raise row.error
        counts.append(_counted(row, scales))
        if row.request is not None and kept:
            row.request = None
        kept = kept or row.request is not None
        row.fields, row.json = None, b""
    return counts


def _counted(row: Row, scales: Scales) -> Counted:
    request = row.request
    if request is None:
        return Counted(row)
    count = scales.count_of(request)
    spans = (scales.span(request, count, batch=False), scales.span(request, count, batch=True))
    return Counted(row, request.name, count.tokens, count.exact, *spans)


def _plus(left: Span | None, right: Span | None) -> Span | None:
    if left is None or right is None:
        return None
    return left[0] + right[0], left[1] + right[1], left[2] + right[2]
