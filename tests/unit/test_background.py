"""Answers made in the background: what is asked until they are there, and when nobody waits any more."""

from __future__ import annotations

import asyncio

import pytest

from llmcli.request.responses.sent import RESPONSES_API
from llmcli.transport.failures.diagnosis import Reply
from llmcli.transport.responses.background import finished
from llmcli.wire import Request

REQUEST = Request("openai", "tiny", "http://x/v1", {"messages": []}, api=RESPONSES_API)
QUEUED = b'{"id": "resp/1", "status": "queued"}'


def test_who_waits_no_more_has_it_cancelled():
    asked: list[tuple[str, str]] = []

    async def work() -> None:
        looking = asyncio.Event()

        async def call(method: str, path: str) -> tuple[Reply, bytes]:
            asked.append((method, path))
            if method == "GET":
                looking.set()
                await asyncio.Event().wait()
            return Reply(REQUEST, 200, {}), b"{}"

        waiting = asyncio.ensure_future(finished(Reply(REQUEST, 200, {}), QUEUED, call))
        await looking.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(work())
    assert asked == [("GET", "responses/resp%2F1"), ("POST", "responses/resp%2F1/cancel")]


def test_an_answer_that_is_there_is_not_looked_for():
    async def call(_method: str, _path: str) -> tuple[Reply, bytes]:
        raise AssertionError

    reply, body = Reply(REQUEST, 200, {}), b'{"id": "resp_1", "status": "completed"}'
    assert asyncio.run(finished(reply, body, call)) == (reply, body)
