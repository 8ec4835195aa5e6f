"""Most answers are judged at a glance. They are judged alike at a glance and when they are looked at closely."""

from __future__ import annotations

import json

import pytest

from llmcli.errors import LlmcliError
from llmcli.exchange.verdict import verdict
from llmcli.finish import is_plain
from llmcli.transport import bodies
from llmcli.transport.failures.diagnosis import Reply
from llmcli.wire import Completion, Meta, Request

CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
TOOLS = [{"type": "function", "function": {"name": "look"}}]
MESSAGES = [
    {"content": "hi"},
    {"content": ""},
    {"content": None},
    {"content": "hi", "refusal": "no"},
    {"content": "hi", "refusal": ""},
    {"content": "hi", "tool_calls": [CALL]},
    {"content": "hi", "tool_calls": []},
    {"content": "hi", "tool_calls": False},
    {"content": "hi", "function_call": {"name": "look", "arguments": "{}"}},
    {"content": [{"type": "text", "text": "hi"}]},
    {"content": "hi", "audio": {"data": "x"}},
    {"content": 5},
]
CHOICES = [
    *({"index": 0, "message": message} for message in MESSAGES),
    {"message": {"content": "hi"}},
    {"index": None, "message": {"content": "hi"}},
    {"index": "0", "message": {"content": "hi"}},
    {"index": 0, "message": {"content": "hi"}, "delta": "x"},
    {"index": 0, "message": {"content": "hi"}, "error": {"message": "lost"}},
    {"index": 0, "message": "hi"},
]
FIELDS = [
    {},
    {"stop": ["x"]},
    {"tools": TOOLS, "tool_choice": "required"},
    {"tools": TOOLS, "tool_choice": "none"},
    {"functions": [{"name": "look"}], "function_call": {"name": "look"}},
    {"response_format": {"type": "json_object"}},
]


def told(choice: dict, request: Request) -> str:
    """What comes of a body with this choice: an answer and its verdict, or an error."""
    body = json.dumps({"choices": [choice], "usage": {"prompt_tokens": 1}}).encode()
    try:
        completion = bodies.completion(Reply(request, 200, {}), body)
    except LlmcliError as error:
        return f"{type(error).__name__}: {error}".replace(json.dumps(choice["finish_reason"]), "...")
    return repr(verdict(completion, request))


@pytest.mark.parametrize("choices", [(), ("yes", "no")])
@pytest.mark.parametrize("fields", FIELDS)
@pytest.mark.parametrize("choice", CHOICES, ids=json.dumps)
def test_an_answer_is_judged_alike_at_a_glance_and_closely(choice, fields, choices):
    request = Request("openai", "tiny", "http://x", {"messages": [], **fields}, choices=choices)
    glance, close = {**choice, "finish_reason": "stop"}, {**choice, "finish_reason": "stopped"}
    assert not is_plain([close])
    assert told(glance, request) == told(close, request)


def test_most_answers_are_plain():
    message = {"role": "assistant", "content": "hi", "refusal": None, "annotations": []}
    assert is_plain([{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}])


def test_an_answer_that_broke_off_is_not_plain():
    choice = {"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}
    meta = Meta("openai", "tiny", cut="it was closed", done=False)
    request = Request("openai", "tiny", "http://x", {"messages": []})
    assert "broke off" in str(verdict(Completion({"choices": [choice]}, meta), request))
