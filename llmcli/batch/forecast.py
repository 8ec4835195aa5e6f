"""The tally: tokens and price of all rows, on all cores, with nothing sent."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count, islice

from llmcli.batch.engine.run import Source
from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.records import code_of
from llmcli.errors import BadCommand
from llmcli.output.report import PriceOf
from llmcli.registry.estimate import estimate
from llmcli.tokens.count import counted_request
from llmcli.wire import Json

Span = tuple[Decimal, Decimal, Decimal]
"""$ of prompts, of the longest answers, and of both at most: where tokens are estimated, with a margin."""

_NOTHING = (Decimal(0), Decimal(0), Decimal(0))
_CHUNK = 256  # rows that a thread counts at a time: tiktoken lets the others run meanwhile


@dataclass(frozen=True, slots=True)
class Counted:
    """One row: its tokens, whether they are exact, and its $.

    `tokens` is None for a row that is invalid.
    """

    row: Row
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
    row, request = counted.row, counted.row.request
    error = row.error
    return {
        "row": row.number,
        "custom_id": row.custom_id,
        "model": request.name if request else None,
        "tokens": counted.tokens,
        "method": None if request is None else "exact" if counted.exact else "estimate",
        "cost_usd": money(counted.standard),
        "error": None if error is None else {"code": code_of(error), "message": str(error)},
    }


def money(amounts: Span | None) -> Json:
    """Prompt, longest answer and both, in $; null where they are not known."""
    if amounts is None:
        return {"input": None, "output_max": None, "total_max": None}
    prompt, answer, most = amounts
    return {"input": float(prompt), "output_max": float(answer), "total_max": float(most)}


def count_rows(rows: Iterator[Row], price_of: PriceOf) -> Iterator[Counted]:
    """Count rows in their order; a few chunks are under way at once, never the whole file."""
    workers = os.cpu_count() or 1
    under_way: deque[Future[list[Counted]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        while chunk := list(islice(rows, _CHUNK)):
            under_way.append(pool.submit(lambda some: [_counted(row, price_of) for row in some], chunk))
            while len(under_way) > workers:
                yield from under_way.popleft().result()
        while under_way:
            yield from under_way.popleft().result()


def _counted(row: Row, price_of: PriceOf) -> Counted:
    request = row.request
    if request is None:
        return Counted(row)
    counted = counted_request(request.provider, request.model, request.body())
    price = price_of(request.provider, request.model)
    if price is None:
        return Counted(row, counted.tokens, counted.exact)
    spans: list[Span] = []
    for batch in (False, True):
        prompt, answer, most = estimate(request, price, counted.tokens, counted.most, batch=batch)
        if answer is None or most is None:
            return Counted(row, counted.tokens, counted.exact)
        spans.append((prompt, answer, most))
    return Counted(row, counted.tokens, counted.exact, *spans)


def _plus(left: Span | None, right: Span | None) -> Span | None:
    if left is None or right is None:
        return None
    return left[0] + right[0], left[1] + right[1], left[2] + right[2]


def rows_of(source: Source, limit: int | None) -> Iterator[Row]:
    """The rows of a source that has them all at hand, or the first `limit` of them. Raises BadCommand."""
    numbers = count() if limit is None else range(limit)
    for _ in numbers:
        row = source.next()
        if row is None:
            return
        if isinstance(row.error, BadCommand):
            raise row.error
        yield row
