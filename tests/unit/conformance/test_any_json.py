"""Whatever JSON or bytes a server sends is an answer or an error of ours, and never a traceback."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llmcli import jsonl
from llmcli.errors import (
    CallFailed,
    LlmcliError,
)
from llmcli.exchange.layers.repair import Repair
from llmcli.exchange.verdict import check, misfit
from llmcli.finish import says_something
from llmcli.output.items import ItemSink
from llmcli.output.sink import RecordSink, Sink, TextSink
from llmcli.output.streams import Notes, Stdout
from llmcli.serving.chat_telling import ChatTelling
from llmcli.serving.responses.telling import ResponseTelling
from llmcli.transport import bodies
from llmcli.transport.failures import diagnosis as failures
from llmcli.transport.folds.completion import Accumulator
from llmcli.transport.streams.chunks import chunks
from llmcli.wire import Chunk, Completion
from tests.server import event
from tests.unit.conformance.asking import (
    KEY,
    request_to,
)

WORDS = st.sampled_from(
    re.findall(
        r"\w+",
        """error message code type detail choices index delta finish_reason content refusal tool_calls function
        name arguments id logprobs usage role custom input text insufficient_quota""",
    )
)
LEAVES = (
    st.none() | st.booleans() | st.integers(-2, 3) | st.floats(allow_nan=False) | st.text(max_size=3) | WORDS
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=20,
)
INNER = ANYTHING | st.fixed_dictionaries(
    {}, optional={"name": LEAVES, "arguments": ANYTHING, "input": LEAVES}
)
CALL = st.fixed_dictionaries(
    {},
    optional={
        "index": LEAVES,
        "id": LEAVES,
        "type": st.sampled_from(["function", "custom", "x", None]) | ANYTHING,
        "function": INNER,
        "custom": INNER,
        "x": INNER,
    },
)
NESTED = st.integers(200, 1100).map(lambda depth: "[" * depth + "]" * depth)
CALLS = st.lists(CALL, max_size=3) | CALL | ANYTHING
DELTA = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("role", "content", "refusal", "reasoning", "x"), ANYTHING | NESTED),
        "tool_calls": CALLS,
    },
)
CHOICE = st.fixed_dictionaries(
    {},
    optional={"index": LEAVES, "delta": DELTA | LEAVES, "message": DELTA | LEAVES, "finish_reason": ANYTHING}
    | {"logprobs": ANYTHING},
)
USAGE = ANYTHING | st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), LEAVES)
)
BODIES = ANYTHING | st.fixed_dictionaries(
    {"choices": st.lists(CHOICE | LEAVES, max_size=3)}, optional={"error": ANYTHING, "usage": USAGE}
)
REPLY = failures.Reply(request_to("http://x/v1"), 200, {})


def sinks() -> list[Sink]:
    out, notes = Stdout(io.BytesIO(), terminal=False), Notes(io.BytesIO(), terminal=False)
    records = [
        RecordSink(out, encode, lambda *_: {"in": 1}, events=True) for encode in (jsonl.line, jsonl.pretty)
    ]
    return [
        TextSink(out, notes, reasoning=True),
        TextSink(out, notes, extract=True),
        ItemSink(out, notes),
        *records,
    ]


def shown(chunks: list[Chunk], completion: Completion) -> None:
    """All that is done with an answer."""
    for sink in sinks():
        for piece in chunks:
            sink.chunk(piece)
        sink.finish(completion)
    for sink in sinks():
        sink.abort(completion.body)
    for telling in (ChatTelling("x", with_usage=True), ResponseTelling({}, "x", 0, lambda _: None)):
        pieces = [*map(telling.piece, chunks), telling.ended(completion)]
        assert pieces[-1]
    for telling in (ChatTelling("x", with_usage=True), ResponseTelling({}, "x", 0, lambda _: None)):
        jsonl.dumps(telling.whole(completion))
    Repair(None, 1, misfit, print)._wrong(REPLY.request, completion)
    check(completion, REPLY.request)


def judged(act: Callable[[], None]) -> None:
    """An answer, or an error of ours; anything else is a bug."""
    with contextlib.suppress(LlmcliError):
        act()


@given(ANYTHING, st.sampled_from([301, 400, 401, 404, 429, 500]))
def test_any_json_is_an_error_body(body, status):
    error = failures.failure(failures.Reply(REPLY.request, status, {}), json.dumps(body).encode())
    assert isinstance(error, CallFailed)
    assert str(error)


@given(st.binary())
def test_any_bytes_are_an_error_body(body):
    assert str(failures.failure(failures.Reply(REPLY.request, 500, {}), body))


@given(BODIES)
@example({"choices": [{"delta": {"content": "a"}, "message": "b"}]})
@example({"choices": [{"message": {"content": "a"}, "finish_reason": ["stop"]}]})
@example({"choices": [{"message": {"tool_calls": {"id": "a"}}, "delta": {"content": "b"}}]})
@example({"choices": [{"message": {"tool_calls": [{"function": {}, "custom": "a"}]}}]})
@example({"choices": [{"message": {"tool_calls": [{"type": "custom", "function": "a"}]}}]})
@example({"choices": [{"message": {"tool_calls": [{"function": {"arguments": "[" * 999 + "]" * 999}}]}}]})
def test_any_json_is_an_answer_or_an_error(body):
    judged(lambda: shown([], bodies.completion(REPLY, json.dumps(body).encode())))


@given(st.lists(BODIES, max_size=4))
@example([{"choices": [{"delta": {"tool_calls": [{"custom": 5}]}}]}])
@example(
    [
        {"choices": [{"delta": {"tool_calls": [{"x": 5}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"type": "x"}]}}]},
    ]
)
@example([{"choices": [{"delta": {"content": "[" * 999 + "]" * 999}}]}])
def test_any_json_in_a_stream_is_an_answer_or_an_error(said):
    async def pieces() -> Any:
        for body in said:
            yield event(json.dumps(body).encode())

    async def work() -> None:
        folded, meta, seen = Accumulator(), REPLY.meta(), []
        async for piece in chunks(REPLY, pieces(), meta, 60):
            says_something(piece)
            folded.add(piece)
            seen.append(piece)
        shown(seen, Completion(folded.body(), meta))

    judged(lambda: asyncio.run(work()))


@pytest.mark.parametrize("depth", [100, 190, 260, 400, 980, 1020, 1100, 9000])
@pytest.mark.parametrize(
    "body",
    [
        '{"choices": [{"message": {"content": DEEP}}], "x": DEEP}',
        '{"choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": DEEP}}]}}]}',
        '{"choices": [{"finish_reason": "stop", "delta": {"x": DEEP}, "message": {"x": DEEP}}]}',
        '{"error": {"message": DEEP, "x": DEEP}}',
    ],
)
@pytest.mark.parametrize("brackets", ["[]", ('{"a":', "}")])
def test_json_nested_however_deep_is_an_answer_or_an_error(body, depth, brackets):
    nested = brackets[0] * depth + ("[]" if brackets == "[]" else "1") + brackets[1] * depth
    whole = body.replace("DEEP", nested).encode()

    async def pieces() -> Any:
        yield event(whole)

    async def work() -> None:
        folded, meta = Accumulator(), REPLY.meta()
        async for piece in chunks(REPLY, pieces(), meta, 60):
            folded.add(piece)
        shown([], Completion(folded.body(), meta))

    judged(lambda: shown([], bodies.completion(REPLY, whole)))
    judged(lambda: asyncio.run(work()))
    assert str(failures.failure(replace(REPLY, key=KEY), whole))


@given(st.text())
def test_any_retry_after_is_seconds_or_nothing(value):
    seconds = failures.retry_after({"retry-after": value})
    assert seconds is None or 0 <= seconds < float("inf")
