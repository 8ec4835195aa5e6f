"""Streams of the Responses API as real servers have them: what is shown, what is folded, what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests import server as wire
from tests.command.test_responses import USAGE, call_item, message, response

MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}


def ev(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", **more}


def delta(text: str, **more: Any) -> dict[str, Any]:
    return ev("output_text.delta", item_id="msg_1", delta=text, **more)


def ended(*items: dict[str, Any], kind: str = "completed", **more: Any) -> dict[str, Any]:
    return ev(kind, response=response(*items, **more))


CREATED = ev("created", response={"id": "resp_1", "object": "response", "status": "in_progress"})
ADDED = ev("output_item.added", output_index=0, item=MESSAGE)
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": ""}
PREFIX = [CREATED, ADDED, delta("Hel"), delta("lo")]
HELLO = message("Hello")
SAID_WHOLE = ev("output_text.done", item_id="msg_1", text="Hello")
KEEPALIVE = {"type": "keepalive", "sequence_number": 0}


@pytest.fixture
def told(ask, server):
    def run(*blocks: Any, more: tuple[str, ...] = ()) -> Any:
        server.script = wire.events(list(blocks))
        return ask("--api", "responses", "--retries", "0", *more, "Hi")

    return run


GOOD = {
    "deltas, and the answer at the end": [*PREFIX, SAID_WHOLE, ended(HELLO)],
    "a keepalive first": [KEEPALIVE, *PREFIX, {"type": "response.keep_alive"}, ended(HELLO)],
    "[DONE] behind the end": [*PREFIX, ended(HELLO), wire.DONE],
    "no end of the connection": [*PREFIX, ended(HELLO), b": still here\n\n"],
    "obfuscation and log probabilities": [
        CREATED,
        delta("Hello", obfuscation="xy", logprobs=[]),
        ended(HELLO),
    ],
    "text without deltas": [CREATED, ADDED, SAID_WHOLE, ended(HELLO)],
    "a whole item without deltas": [
        CREATED,
        ev("output_item.done", output_index=0, item=HELLO),
        ended(HELLO),
    ],
    "a part without deltas": [
        ev("content_part.done", item_id="msg_1", part={"type": "output_text", "text": "Hello"}),
        ended(HELLO),
    ],
    "nothing but the end": [ended(HELLO)],
    "an end without items": [*PREFIX, ended()],
    "an end with items of null": [*PREFIX, ended(output=None)],
    "items that are whole, in another order": [
        *PREFIX,
        ev("output_item.done", output_index=3, item=HELLO),
        ev("output_item.done", output_index=1, item={"type": "reasoning", "id": "rs", "summary": []}),
        ended(output=None),
    ],
    "half of the text in a delta": [CREATED, delta("Hel"), SAID_WHOLE, ended(HELLO)],
    "the text said twice": [*PREFIX, SAID_WHOLE, ADDED, SAID_WHOLE, ended(HELLO)],
    "another index for what is whole": [
        CREATED,
        ev("output_text.delta", item_id="msg_1", content_index=1, delta="Hello"),
        ev("output_text.done", item_id="msg_1", text="Hello"),
        ev("output_item.done", output_index=1, item=HELLO),
        ended(HELLO),
    ],
    "the text said twice, the second time by another item": [
        *PREFIX,
        ev("output_item.added", output_index=1, item={**MESSAGE, "id": "msg_2"}),
        ev("output_text.done", item_id="msg_2", output_index=1, text="Hello"),
        ended(HELLO),
    ],
    "no item_id": [ev("output_text.delta", delta="Hello"), ended(HELLO)],
    "event names": [
        *[b"event: %s\n" % one["type"].encode() + wire.event(one) for one in (*PREFIX, ended(HELLO))],
    ],
}


@pytest.mark.parametrize("blocks", GOOD.values(), ids=GOOD)
def test_the_same_answer_comes_of_it(told, blocks):
    result = told(*blocks)
    assert (result.code, result.out, result.err) == (0, "Hello\n", "")
    body = json.loads(told(*blocks, more=("--format", "jsonl")).out)
    assert body["choices"][0]["message"]["content"] == "Hello"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"]["completion_tokens"] == 2


BAD = {
    "cut": (
        [
            *PREFIX,
            ended(
                HELLO,
                kind="incomplete",
                status="incomplete",
                incomplete_details={"reason": "max_output_tokens"},
            ),
        ],
        3,
        "cut at the token limit",
    ),
    "cut, in an event that says completed": (
        [*PREFIX, ended(HELLO, status="incomplete", incomplete_details={"reason": "max_output_tokens"})],
        3,
        "cut at the token limit",
    ),
    "cut for no reason": (
        [*PREFIX, ended(HELLO, status="incomplete", incomplete_details=None)],
        3,
        "cut at the",
    ),
    "cut, with a word for whole": (
        [*PREFIX, ended(HELLO, status="incomplete", incomplete_details={"reason": "stop"})],
        3,
        "cut at the token limit",
    ),
    "steered": (
        [*PREFIX, ended(HELLO, status="incomplete", incomplete_details={"reason": "steered"})],
        3,
        "steered",
    ),
    "filtered": (
        [*PREFIX, ended(HELLO, status="incomplete", incomplete_details={"reason": "content_filter"})],
        4,
        "a content filter stopped the answer",
    ),
    "no end": (PREFIX, 3, "the answer broke off"),
    "[DONE] and no end": ([*PREFIX, wire.DONE], 3, "the answer broke off"),
    "an error, flat": (
        [*PREFIX, {"type": "error", "code": "server_error", "message": "No.", "param": None}],
        75,
        "No.",
    ),
    "an error, nested": ([*PREFIX, {"type": "error", "error": {"code": "x", "message": "No."}}], 75, "No."),
    "an error and a failure": (
        [*PREFIX, {"type": "error", "message": "No."}, ev("failed", response={})],
        75,
        "No.",
    ),
    "failed": (
        [
            *PREFIX,
            ended(
                HELLO, kind="failed", status="failed", error={"code": "rate_limit_exceeded", "message": "No."}
            ),
        ],
        75,
        "No.",
    ),
    "failed, in an event that says completed": (
        [*PREFIX, ended(HELLO, status="failed", error={"code": "server_error", "message": "No."})],
        75,
        "No.",
    ),
    "cancelled": ([*PREFIX, ended(HELLO, status="cancelled")], 3, "its finish_reason is cancelled"),
    "still in progress": ([*PREFIX, ended(HELLO, status="in_progress")], 75, "its status is in_progress"),
    "thoughts alone": (
        [
            CREATED,
            ended(
                {
                    "type": "reasoning",
                    "id": "rs",
                    "summary": [],
                    "content": [{"type": "reasoning_text", "text": "Hm"}],
                }
            ),
        ],
        3,
        "the answer is empty: reasoning only",
    ),
    "a search alone": ([CREATED, ended({"type": "web_search_call", "id": "ws"})], 3, "the answer is empty"),
    "refused": (
        [CREATED, ended(message("", content=[{"type": "refusal", "refusal": "I will not."}]))],
        4,
        "the model refused: I will not.",
    ),
}


@pytest.mark.parametrize(("blocks", "code", "says"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_said(told, blocks, code, says):
    result = told(*blocks)
    assert result.code == code
    assert says in result.err


def test_before_any_text_a_failure_is_asked_again(ask, server):
    gone = ended(
        kind="failed", status="failed", error={"code": "rate_limit_exceeded", "message": "Slow down."}
    )
    server.script = [wire.events([CREATED, gone]), wire.events([*PREFIX, ended(HELLO)])]
    assert ask("--api", "responses", "Hi").out == "Hello\n"
    assert len(server.requests) == 2


def test_comments_on_the_way_are_no_answer(told):
    first = {**MESSAGE, "id": "msg_0", "phase": "commentary"}
    last = {**MESSAGE, "phase": "final_answer"}
    items = [message("Let me see.", id="msg_0", phase="commentary"), message("42", phase="final_answer")]
    blocks = [
        CREATED,
        ev("output_item.added", output_index=0, item=first),
        ev("output_text.delta", item_id="msg_0", delta="Let me see."),
        ev("output_item.added", output_index=1, item=last),
        delta("42"),
        ended(*items),
    ]
    result = told(*blocks, more=("--reasoning",))
    assert (result.code, result.out) == (0, "42\n")
    assert "Let me see." in result.err
    body = json.loads(told(*blocks, more=("--format", "jsonl")).out)
    assert body["choices"][0]["message"]["reasoning_content"] == "Let me see."


TOOLS = ("--tools", '[{"name": "f"}]')
CALLED = call_item("f", '{"a":1}')
CALLS = {
    "in deltas": [
        ev("output_item.added", output_index=1, item=CALL),
        ev("function_call_arguments.delta", item_id="fc_1", delta='{"a"'),
        ev("function_call_arguments.delta", item_id="fc_1", delta=":1}"),
        ev("function_call_arguments.done", item_id="fc_1", arguments='{"a":1}'),
        ended(CALLED),
    ],
    "done at once": [
        ev("output_item.added", output_index=1, item=CALL),
        ev("function_call_arguments.done", item_id="fc_1", arguments='{"a":1}'),
        ended(CALLED),
    ],
    "at the end alone": [ended(CALLED)],
    "as a whole item": [ev("output_item.done", output_index=7, item=CALLED), ended(output=None)],
}


@pytest.mark.parametrize("blocks", CALLS.values(), ids=CALLS)
def test_calls_come_however_they_are_said(told, blocks):
    result = told(CREATED, *blocks, more=TOOLS)
    assert result.code == 0, result.err
    assert json.loads(result.out) == {"id": "call_1", "name": "f", "arguments": {"a": 1}}
    lines = told(CREATED, *blocks, more=(*TOOLS, "--format", "events")).out.splitlines()
    choices = [choice for line in lines[:-1] for choice in json.loads(line)["choices"]]
    calls = [call for choice in choices for call in choice["delta"].get("tool_calls", ())]
    assert "".join(call["function"].get("arguments", "") for call in calls) == '{"a":1}'
    assert json.loads(lines[-1])["choices"][0]["finish_reason"] == "tool_calls"


def test_a_custom_tool_is_called_with_its_input(told):
    item = {"type": "custom_tool_call", "id": "ct_1", "call_id": "call_1", "name": "f", "input": "x y"}
    result = told(
        CREATED,
        ended(item),
        more=("--format", "jsonl", "-o", 'tools=[{"type":"custom","custom":{"name":"f"}}]'),
    )
    (call,) = json.loads(result.out)["choices"][0]["message"]["tool_calls"]
    assert call == {"id": "call_1", "type": "custom", "custom": {"name": "f", "input": "x y"}}


def test_no_key_is_shown_that_a_stream_echoes(cli, server):
    key = "sk-echoed-0123456789"
    blocks = [CREATED, delta(f"Your key is {key[:9]}"), delta(key[9:]), ended(message(f"Your key is {key}"))]
    server.script = wire.events(blocks)
    line = ["ask", "--base-url", server.base_url, "-m", "tiny", "--api", "responses", "Hi"]
    for more in ([], ["--format", "events"]):
        result = cli(*line, *more, env={"OPENAI_API_KEY": key})
        assert result.code == 0
        assert key not in result.out
        assert "***" in result.out


def test_usage_of_a_half_answer_is_told(told):
    result = told(*PREFIX, ended(HELLO, status="incomplete", usage=USAGE), more=("-u",))
    assert (result.code, result.out) == (3, "Hello\n")
    assert "usage: 3 in (1 cached) + 2 out (1 reasoning) = 5 tokens" in result.err
