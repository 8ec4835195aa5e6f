"""Whatever JSON a client of serve sends is a request or a usage error, and never a traceback."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcli import jsonl
from llmcli.errors import LlmcliError
from llmcli.rehearsal.offline import Offline
from llmcli.request.builder import Builder
from llmcli.request.endpoint import Addresses
from llmcli.serving.asked import Asker
from llmcli.settings.request import RequestSettings

FUNCTION = {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}
FORMAT = {"name": "n", "schema": {"type": "object", "properties": {"a": {"type": "string"}}}}
CHAT = {
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f"}}]},
        {"role": "tool", "tool_call_id": "a", "content": "x"},
    ],
    "tools": [{"type": "function", "function": FUNCTION}, {"type": "custom", "custom": {"name": "c"}}],
    "tool_choice": "required",
    "response_format": {"type": "json_schema", "json_schema": FORMAT},
    "stream_options": {"include_usage": True},
}
RESPONSES = {
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
        {"type": "reasoning", "summary": []},
    ],
    "tools": [{"type": "function", **FUNCTION}, {"type": "custom", "name": "c"}],
    "tool_choice": {"type": "function", "name": "f"},
    "text": {"format": {"type": "json_schema", **FORMAT}},
    "reasoning": {"effort": "low"},
    "include": ["reasoning.encrypted_content"],
}
WORDS = st.sampled_from(
    ["", "type", "x", "required", "json_schema", "function", "custom", "user", "item_reference"]
)
LEAVES = st.none() | st.booleans() | st.integers(-2, 3) | st.floats(allow_nan=False) | WORDS
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to all that is in a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [
        *([path] if path else []),
        *(place for key, part in inner for place in places(part, (*path, key))),
    ]


def changed(value: Any, path: tuple[Any, ...], part: Any) -> Any:
    """The same with another part at a path."""
    if not path:
        return part
    items = dict(value) if isinstance(value, dict) else list(value)
    items[path[0]] = changed(value[path[0]], path[1:], part)
    return items


@pytest.mark.parametrize(("api", "body"), [("chat", CHAT), ("responses", RESPONSES)])
@given(data=st.data(), stream=st.booleans())
def test_any_json_is_a_request_or_a_usage_error(api, body, data, stream):
    for _ in range(data.draw(st.integers(0, 2))):
        body = changed(body, data.draw(st.sampled_from(places(body))), data.draw(ANYTHING))
    builder = Builder.of(RequestSettings(model="offline/echo?tools=each"), Addresses({}, {}), lambda: b"")
    asker = Asker(builder, fixed=True, stream=None, now=lambda: 0.0)

    async def work() -> None:
        called = getattr(asker, api)({**body, "stream": stream}, "")
        answer = await Offline().ask(called.request)
        pieces = [called.telling.piece(chunk) async for chunk in answer]
        completion = await answer.whole()
        assert b"".join(pieces) + called.telling.ended(completion)

    with contextlib.suppress(LlmcliError):
        asyncio.run(work())


def test_the_bodies_that_are_changed_are_good_ones():
    builder = Builder.of(RequestSettings(model="offline/echo?tools=each"), Addresses({}, {}), lambda: b"")
    asker = Asker(builder, fixed=True, stream=None, now=lambda: 0.0)
    for api, body in (("chat", CHAT), ("responses", RESPONSES)):
        called = getattr(asker, api)(jsonl.loads(jsonl.dumps(body)), "")
        assert asyncio.run(Offline().ask(called.request)).there is not None
