"""Models that the Responses API alone serves: the same command line, the same output, the same exit codes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests import server as wire
from tests.conftest import KEY

USAGE = {
    "input_tokens": 3,
    "input_tokens_details": {"cached_tokens": 1},
    "output_tokens": 2,
    "output_tokens_details": {"reasoning_tokens": 1},
    "total_tokens": 5,
}


def message(text: str, **more: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [part],
        **more,
    }


def response(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    head = {"id": "resp_1", "object": "response", "created_at": 1700000000.5, "model": "tiny"}
    return {**head, "status": "completed", "output": list(items), "usage": USAGE, **more}


def said(server: wire.Server) -> dict[str, Any]:
    (request,) = server.requests
    assert request.path == "/v1/responses"
    return request.json


def test_a_model_of_that_api_alone_is_asked_there(ask, server):
    server.script = wire.reply(response(message("Hello")))
    result = ask("-m", "gpt-5-codex", "--no-stream", "Hi", env=KEY)
    assert (result.code, result.out) == (0, "Hello\n")
    assert said(server) == {
        "model": "gpt-5-codex",
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        ],
        "stream": False,
        "store": False,
    }


def test_any_model_is_asked_where_api_says(ask, server):
    server.script = wire.reply(response(message("Hello")))
    assert ask("--api", "responses", "--no-stream", "Hi").code == 0
    assert said(server)["store"] is False


def test_api_chat_asks_a_model_of_the_other_on_chat_completions(ask, server):
    assert ask("-m", "gpt-5-codex", "--api", "chat", "Hi", env=KEY).out == "Hi\n"
    assert server.requests[0].path == "/v1/chat/completions"


def test_the_answer_is_a_chat_completion(ask, server):
    server.script = wire.reply(response(message("Hello")))
    result = ask("--api", "responses", "--no-stream", "--format", "jsonl", "Hi")
    body = json.loads(result.out)
    assert body["llmcli"].pop("api") == "responses"
    del body["llmcli"]
    assert body == {
        "id": "resp_1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "tiny",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
        ],
        "usage": wire.usage(3, 2, cached=1, reasoning=1),
    }


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--n", "2"], "n"),
        (["--stop", "x"], "stop"),
        (["--seed", "1"], "seed"),
        (["--logit-bias", "1=2"], "logit_bias"),
        (["--presence-penalty", "1"], "presence_penalty"),
        (["--frequency-penalty", "1"], "frequency_penalty"),
        (["--modalities", "text"], "modalities"),
        (["-o", 'audio={"voice":"ash"}'], "audio"),
        (["-o", 'prediction={"type":"content"}'], "prediction"),
    ],
)
@pytest.mark.parametrize("how", [[], ["--dry-run"]], ids=["run", "dry"])
def test_what_has_no_counterpart_is_refused_by_name(ask, server, words, name, how):
    result = ask("--api", "responses", *words, *how, "Hi")
    assert (result.code, result.out) == (2, "")
    assert f"the Responses API has no counterpart of {name}; drop it, or ask with --api chat" in result.err
    assert server.requests == []
