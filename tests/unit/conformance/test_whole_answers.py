"""A streamed answer folds into the one that comes unstreamed, whichever transport asks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llmcli.wire import Completion
from tests import server as wire
from tests.server import ok
from tests.unit.conformance.asking import (
    WAYS,
    ask,
    request_to,
    text,
)

CALLS = [wire.call("get_weather", {"city": "Paris"}), wire.call("get_time", '{"zone": "CE', "call_2")]
ANSWERS = {
    "text": ok("Hello, how are you?"),
    "two choices": ok(["Hello, how are you?", "Goodbye"], n=2),
    "three choices": ok(["one", "", "three times as long"], n=3),
    "tool calls": ok(tool_calls=CALLS),
    "text and tool calls": ok("Let me see.", tool_calls=CALLS[:1]),
    "refusal": ok(refusal="I will not do that."),
    "logprobs": ok("Hello there", logprobs=True),
    "reasoning_content": ok("Hello", reasoning="Let me think."),
    "reasoning": ok("Hello", reasoning="Let me think.", reasoning_field="reasoning"),
    "cached usage": ok("Hello", usage=wire.usage(12, 34, cached=8, reasoning=3)),
    "extra keys": ok(
        "Hello", extra={"service_tier": "flex", "system_fingerprint": "fp_1", "timings": {"ms": 3}}
    ),
    "usage in the finish chunk": ok("Hello", usage_at="finish"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_streamed_answer_is_the_unstreamed_one(name, server, new_transport):
    server.script = ANSWERS[name]

    async def both() -> list[Completion]:
        transport = new_transport()
        asked = [request_to(server.base_url), request_to(server.base_url, "stream")]
        completions = [await (await transport.ask(request)).whole() for request in asked]
        await transport.aclose()
        return completions

    whole, streamed = asyncio.run(both())
    assert bare(streamed.body) == bare(whole.body)
    assert streamed.meta.done
    assert [answer.meta.request_id for answer in (whole, streamed)] == ["req_1", "req_2"]


def bare(body: dict[str, Any]) -> dict[str, Any]:
    """A completion without its own id, and with what an unstreamed one leaves out or gives as null."""
    choices = [
        {
            **{key: value for key, value in choice.items() if key != "logprobs"},
            "message": {key: value for key, value in choice["message"].items() if value is not None},
            "logprobs": {k: v for k, v in (choice.get("logprobs") or {}).items() if v is not None},
        }
        for choice in body["choices"]
    ]
    for choice in choices:
        if choice["message"].get("content") == "" and len(choice["message"]) > 2:
            del choice["message"]["content"]  # the opening delta's
    return {**body, "id": "", "choices": choices}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("count", [1, 3])
def test_each_choice_in_index_order(way, count, server, new_transport):
    server.script = ok(["one", "two", "three"], n=count)
    answer = ask(new_transport(), request_to(server.base_url, way, n=count))
    assert [text(answer, index) for index in range(count)] == ["one", "two", "three"][:count]


@pytest.mark.parametrize("way", WAYS)
def test_usage_of_no_usage_is_none(way, server, new_transport):
    server.script = ok("Hello", usage=None)
    assert ask(new_transport(), request_to(server.base_url, way)).usage is None
