"""Answers: a client's request, sent, judged and counted, and told as it wants it, whole or in events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from llmcli import jsonl
from llmcli.errors import BrokenOff, CallFailed, LlmcliError, UsageError
from llmcli.exchange.exchange import Exchanged, Way, concluded
from llmcli.finish import says_something
from llmcli.serving.asked import Asker, Called
from llmcli.serving.replies import Response, json_response, naming, problem_of
from llmcli.serving.request_log import RequestLog
from llmcli.transport.answer import Answer
from llmcli.wire import Json


class Answers:
    """Answers clients over one way; `log` is told of each answer and failure."""

    def __init__(self, way: Way, asker: Asker, log: RequestLog) -> None:
        self._way, self._asker, self._log = way, asker, log

    def chat(self, body: bytes, agent: str) -> Awaitable[Response]:
        """The reply to `POST /chat/completions`, be it that it is refused."""
        return self._reply(body, agent, self._asker.chat)

    def responses(self, body: bytes, agent: str) -> Awaitable[Response]:
        """The reply to `POST /responses`."""
        return self._reply(body, agent, self._asker.responses)

    async def _reply(self, body: bytes, agent: str, called_by: Callable[[Json, str], Called]) -> Response:
        request, started = None, self._way.clock()
        try:
            called = called_by(_object(body), agent)
            request = called.request
            return await self._answered(called, started)
        except LlmcliError as error:
            problem = problem_of(error)
            self._log.failed(error, request, started, problem.status)
            return problem.reply
        except asyncio.CancelledError:
            self._log.abandoned(request, started)
            raise

    async def _answered(self, called: Called, started: float) -> Response:
        request = called.request
        answer = await self._way.transport.ask(request)
        headers = _headers(answer)
        if called.stream:
            return Response(200, headers=headers, pieces=self._events(answer, called, started))
        completion = answer.there or await answer.whole()
        exchanged = concluded(completion, request, self._way, started)
        if isinstance(exchanged.wrong, BrokenOff | CallFailed):  # it is none, and asking again may help
            raise _unanswered(exchanged)
        self._log.answered(exchanged)
        return json_response(called.telling.whole(completion), headers)

    async def _events(self, answer: Answer, called: Called, started: float) -> AsyncGenerator[bytes, None]:
        """The events of a stream. One that breaks off ends in an error."""
        telling = called.telling
        try:
            async with aclosing(answer):
                async for chunk in answer:
                    if answer.meta.ttft is None and says_something(chunk):
                        answer.meta.ttft = self._way.clock()
                    if piece := telling.piece(chunk):
                        yield piece
            completion = await answer.whole()
            exchanged = concluded(completion, called.request, self._way, started)
            if isinstance(exchanged.wrong, BrokenOff | CallFailed):
                raise _unanswered(exchanged)
        except LlmcliError as error:
            self._log.failed(error, called.request, started)
            yield telling.failed(problem_of(error))
            return
        except (asyncio.CancelledError, GeneratorExit):
            self._log.abandoned(called.request, started)
            raise
        self._log.answered(exchanged)
        yield telling.ended(completion)


def _object(body: bytes) -> Json:
    """The JSON object of a body, whatever its type is said to be. Raises UsageError."""
    try:
        data = jsonl.loads(body)
    except ValueError as error:
        raise UsageError(f"the body is not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise UsageError("the body is JSON, but no object")
    return data


def _headers(answer: Answer) -> dict[str, str]:
    """The header that names the request: by the upstream's name, or by that of a kept answer."""
    there = answer.there
    return naming(answer.meta.request_id or (there and there.body.get("id")))


def _unanswered(exchanged: Exchanged) -> LlmcliError:
    """The error for an answer that is none, as a client is to be told it."""
    wrong = exchanged.wrong
    assert wrong is not None  # noqa: S101 - by the caller
    wrong.paid = [exchanged.completion]
    return wrong
