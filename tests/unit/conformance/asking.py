"""How these tests ask: one request through one HTTP transport, and what is expected of it.

A table is a list of `Row`s: a scenario of `tests.server`, and the text of the answer or the failure (`Fails`) that must
come of it, whichever transport asks and whether or not it streams.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from llmcli.errors import (
    AuthFailure,
    BrokenOff,
    CallFailed,
    Incomplete,
    LlmcliError,
    NoTurn,
    QuotaExhausted,
    Refused,
    Rejected,
    StreamCut,
    TransientFailure,
    UnfitModel,
)
from llmcli.exchange.exchange import Way, exchange
from llmcli.exchange.verdict import check
from llmcli.local.transport import Local
from llmcli.output.sink import text_of
from llmcli.request.responses.sent import RESPONSES_API
from llmcli.transport.answer import Answer
from llmcli.transport.base import Transport
from llmcli.transport.keys import KeyOf
from llmcli.transport.pooled import Pooled
from llmcli.transport.sdk import Sdk
from llmcli.transport.wire.heads import Bounds
from llmcli.wire import CHAT, Chunk, Completion, Request
from tests import server as wire
from tests.server import Scenario, Server, chunk

KEY = "sk-secret-0123456789"
EXIT = {
    BrokenOff: 3,
    Incomplete: 3,
    NoTurn: 3,
    Refused: 4,
    Rejected: 65,
    UnfitModel: 65,
    QuotaExhausted: 69,
    TransientFailure: 75,
    StreamCut: 75,
    AuthFailure: 77,
}
WAYS = ("whole", "stream")
ELSEWHERE = " of responses"  # behind a way: the Responses API is asked


def always(key: str | None) -> KeyOf:
    async def key_of(_request: Request) -> str | None:
        return key

    return key_of


def sdk(
    key: str | None = KEY, timeout: float = 10.0, connect: float = 10.0, longest: int = 64_000_000
) -> Transport:
    return Sdk(always(key), {}, Bounds(timeout, connect, longest))


def pooled(
    key: str | None = KEY, timeout: float = 10.0, connect: float = 10.0, longest: int = 64_000_000
) -> Transport:
    return Pooled(always(key), Bounds(timeout, connect, longest))


class Elsewhere:
    """Stands for a model in this process: the test's server."""

    base_url = ""

    def check(self, fields: Any) -> None:
        """It takes everything."""

    async def ready(self) -> None:
        """It is."""

    def close(self) -> None:
        """It goes with the test."""


class OfServer(Local):
    """The transport of models in this process, whose one model is at the request's address."""

    async def ask(self, request: Request) -> Answer:
        self.there.base_url = request.base_url
        return await super().ask(request)

    def __init__(self, **how: Any) -> None:
        self.there = Elsewhere()
        super().__init__(pooled(**how), lambda _model, _slots: self.there, 1)


TRANSPORTS = {"sdk": sdk, "pooled": pooled, "local": OfServer}
"""Each HTTP transport: (key, timeout and its connect part in seconds, bytes of a reply) -> Transport."""


def request_to(base_url: str, way: str = "whole", provider: str = "openai", **fields: Any) -> Request:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], **fields}
    if way.startswith("stream"):
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    api = RESPONSES_API if way.endswith(ELSEWHERE) else CHAT
    return Request(provider, "tiny", base_url, body, api=api)


async def answer_of(transport: Transport, request: Request) -> Completion:
    """The checked answer, streamed or not."""
    answer = await transport.ask(request)
    if request.stream:
        async for _ in answer:
            pass
    completion = await answer.whole()
    check(completion, request)
    return completion


def ask(transport: Transport, request: Request) -> Completion:
    async def work() -> Completion:
        try:
            return await answer_of(transport, request)
        finally:
            await transport.aclose()

    return asyncio.run(work())


def text(completion: Completion, index: int = 0) -> str:
    return text_of(completion.choices[index]["message"])


@dataclass(frozen=True)
class Fails:
    """A failure: its very class, a part of its message, and what it knows."""

    kind: type[LlmcliError]
    says: str
    status: int | None = None
    code: str | None = None
    retry_after: float | None = None
    request_id: str | None = "req_1"


@dataclass(frozen=True)
class Row:
    """A scenario and what becomes of it: an answer's text, or a failure."""

    name: str
    scenario: Scenario
    expected: str | Fails
    ways: tuple[str, ...] = WAYS
    timeout: float = 10.0
    longest: int = 64_000_000
    chat_only: bool = False  # it is of the shape of Chat Completions, and of no other
    unstreamed: bool = (
        False  # its failure is one of a body that is no stream: a model in this process streams all
    )


def cases(rows: Iterable[Row]) -> list[Any]:
    """What a test of a table is parametrised with: each row, each way in which it is asked for, of both APIs."""
    return [
        pytest.param(row, f"{way}{api}", id=f"{row.name}-{way}{api}")
        for row in rows
        for way in row.ways
        for api in ("", *([] if row.chat_only else [ELSEWHERE]))
    ]


def becomes(row: Row, way: str, server: Server, new_transport: Callable[..., Transport]) -> None:
    """Ask the server for what the row's scenario does, and see the answer or the failure that the row expects."""
    server.script = row.scenario
    transport = new_transport(timeout=row.timeout, longest=row.longest)
    if row.unstreamed and isinstance(transport, OfServer):
        pytest.skip("it streams")
    request = request_to(server.base_url, way)
    if isinstance(row.expected, str):
        assert text(ask(transport, request)) == row.expected
    else:
        with pytest.raises(LlmcliError) as caught:
            ask(transport, request)
        assert_failed(caught.value, row.expected)
    assert len(server.requests) == 1, "nothing is sent again here, and no redirect is followed"


def assert_failed(error: LlmcliError, expected: Fails) -> None:
    assert type(error) is expected.kind
    assert error.exit_code == EXIT[expected.kind]
    assert expected.says in str(error)
    assert "\n" not in str(error)
    if expected.request_id:
        assert f"request {expected.request_id}" in str(error)
    if isinstance(error, CallFailed):
        assert (error.status, error.code, error.retry_after) == (
            expected.status,
            expected.code,
            expected.retry_after,
        )
        assert error.request_id == expected.request_id


def hello(*blocks: Any, **options: Any) -> Scenario:
    """A stream that says Hello, and then these events."""
    return wire.events([chunk("", role="assistant"), chunk("Hel"), chunk("lo"), *blocks], **options)


STOP = chunk(finish_reason="stop")
ERROR = {"error": {"message": "It went wrong.", "code": "server_error"}}


WHOLE = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
}


class Silent:
    """A sink that keeps what it is shown."""

    events = False

    def __init__(self) -> None:
        self.shown: list[Chunk] = []
        self.aborted = False

    def chunk(self, chunk: Chunk) -> None:
        self.shown.append(chunk)

    def end(self) -> None:
        pass

    def finish(self, completion: Completion) -> None:
        pass

    def abort(self, _body: dict[str, Any]) -> None:
        self.aborted = True


def follow(transport: Transport, request: Request, sink: Silent) -> Completion:
    async def work() -> Completion:
        try:
            way = Way(transport, lambda: 0.0, lambda *_: None)
            return (await exchange(request, way, sink)).completion
        finally:
            await transport.aclose()

    return asyncio.run(work())
