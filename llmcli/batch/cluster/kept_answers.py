"""Kept answers: what is kept beside the records, in the cache or a recording, of rows that others send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llmcli import jsonl
from llmcli.batch.engine.run import Plan
from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.records import Course, success_line
from llmcli.errors import LlmcliError, UsageError
from llmcli.exchange.exchange import Way, exchange
from llmcli.transport.answer import Answer
from llmcli.transport.base import Transport
from llmcli.wire import Completion, Meta, Request


class NoKeptAnswer(LlmcliError):
    """No answer is kept, and none is there."""


class _Come:
    """The bottom of the layers that keep answers: it answers with what has come."""

    def __init__(self) -> None:
        self.answers: dict[int, Completion] = {}  # by the identity of their requests

    async def ask(self, request: Request) -> Answer:
        """See Transport. Raises NoKeptAnswer."""
        completion = self.answers.pop(id(request), None)
        if completion is None:
            raise NoKeptAnswer(request.name)
        return Answer.of(completion)

    async def aclose(self) -> None:
        """See Transport."""


class KeptAnswers:
    """Looks rows up, and keeps answers. `around(bottom)` is a transport with what keeps them around it."""

    def __init__(self, around: Callable[[Transport], Transport], way: Way, plan: Plan) -> None:
        self._come = _Come()
        self._way = Way(around(self._come), way.clock, way.price_of)
        self._plan = plan

    async def record(self, row: Row) -> bytes | None:
        """The record of a row whose answer is kept; None where there is none. Raises OutputFailure."""
        assert row.request is not None  # noqa: S101 - it is a good row
        try:
            exchanged = await exchange(row.request, self._way)
        except NoKeptAnswer:
            return None
        if exchanged.wrong is not None:
            return None
        kept = self._plan.input_of(row) if self._plan.input_of else None
        return success_line(row, Course(1, None, self._plan.moment(), kept), exchanged.report)

    async def keep(self, row: Row, line: bytes) -> None:
        """Keep the answer that a record holds, for the request that it answers. Raises OutputFailure."""
        record = jsonl.loads(line)
        request = self._asked(row, record["llmcli"])
        if request is None:
            return
        meta = Meta(request.provider, request.model, record["response"]["request_id"], done=True)
        meta.api = record["llmcli"].get("api", meta.api)
        self._come.answers[id(request)] = Completion(record["response"]["body"], meta)
        await exchange(request, self._way)
        self._come.answers.pop(id(request), None)

    def _asked(self, row: Row, told: Any) -> Request | None:
        """The request that was answered: the row's, or that for another model."""
        assert row.request is not None  # noqa: S101 - it was answered
        if told["model"] == row.request.name:
            return row.request
        for model in self._plan.fallback:
            try:
                request = self._plan.rebuild(row.request, model)
            except UsageError:
                continue
            if request.name == told["model"]:
                return request
        return None
