"""`llmcli serve`: what any client of HTTP sees, what its command is told, how it ends."""

from __future__ import annotations

import http.client
import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import server as wire
from tests.conftest import Process, Result
from tests.process.conftest import status
from tests.process.served import HI, Got, Running, serving

TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("weather", "final_result")
]

CUSTOM = {"tools": [{"type": "custom", "custom": {"name": "c"}}], "tool_choice": "required"}


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(Process(tmp_path_factory.mktemp("echo")), "-m", "offline/echo") as running:
        yield running


def test_the_base_url_is_the_one_line_on_stdout(serve):
    running = serve("-q", "-m", "offline/echo")
    assert running.url.startswith("http://127.0.0.1:")
    assert running.url.endswith("/v1")
    running.child.send_signal(signal.SIGTERM)
    out, err = running.child.communicate(timeout=60)
    assert (status(running.child), out, err) == (143, b"", b"llmcli: terminated: SIGTERM arrived\n")


def test_a_chat_completion_whole_and_streamed(echo):
    whole = echo.chat(model="gpt-4o")
    assert (whole.status, whole.headers["content-type"]) == (200, "application/json")
    body = whole.json
    assert body["object"] == "chat.completion"
    assert body["model"] == "offline/echo"
    assert body["choices"][0]["message"]["content"] == "hello there"
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + 2
    assert whole.headers["x-request-id"] == body["id"]
    streamed = echo.chat(stream=True)
    assert streamed.text == "hello there"
    assert streamed.events[-1] == "[DONE]"
    assert not any("usage" in event for event in streamed.events[:-1])


@pytest.mark.parametrize("asked", [True, False])
def test_usage_comes_in_a_chunk_of_its_own_and_only_where_it_is_asked_for(echo, asked):
    events = echo.chat(stream=True, stream_options={"include_usage": asked}).events[:-1]
    counted = [event for event in events if event.get("usage")]
    assert len(counted) == asked
    assert all(event["choices"] == [] for event in counted)
    assert (events[-1] in counted) is asked


@pytest.mark.parametrize("path", ["/chat/completions", "//chat/completions", "/chat/completions/"])
def test_paths_with_and_without_v1_whatever_the_type_of_the_body(echo, path):
    got = echo.send("POST", path, {"messages": HI}, content_type="application/x-www-form-urlencoded")
    assert got.json["choices"][0]["message"]["content"] == "hello there"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_models(echo, method):
    for path in ("/models", "//models", "/models/offline%2Fecho", "/models/anything"):
        got = echo.send(method, path)
        assert got.status == 200
        assert (got.body == b"") == (method == "HEAD")
    model = {"id": "offline/echo", "object": "model", "created": 0, "owned_by": "offline"}
    assert echo.send("GET", "/models").json == {"object": "list", "data": [model]}
    assert echo.send("GET", "/models/offline%2Fecho").json == model


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "DELETE"])
def test_what_is_not_there_is_a_404_that_names_what_is(echo, method):
    got = echo.send(method, "/embeddings", b"{}" if method == "POST" else None)
    assert got.status == 404
    assert got.headers["x-should-retry"] == "false"
    if method != "HEAD":
        assert got.error["message"].startswith(
            f"llmcli serve has no {method} /embeddings; it has POST /chat/comp"
        )


def test_another_method_is_a_405_that_names_the_right_one(echo):
    got = echo.send("GET", "/chat/completions")
    assert (got.status, got.headers["allow"]) == (405, "POST")
    assert got.error["message"] == "/chat/completions takes POST, not GET"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "the body is not valid JSON"),
        (b"[]", "the body is JSON, but no object"),
        (b"{}", "messages must be a list of messages that is not empty"),
        ({"messages": HI, "stream": 1}, "stream must be true or false"),
        ({"messages": HI, "model": 1}, "the model must be a string"),
        ({"messages": HI, "n": "two"}, "n is an integer"),
        ({"messages": [1]}, "messages[0] must be an object with a role"),
        ({"messages": HI, "response_format": {"type": []}}, "the type of response_format is text"),
        ({"messages": [{"role": "user", "content": 5}], "stream": True, **CUSTOM}, "not of the API's shape"),
    ],
)
def test_a_usage_error_is_a_400(echo, body, words):
    got = echo.send("POST", "/chat/completions", body)
    assert (got.status, got.headers["x-should-retry"]) == (400, "false")
    assert words in got.error["message"]


@pytest.mark.parametrize("origin", ["https://example.com", "null", ""])
def test_a_web_page_is_not_answered(echo, origin):
    got = echo.send("POST", "/chat/completions", {"messages": HI}, Origin=origin)
    assert (got.status, got.error["code"]) == (403, "origin")


def test_a_request_for_more_than_a_server_can_hold_is_refused_and_ends_nothing(echo):
    assert "n is at most 128" in echo.chat(n=1_000_000_000).error["message"]
    got = echo.chat([{"role": "user", "content": "word " * 200_000}], n=128)
    assert (got.status, got.headers["x-should-retry"]) == (400, "false")
    assert echo.chat(n=128).status == 200


def test_flags_are_defaults_that_the_body_overrides(serve):
    running = serve("-m", "offline/echo", "-M", "1", "--n", "2")
    said = running.chat([{"role": "user", "content": "one two three"}]).json["choices"]
    assert [(one["message"]["content"], one["finish_reason"]) for one in said] == [("one", "length")] * 2
    said = running.chat([{"role": "user", "content": "one two three"}], max_tokens=2, n=1).json["choices"]
    assert [one["message"]["content"] for one in said] == ["one two"]


def test_without_a_model_the_client_names_it_and_needs_the_token(serve):
    running = serve(LLMCLI_MODEL="openai/none")
    token = running.child.stderr.readline().decode().split()[-1]
    assert running.chat(model="offline/echo").status == 401
    got = running.send(
        "POST",
        "/chat/completions",
        {"messages": HI, "model": "offline/echo"},
        Authorization=f"Bearer {token}",
    )
    assert got.json["choices"][0]["message"]["content"] == "hello there"
    nobody = running.send("POST", "/chat/completions", {"messages": HI}, Authorization=f"Bearer {token}")
    assert (nobody.status, nobody.error["param"]) == (400, None)
    assert "no model" in nobody.error["message"]


@pytest.mark.parametrize(("code", "wait"), [("429", "1"), ("503", "1"), ("429&retry_after=2.5", "3")])
def test_what_fails_on_purpose_is_the_clients_to_try_again(serve, code, wait):
    got = serve("-m", f"offline/flaky?rate=1&status={code}").chat()
    assert (got.status, got.headers["retry-after"]) == (int(code[:3]), wait)
    assert "x-should-retry" not in got.headers
    assert got.error["message"].startswith("offline/flaky fails this attempt on purpose")


def test_retries_that_are_asked_for_are_ours(serve):
    running = serve("-m", "offline/flaky?rate=0.5&retry_after=0", "--retries", "20")
    assert {running.chat([{"role": "user", "content": str(n)}]).status for n in range(6)} == {200}


def test_a_fallback_answers(serve):
    got = serve("-m", "offline/flaky?rate=1", "--fallback", "offline/echo").chat()
    assert got.json["model"] == "offline/echo"


def test_a_fallback_in_this_process_behind_a_server_that_is_gone(serve):
    running = serve("-q", "-m", "tiny", "--base-url", "http://127.0.0.1:9/v1", "--fallback", "offline/echo")
    token = running.child.stderr.readline().decode().split()[-1]
    got = running.send("POST", "/chat/completions", {"messages": HI}, Authorization=f"Bearer {token}")
    assert got.json["model"] == "offline/echo"
    assert running.end() == (143, b"llmcli: terminated: SIGTERM arrived\n")


def test_what_a_model_is_known_to_reject_is_refused_before_anything_runs(shell):
    said = shell("llmcli serve -m o4-mini --temperature 0.5 -- echo ran; echo $?")
    assert said.out == "2\n"
    assert "o4-mini is a reasoning model and rejects temperature" in said.err


def test_recorded_then_replayed_and_a_miss(serve, tmp_path):
    made = serve("-m", "offline/echo", "--record", str(tmp_path / "calls"))
    first, streamed = (
        made.chat().json,
        made.chat([{"role": "user", "content": "by and by"}], stream=True).text,
    )
    assert made.end()[0] == 143
    again = serve("-m", "offline/echo", "--replay", str(tmp_path / "calls"))
    assert again.chat().json == first
    assert again.chat(stream=True).text == "hello there"
    assert again.chat([{"role": "user", "content": "by and by"}], stream=True).text == streamed
    missed = again.chat([{"role": "user", "content": "else"}])
    assert (missed.status, missed.error["code"]) == (404, "no_recorded_answer")
    assert missed.headers["x-should-retry"] == "false"


def test_a_budget_is_a_402(serve, server):
    running = serve(
        "-m", "gpt-4o", "--base-url", server.base_url, "--max-cost", "0.000001", OPENAI_API_KEY="sk-x"
    )
    token = running.child.stderr.readline().decode().split()[-1]
    got = running.send("POST", "/chat/completions", {"messages": HI}, Authorization=f"Bearer {token}")
    assert (got.status, got.error["type"], got.headers["x-should-retry"]) == (
        402,
        "insufficient_quota",
        "false",
    )
    assert server.requests == []


def test_required_tools_are_each_called_once_and_then_the_last(echo):
    messages: list[Any] = [*HI]
    called = []
    for _ in range(3):
        message = echo.chat(messages, tools=TOOLS, tool_choice="required").json["choices"][0]["message"]
        call = message["tool_calls"][0]
        called.append(call["function"]["name"])
        messages += [message, {"role": "tool", "tool_call_id": call["id"], "content": "{}"}]
    assert called == ["weather", "final_result", "final_result"]


def test_each_tool_is_called_once_where_that_is_rehearsed(serve):
    running = serve("-m", "offline/echo?tools=each")
    message = running.chat(tools=TOOLS).json["choices"][0]["message"]
    assert [call["function"]["name"] for call in message["tool_calls"]] == ["weather", "final_result"]
    assert len({call["id"] for call in message["tool_calls"]}) == 2
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "1"} for call in message["tool_calls"]]
    assert running.chat([*HI, message, *results], tools=TOOLS).json["choices"][0]["finish_reason"] == "stop"
    one = running.chat(tools=TOOLS, parallel_tool_calls=False).json["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["name"] for call in one] == ["weather"]


# The command behind --


def test_a_command_is_told_where_and_its_status_is_ours(shell):
    done = shell(
        "llmcli serve -m offline/echo -- sh -c 'echo $OPENAI_API_KEY; env | grep -ciE ^no_proxy=; exit 7'; echo $?",
        OPENAI_API_BASE="rubbish",
        HTTP_PROXY="http://127.0.0.1:9",
        NO_PROXY="example.com",
    )
    assert done.out == "offline\n2\n7\n"
    assert done.err == "served 0 requests, 0 tokens, $0.000000\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_are_not_what_a_connection_is_taken_for(shell, closed):
    command = "sh -c 'curl -s $OPENAI_BASE_URL/models > models; exit 3'"
    done = shell(f"(llmcli serve -q -m offline/echo -- {command}) {closed}; echo $?; cat models")
    assert done.out.startswith('3\n{"object":"list"')


def test_a_command_that_is_not_there(shell):
    done = shell("llmcli serve -m offline/echo -- no-such-command; echo $?")
    assert done.out == "2\n"
    assert "usage: cannot run no-such-command: No such file or directory" in done.err


def test_a_command_without_two_dashes(shell):
    done = shell("llmcli serve -m offline/echo true; echo $?")
    assert done.out == "2\n"
    assert done.err == "llmcli: usage: true: a command stands behind --; llmcli serve [OPTIONS] -- COMMAND\n"


def test_no_proxy_at_all_stays_no_proxy_at_all(shell):
    assert (
        shell("llmcli serve -q -m offline/echo -- sh -c 'echo $NO_PROXY $no_proxy'", NO_PROXY="*").out
        == "* *\n"
    )


def test_the_key_of_a_rehearsal_is_too_short_to_be_starred_in_a_text(shell):
    said = "echo $OPENAI_API_KEY is the key | llmcli ask"
    assert shell(f"llmcli serve -q -m offline/echo -- sh -c '{said}'").out == "offline is the key\n"


def test_two_dashes_without_a_command(shell):
    done = shell("llmcli serve -m offline/echo -- $NOTHING; echo $?")
    assert done.out == "2\n"
    assert (
        done.err
        == "llmcli: usage: no command stands behind --; name one, or leave -- out to serve until a signal\n"
    )


def test_a_signal_is_the_commands(process):
    child = process.start(
        "serve", "-q", "-m", "offline/echo", "--", "sh", "-c", "trap 'exit 5' TERM; echo up; sleep 60 & wait"
    )
    assert child.stdout.readline() == b"up\n"
    child.send_signal(signal.SIGTERM)
    child.stdout.close()
    assert child.wait(60) == 5
    child.stderr.close()


def test_openais_own_client_asks_both_apis_past_a_proxy_and_a_wrong_address(process):
    script = str(Path(__file__).with_name("serve_openai.py"))
    env = {
        "OPENAI_API_BASE": "http://127.0.0.1:9",
        **dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:9"),
    }
    done = process("serve", "-q", "-m", "offline/echo", "--", sys.executable, script, env=env)
    assert done == Result(0, "all is well\n", "")


# The Responses API


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"include": 5}, "include is a JSON array"),
        ({"include": [{}]}, "include {} has no counterpart here"),
        ({"tools": 5}, "tools is a JSON array"),
        ({"tools": [5]}, "the body is not of the Responses API's shape"),
        ({"tools": [{"type": []}]}, "the hosted tool [] has no counterpart here"),
        ({"input": [{"type": {}}]}, "the body is not of the Responses API's shape"),
        ({"text": {"format": {"type": []}}}, "the body is not of the Responses API's shape"),
        ({"input": 5}, "input must be text, or a list of messages that is not empty"),
        ({"conversation": "c"}, "conversation has no counterpart here"),
        (
            {"input": [{"type": "item_reference", "id": "fc_1"}]},
            "no answer that is remembered here has an item fc_1",
        ),
    ],
)
def test_a_body_that_is_not_of_its_shape_is_a_400(echo, fields, words):
    got = echo.send("POST", "/responses", {"input": "hi", **fields})
    assert (got.status, got.headers["x-should-retry"]) == (400, "false")
    assert words in got.error["message"]


def typed(got: Got) -> list[tuple[str, Any]]:
    """The events of a stream, each by its name."""
    blocks = [block.split("\n") for block in got.body.decode().split("\n\n") if block]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


def test_a_refusal_and_reasoning_are_told_in_items_of_their_own(through, server):
    server.script = wire.ok(None, refusal="I will not", reasoning="Hm. No.")
    whole = through("/responses", input="hi", messages=None).json
    assert [item["type"] for item in whole["output"]] == ["reasoning", "message"]
    assert whole["output"][0]["summary"] == [{"type": "summary_text", "text": "Hm. No."}]
    assert whole["output"][1]["content"] == [{"type": "refusal", "refusal": "I will not"}]
    events = typed(through("/responses", input="hi", messages=None, stream=True))
    assert [name for name, data in events if data["type"] != name] == []
    assert [data["output_index"] for name, data in events if name == "response.output_item.done"] == [0, 1]
    final = events[-1][1]["response"]
    assert [item["type"] for item in final["output"]] == ["reasoning", "message"]


def test_a_filtered_answer_is_incomplete(through, server):
    server.script = wire.ok("Hel", finish_reason="content_filter")
    whole = through("/responses", input="hi", messages=None).json
    assert (whole["status"], whole["incomplete_details"]) == ("incomplete", {"reason": "content_filter"})


def test_a_broken_stream_of_events_ends_in_an_error(through, server):
    server.script = wire.cut(wire.ok("Hello there, you"), -60)
    name, data = typed(through("/responses", input="hi", messages=None, stream=True))[-1]
    assert (name, data["type"], data["error"]["message"]) == ("error", "error", data["message"])
    assert (
        data["code"] == data["error"]["code"] == "server_error"
    )  # the Vercel AI SDK hears of no error without


# The upstream


def test_an_upstreams_error_keeps_its_status_and_code(through, server):
    server.script = wire.status(
        429,
        body={"error": {"message": "Slow down", "code": "rate_limit_exceeded"}},
        headers={"retry-after": "3"},
    )
    got = through()
    assert (got.status, got.headers["retry-after"], got.error["code"]) == (429, "3", "rate_limit_exceeded")
    assert "Slow down" in got.error["message"]


def test_a_connection_that_breaks_is_a_502(through, server):
    server.script = wire.drop()
    assert through().status == 502


@pytest.mark.parametrize("identity", ["a\r\nSet-Cookie: x=1", " a ", "a\0b", "中", ""])
def test_an_id_that_no_header_can_hold_is_in_none(through, server, identity):
    server.script = wire.ok("Hello", extra={"id": identity}, headers={"x-request-id": None})
    got = through()
    assert got.json["choices"][0]["message"]["content"] == "Hello"
    assert got.headers.keys() == {"content-type", "content-length"}


def test_a_stream_that_breaks_off_ends_in_an_error_event(through, server):
    server.script = wire.cut(wire.ok("Hello there, you"), -60)
    events = through(stream=True).events
    assert events[0]["choices"][0]["index"] == 0
    assert "the connection broke" in events[-1]["error"]["message"]


def test_usage_in_every_chunk_and_a_missing_index_reach_no_client(through, server):
    first = {"id": 7, "choices": [{"delta": {"content": "Hel"}}], "usage": {"prompt_tokens": 1}}
    last = {
        "id": 7,
        "choices": [{"delta": {"content": "lo"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 2},
    }
    server.script = wire.events([first, last])
    got = through(stream=True)
    assert got.text == "Hello"
    for event in got.events[:-1]:
        assert "usage" not in event
        assert (event["id"], event["object"], event["choices"][0]["index"]) == (
            "7",
            "chat.completion.chunk",
            0,
        )


def awaiting(serve, server) -> tuple[Running, http.client.HTTPConnection, wire.Hold]:
    """A server that runs, a client's connection whose answer is awaited, and what holds the answer back."""
    running = serve("-m", "tiny", "--base-url", server.base_url)
    token = running.child.stderr.readline().decode().split()[-1]
    hold = wire.Hold()
    server.script = wire.held(wire.ok("Hello"), hold)
    place = urlsplit(running.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    connection.request(
        "POST", "/v1/chat/completions", json.dumps({"messages": HI}), {"Authorization": f"Bearer {token}"}
    )
    assert hold.reached.wait(30)
    return running, connection, hold


def test_a_client_that_goes_away_ends_its_request_upstream(serve, server):
    _, connection, _ = awaiting(serve, server)
    connection.close()
    assert server.requests[0].finished.wait(30)
    assert server.requests[0].gone


@pytest.mark.parametrize("twice", [False, True])
def test_sigterm_lets_what_is_under_way_end_and_a_second_one_does_not(serve, server, twice):
    running, connection, hold = awaiting(serve, server)
    running.child.send_signal(signal.SIGTERM)
    if twice:
        while running.child.poll() is None:  # a signal that comes before the first was seen is the same one
            running.child.send_signal(signal.SIGTERM)
            time.sleep(0.01)
        with pytest.raises((http.client.HTTPException, OSError)):
            connection.getresponse()
    else:
        hold.release()
        assert json.load(connection.getresponse())["choices"][0]["message"]["content"] == "Hello"
    connection.close()
    assert status(running.child) == 143, running.child.stderr.read()


def test_the_usage_file_has_a_line_a_request(serve, tmp_path: Path):
    path = tmp_path / "usage.jsonl"
    running = serve("-m", "offline/echo", "--usage-file", str(path))
    running.chat()
    running.chat(stream=True)
    running.chat([])
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [line["model"] for line in lines] == ["echo", "echo", None]
    assert lines[2]["error"]["status"] == 400
    code, err = running.end()
    assert (code, err) == (
        143,
        b"served 3 requests, 22 tokens, $0.000000; 1 usage\nllmcli: terminated: SIGTERM arrived\n",
    )
