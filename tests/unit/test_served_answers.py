"""Answers as clients of serve need them, whatever an upstream sends: see llmcli/serving/fitted.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmcli.serving.chat_telling import ChatTelling
from llmcli.serving.responses.telling import ResponseTelling
from llmcli.wire import Completion, Meta

CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ODD: list[dict[str, Any]] = [
    {"logprobs": "x"},
    {"logprobs": {"content": 5}},
    {"logprobs": {"content": [1]}},
    {"message": {"content": "hi", "annotations": 5}},
    {"message": {"content": "hi", "annotations": [1]}},
    {"message": {"tool_calls": "x"}},
    {"message": {"tool_calls": [1]}},
    {"message": {"tool_calls": [{**CALL, "index": {}}]}},
    {"message": {"tool_calls": [{**CALL, "function": "x"}]}},
    {"message": {"tool_calls": [{**CALL, "function": {"name": "f", "arguments": 5}}]}},
]


def tellings() -> list[ChatTelling | ResponseTelling]:
    return [
        ChatTelling("openai/tiny", with_usage=True),
        ResponseTelling({}, "openai/tiny", 0, lambda _: None),
    ]


def body(**choice: Any) -> dict[str, Any]:
    said = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop", **choice}
    return {"id": "x", "choices": [said]}


def calls_in(events: bytes) -> list[dict[str, Any]]:
    data = [line.removeprefix("data: ") for line in events.decode().split("\n\n") if line]
    return [call for line in data for call in json.loads(line)["choices"][0]["delta"]["tool_calls"]]


@pytest.mark.parametrize("odd", ODD)
def test_what_is_not_of_the_apis_shape_is_left_out_and_breaks_nothing(odd):
    whole = body(**odd)
    piece = {**whole, "choices": [{**whole["choices"][0], "delta": whole["choices"][0]["message"]}]}
    for telling in tellings():
        told = telling.whole(Completion(whole, Meta("openai", "tiny")))
        assert told["object"] in {"chat.completion", "response"}
    for telling in tellings():
        assert telling.piece(piece)
        assert telling.ended(Completion(whole, Meta("openai", "tiny")))


def test_arguments_that_are_an_object_are_told_as_its_text():
    call = {"function": {"name": "f", "arguments": {"city": "Rome"}}}
    chat, responses = tellings()
    whole = Completion(body(message={"tool_calls": [call]}), Meta("openai", "tiny"))
    [told] = chat.whole(whole)["choices"][0]["message"]["tool_calls"]
    assert told == {
        "id": "call_0",
        "type": "function",
        "function": {"name": "f", "arguments": '{"city":"Rome"}'},
    }
    assert responses.whole(whole)["output"][0]["arguments"] == '{"city":"Rome"}'
    [piece] = calls_in(tellings()[0].piece({"choices": [{"delta": {"tool_calls": [call]}}]}))
    assert piece == {"index": 0, "function": {"name": "f", "arguments": '{"city":"Rome"}'}}


def test_the_id_and_the_name_of_a_call_are_told_once():
    chat = tellings()[0]
    pieces = [{**CALL, "index": 0, "function": {"name": "f", "arguments": piece}} for piece in ("{", "}")]
    told = [calls_in(chat.piece({"choices": [{"delta": {"tool_calls": [piece]}}]}))[0] for piece in pieces]
    assert told == [pieces[0], {"index": 0, "type": "function", "function": {"arguments": "}"}}]
    assert pieces[1]["function"]["name"] == "f"
    other = {**CALL, "id": "b", "index": 0}
    assert calls_in(chat.piece({"choices": [{"delta": {"tool_calls": [other]}}]}))[0] == other
