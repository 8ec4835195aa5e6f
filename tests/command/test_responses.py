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


def call_item(name: str, arguments: str, call_id: str = "call_1") -> dict[str, Any]:
    return {"type": "function_call", "id": "fc_1", "call_id": call_id, "name": name, "arguments": arguments}


def rows(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize(
    "given",
    [
        "Hi",
        [{"role": "user", "content": "Hi"}],
        [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
    ],
    ids=["text", "messages", "items"],
)
def test_a_row_for_that_api_is_sent_there(cli, server, given):
    server.script = wire.reply(response(message("Hello")))
    body = {"model": "tiny", "input": given, "max_output_tokens": 30, "reasoning": {"effort": "low"}}
    row = {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": body}
    result = cli("batch", "--base-url", server.base_url, stdin=json.dumps(row).encode())
    assert result.code == 0, result.err
    assert said(server) == {
        "model": "tiny",
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
        "max_output_tokens": 30,
        "reasoning": {"effort": "low"},
        "stream": False,
        "store": False,
    }
    (record,) = rows(result.out)
    assert record["response"]["body"]["choices"][0]["message"]["content"] == "Hello"
    assert record["llmcli"]["api"] == "responses"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"input": []}, "input must be text, or a list of messages that is not empty"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0] is an item of type item_reference"),
        (
            {"input": [{"type": "message", "role": "user", "content": [{"type": "input_audio"}]}]},
            "input_audio",
        ),
        ({"input": "Hi", "tools": "x"}, "not of the Responses API's shape"),
        ({"input": "Hi", "n": 2}, "no counterpart of n"),
        ({"input": "Hi", "instructions": 1}, "instructions must be text"),
    ],
)
def test_a_row_that_no_messages_say_is_that_rows_error(cli, server, body, says):
    row = {"url": "/v1/responses", "body": {"model": "tiny", **body}}
    result = cli("batch", "--base-url", server.base_url, stdin=json.dumps(row).encode())
    assert result.code == 7
    (record,) = rows(result.out)
    assert record["error"]["code"] == "invalid_row"
    assert says in record["error"]["message"]
    assert server.requests == []


def test_a_finished_row_of_that_api_is_not_asked_again(cli, server, tmp_path):
    server.script = wire.reply(response(message("Hello")))
    (tmp_path / "rows.jsonl").write_text('{"prompt": "a"}\n{"prompt": "b"}\n')
    line = [
        "batch",
        "--base-url",
        server.base_url,
        "-m",
        "tiny",
        "--api",
        "responses",
        str(tmp_path / "rows.jsonl"),
    ]
    out = ["-O", str(tmp_path / "out.jsonl")]
    assert [cli(*line, *out).code, cli(*line, *out).code] == [0, 0]
    assert len(server.requests) == 2


REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed=="}
TOOL = (
    "--tools",
    '[{"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}]',
)


def test_a_tool_loop_sends_the_thoughts_back(ask, server):
    first = [REASONING, message("Let me see.", phase="commentary"), call_item("f", '{"a":1}')]
    server.script = [wire.reply(response(*first)), wire.reply(response(message("Done")))]
    result = ask("--api", "responses", "--no-stream", *TOOL, "--exec", "f=cat", "Hi")
    assert (result.code, result.out) == (0, "Done\n")
    opening, following = (request.json for request in server.requests)
    assert opening["include"] == following["include"] == ["reasoning.encrypted_content"]
    assert opening["tools"] == [
        {
            "type": "function",
            "name": "f",
            "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
            "strict": False,
        },
    ]
    result_item = {"type": "function_call_output", "call_id": "call_1", "output": '{"a":1}'}
    assert following["input"] == [*opening["input"], *first, result_item]


def test_thoughts_that_are_not_sealed_stay_here_and_items_go_without_their_ids(ask, server):
    first = [
        {**REASONING, "encrypted_content": ""},
        message("Well.", phase="commentary"),
        call_item("f", "{}"),
    ]
    server.script = [wire.reply(response(*first)), wire.reply(response(message("Done")))]
    assert ask("--api", "responses", "--no-stream", *TOOL, "--exec", "f=cat", "Hi").code == 0
    sent = server.requests[1].json["input"]
    assert [item["type"] for item in sent] == ["message", "message", "function_call", "function_call_output"]
    assert not any("id" in item for item in sent)


def test_thoughts_are_dropped_from_sessions(ask, server, tmp_path):
    server.script = wire.reply(response(REASONING, message("Hello")))
    session = ["--session", str(tmp_path / "s.jsonl"), "--api", "responses", "--no-stream"]
    assert [ask(*session, "Hi").code, ask(*session, "again").code] == [0, 0]
    assert "sealed" not in (tmp_path / "s.jsonl").read_text()
    assert [item["type"] for item in server.requests[1].json["input"]] == ["message"] * 3


def test_thoughts_of_one_model_go_to_no_other(ask, server):
    busy = wire.status(503, headers={"retry-after": "0"})
    called = wire.reply(response(REASONING, call_item("f", "{}"), model="other"))
    server.script = [busy, called, wire.reply(response(message("Done")))]
    line = [
        "--api",
        "responses",
        "--no-stream",
        "--retries",
        "0",
        "--fallback",
        "other",
        *TOOL,
        "--exec",
        "f=cat",
    ]
    assert ask(*line, "Hi").out == "Done\n"
    assert [request.json["model"] for request in server.requests] == ["tiny", "other", "tiny"]
    assert "sealed" not in server.requests[2].text + json.dumps(server.requests[2].json)


def cited(text: str, url: str, start: int, end: int) -> dict[str, Any]:
    note = {"type": "url_citation", "url": url, "title": "A page", "start_index": start, "end_index": end}
    return {
        "type": "output_text",
        "text": text,
        "annotations": [note, {"type": "file_citation", "file_id": "f"}],
    }


def test_citations_are_told_with_the_usage_and_stand_in_the_record(ask, server):
    parts = [cited("Hello ", "http://a", 0, 5), cited("there", "http://b", 0, 5)]
    server.script = wire.reply(
        response({"type": "web_search_call", "id": "ws_1"}, message("", content=parts))
    )
    result = ask("--api", "responses", "--no-stream", "-u", "Hi")
    assert result.out == "Hello there\n"
    assert result.err.splitlines()[:2] == ["cited: A page, http://a", "cited: A page, http://b"]
    body = json.loads(ask("--api", "responses", "--no-stream", "--format", "jsonl", "Hi").out)
    said_of = body["choices"][0]["message"]
    assert [one["url_citation"]["start_index"] for one in said_of["annotations"]] == [0, 6]
    assert said_of["output"][0]["type"] == "web_search_call"


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("server_error", 75),
        ("rate_limit_exceeded", 75),
        ("vector_store_timeout", 75),
        ("invalid_prompt", 65),
        ("image_too_large", 65),
        ("bio_policy", 4),
        ("misalignment_policy_violation", 4),
        ("image_content_policy_violation", 4),
        ("insufficient_quota", 69),
    ],
)
@pytest.mark.parametrize("way", ["--no-stream", "--stream"])
def test_an_answer_that_failed_is_what_its_code_says(ask, server, code, exit_code, way):
    gone = response(message("Hal"), status="failed", error={"code": code, "message": "It went wrong."})
    failed = (
        wire.reply(gone)
        if way == "--no-stream"
        else wire.events([{"type": "response.failed", "response": gone}])
    )
    server.script = failed
    result = ask("--api", "responses", way, "--retries", "0", "-u", "Hi")
    assert (result.code, result.out) == (exit_code, "")
    assert "It went wrong." in result.err
    assert "usage: 3 in" in result.err  # it is paid


QUEUED = response(status="queued", usage=None)
BACKGROUND = ("--api", "responses", "-o", "background=true")


@pytest.mark.parametrize("command", ["ask", "batch"])
def test_an_answer_of_the_background_is_looked_for_until_it_is_there(cli, server, command):
    made = [wire.reply(QUEUED), wire.status(503), wire.reply(response(message("Hello")))]
    server.script = made
    line = [command, "--base-url", server.base_url, "-m", "tiny", *BACKGROUND]
    result = (
        cli(*line, "Hi") if command == "ask" else cli(*line, "--format", "text", stdin=b'{"prompt": "Hi"}')
    )
    assert (result.code, result.out) == (0, "Hello\n"), result.err
    sent = [(request.method, request.path) for request in server.requests]
    assert sent == [("POST", "/v1/responses"), *[("GET", "/v1/responses/resp_1")] * 2]
    assert server.requests[0].json["background"] is True
    assert server.requests[0].json["stream"] is False


def test_one_that_is_not_found_again_is_given_up(ask, server):
    server.script = [wire.reply(QUEUED), wire.status(404)]
    assert ask(*BACKGROUND, "--retries", "0", "Hi").code == 65
    assert server.requests[-1].path == "/v1/responses/resp_1/cancel"


@pytest.mark.parametrize(
    ("api", "scenario", "hint"),
    [
        ("responses", wire.status(404), "ask with --api chat; check the model's name"),
        (
            "chat",
            wire.status(404, wire.error("This model is only supported in v1/responses.")),
            "ask with --api responses; ",
        ),
        ("chat", wire.status(404), "; check the model's name"),
    ],
)
def test_the_other_api_is_named_where_it_may_help(ask, server, api, scenario, hint):
    server.script = scenario
    result = ask("--api", api, "Hi")
    assert result.code == 65
    assert hint in result.err


def test_a_limit_under_its_own_name_is_one(ask, server):
    server.script = wire.reply(response(message("Hello")))
    result = ask("--api", "responses", "--no-stream", "-o", "max_output_tokens=2", "Hi")
    assert (result.code, result.out) == (3, "Hello\n")  # as many as it may have, and called completed
    assert said(server)["max_output_tokens"] == 2


@pytest.mark.parametrize("way", ["--stream", "--no-stream"])
def test_the_cache_and_recordings_keep_it(ask, server, tmp_path, way):
    line = ["--api", "responses", way, "--format", "jsonl"]
    first = json.loads(ask(*line, "--cache", "--record", str(tmp_path / "kept"), "Hi").out)
    again = json.loads(ask(*line, "--cache", "Hi").out)
    replayed = json.loads(ask(*line, "--replay", str(tmp_path / "kept"), "Hi").out)
    assert len(server.requests) == 1
    assert [one.pop("llmcli")["api"] for one in (first, again, replayed)] == ["responses"] * 3
    assert first == again == replayed
    assert ask("--api", "chat", "--replay", str(tmp_path / "kept"), "Hi").code == 66


def test_what_does_not_fit_is_asked_for_again(ask, server):
    server.script = [wire.reply(response(message("no"))), wire.reply(response(message('{"name": "Ann"}')))]
    result = ask("--api", "responses", "--no-stream", "--schema", "name", "--repair", "1", "Hi")
    assert (result.code, result.out) == (0, '{"name": "Ann"}\n')
    _, said_before, wish = server.requests[1].json["input"]
    assert said_before["content"] == [{"type": "output_text", "text": "no", "annotations": []}]
    assert wish["role"] == "user"


def test_a_chat_sends_its_turns_as_items(cli, server):
    line = ["chat", "--base-url", server.base_url, "-m", "tiny", "--api", "responses", "-s", "Be kind."]
    assert cli(*line, stdin=b"one\ntwo\n").out == "one\ntwo\n"
    sent = [(item["role"], item["content"][0]["text"]) for item in server.requests[1].json["input"]]
    assert sent == [("system", "Be kind."), ("user", "one"), ("assistant", "one"), ("user", "two")]


def test_a_fallback_of_chat_completions_gets_a_request_of_its_own(cli, server):
    server.script = [wire.status(404, wire.error("There is no such model.")), wire.ok("Hello")]
    line = [
        "ask",
        "--base-url",
        server.base_url,
        "-m",
        "gpt-5-codex",
        "--fallback",
        "tiny",
        "-M",
        "20",
        *TOOL,
    ]
    result = cli(*line, "--exec", "f=cat", "Hi", env=KEY)
    assert (result.code, result.out) == (0, "Hello\n"), result.err
    there, here = server.requests
    assert (there.path, here.path) == ("/v1/responses", "/v1/chat/completions")
    assert "include" in there.json
    assert here.json.keys() == {"model", "messages", "tools", "max_tokens", "stream", "stream_options"}
    assert here.json["messages"] == [{"role": "user", "content": "Hi"}]


def test_an_answer_in_events_to_a_request_for_a_whole_one(ask, server):
    server.script = wire.ok("Hello", stream=True)
    assert ask("--api", "responses", "--no-stream", "Hi").out == "Hello\n"


def test_two_calls_of_one_turn_are_both_answered(ask, server):
    calls = [call_item("f", '{"a":1}', "c1"), call_item("f", '{"a":2}', "c2")]
    server.script = [wire.reply(response(*calls)), wire.reply(response(message("Done")))]
    assert ask("--api", "responses", "--no-stream", *TOOL, "--exec", "f=cat", "Hi").out == "Done\n"
    items = server.requests[1].json["input"][1:]
    assert [item["type"] for item in items] == ["function_call"] * 2 + ["function_call_output"] * 2
    assert [item["call_id"] for item in items] == ["c1", "c2"] * 2
