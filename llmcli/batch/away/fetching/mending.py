"""Mending: rows whose answer from a batch does not fit, or whose model could not answer, made final by live requests.

What the batch brought stands as the first attempt: a repair shows the model that answer, a fallback asks the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llmcli.batch.away.fetching.results import Result, brought_answer
from llmcli.batch.input.rows import Row
from llmcli.transport.answer import Answer
from llmcli.transport.base import Transport
from llmcli.wire import Completion, Request


class Handed:
    """Rows that are at hand: a source."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = iter(rows)
        self._left = len(rows)

    @property
    def ended(self) -> bool:
        """See Source."""
        return not self._left

    def start(self, wake: Callable[[], None]) -> None:
        """See Source."""

    def next(self) -> Row | None:
        """See Source."""
        self._left -= self._left > 0
        return next(self._rows, None)

    def close(self) -> None:
        """See OpenedInput."""


class PaidByBatch(Completion):
    """An answer at the price of the Batch API, whatever its body says."""

    @property
    def service_tier(self) -> str | None:
        """The tier that answered."""
        return "batch"


class FirstAttempts:
    """A transport whose first answer to a row's request is what the batch brought; all others come from `inner`."""

    def __init__(self, inner: Transport, brought: Sequence[tuple[Row, Result]]) -> None:
        self._inner = inner
        self._brought = {id(row.request): result for row, result in brought}

    async def ask(self, request: Request) -> Answer:
        """See Transport."""
        result = self._brought.pop(id(request), None)
        if result is None:
            return await self._inner.ask(request)
        answer = brought_answer(result, request, None)
        return Answer.of(PaidByBatch(answer.body, answer.meta, answer.raw))

    async def aclose(self) -> None:
        """See Transport."""
        await self._inner.aclose()
