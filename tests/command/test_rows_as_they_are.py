"""Rows as people have them: nulls and floats of data frames, numbers for text, what other tools write."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Result


@pytest.fixture
def sent(cli, server):
    """The bodies that rows are sent with, the model aside."""

    def run(*rows: object, argv: tuple[str, ...] = ()) -> list[dict[str, object]]:
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        fixed = ["--base-url", server.base_url, "-m", "tiny", "-j", "1"]
        result = cli("batch", *fixed, *argv, stdin="\n".join(lines).encode())
        assert result.code == 0, result
        return [{k: v for k, v in request.json.items() if k != "model"} for request in server.requests]

    return run


def user(content: object) -> dict[str, object]:
    return {"role": "user", "content": content}


HI = [user("hi")]
NO_TYPE = {"type": "text", "text": "hi"}


@pytest.mark.parametrize(
    ("row", "argv", "body"),
    [
        ({"prompt": "hi", "max_tokens": None}, ["-M", "50"], {"messages": HI, "max_tokens": 50}),
        ({"messages": HI, "max_tokens": None}, ["-M", "50"], {"messages": HI, "max_tokens": 50}),
        ({"body": {"messages": HI, "max_tokens": None}}, ["-M", "50"], {"messages": HI, "max_tokens": 50}),
        ({"prompt": "hi", "temperature": None}, ["--temperature", "0"], {"messages": HI, "temperature": 0}),
        ({"prompt": "hi", "stop": None, "seed": None}, ["--stop", "x"], {"messages": HI, "stop": ["x"]}),
        ({"prompt": "hi", "messages": None, "body": None}, [], {"messages": HI}),
        ({"prompt": None, "messages": HI}, [], {"messages": HI}),
        ({"prompt": "hi", "tools": None, "tool_choice": None, "model": None}, [], {"messages": HI}),
        (
            {"prompt": "hi", "system": None},
            ["-s", "S"],
            {"messages": [{"role": "system", "content": "S"}, *HI]},
        ),
        ({"messages": [{**user("hi"), "name": None, "tool_calls": None}]}, [], {"messages": HI}),
        (
            {"messages": [user([{**NO_TYPE, "image_url": None}])]},
            [],
            {"messages": [user([NO_TYPE])]},
        ),
        (
            {"prompt": "hi", "response_format": {"type": "text", "json_schema": None}},
            [],
            {"messages": HI, "response_format": {"type": "text"}},
        ),
        ({"prompt": "hi", "stream_options": None, "stream": None}, [], {"messages": HI}),
        ({"prompt": "hi", "metadata": {"a": "b", "c": None}}, [], {"messages": HI, "metadata": {"a": "b"}}),
    ],
)
def test_a_null_is_not_said(sent, row, argv, body):
    assert sent(row, argv=tuple(argv)) == [body]


def test_a_null_that_says_something_stays(sent):
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [*HI, {"role": "assistant", "content": None, "tool_calls": [call]}]
    messages.append({"role": "tool", "tool_call_id": "1", "content": "x"})
    parameters = {"type": "object", "properties": {"a": {"enum": [None, 1], "default": None}}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    assert sent({"messages": messages, "tools": tools}) == [{"messages": messages, "tools": tools}]


@pytest.mark.parametrize(
    ("given", "value"),
    [("100.0", 100), ("1e2", 100), ("100", 100)],
)
@pytest.mark.parametrize(
    "name", ["max_tokens", "max_completion_tokens", "seed", "n", "top_k", "top_logprobs"]
)
def test_a_whole_float_is_an_integer_where_one_is_wanted(sent, cli, name, given, value):
    (body,) = sent(f'{{"prompt":"hi","{name}":{given},"temperature":1.0}}')
    assert body[name] == value
    assert type(body[name]) is int
    assert type(body["temperature"]) is float
    shown = cli("ask", "--dry-run", "--base-url", "http://x/v1", "-m", "t", "-o", f"{name}={given}", "hi").out
    assert f'"{name}":{value}' in shown.replace('"logprobs":true,', "")


def test_half_a_token_is_no_integer(cli, server):
    argv = ["batch", "--base-url", server.base_url, "-m", "tiny"]
    out = json.loads(cli(*argv, stdin=b'{"prompt":"hi","max_tokens":0.5}\n').out)
    assert out["error"] == {"code": "invalid_row", "message": "max_tokens is an integer"}


@pytest.mark.parametrize("text", ["42", "4.0", "1.50", "-0", "1e-7", "123456789012345678901234567890"])
def test_a_prompt_that_is_a_number_is_its_text(sent, text):
    assert sent(f'{{"prompt": {text}}}') == [{"messages": [user(text)]}]


def test_a_system_message_that_is_a_number_is_its_text(sent):
    assert sent('{"prompt": "hi", "system": 1.0}')[0]["messages"][0]["content"] == "1.0"


@pytest.mark.parametrize("value", ["true", "[1]", '{"a":1}'])
def test_a_prompt_that_is_neither_is_no_prompt(cli, value):
    line = f'{{"prompt": {value}}}'.encode()
    assert json.loads(cli("batch", "-m", "offline/echo", stdin=line).out)["error"]["code"] == "invalid_row"


@pytest.mark.parametrize(
    "url",
    [
        "/v1/chat/completions",
        "/chat/completions",
        "/v4/chat/completions",
        "/api/paas/v4/chat/completions",
        "/openai/deployments/x/chat/completions?api-version=1",
        "https://api.openai.com/v1/chat/completions",
        None,
    ],
)
@pytest.mark.parametrize("method", ["POST", "post", "Post", None])
def test_an_endpoint_of_any_version_is_fine(sent, url, method):
    assert sent({"url": url, "method": method, "body": {"messages": HI}}) == [{"messages": HI}]


@pytest.mark.parametrize(
    ("url", "method"), [("/v1/embeddings", "POST"), ("/v1/chat/completions", "GET"), (5, 5)]
)
def test_another_endpoint_is_no_row(cli, url, method):
    line = json.dumps({"url": url, "method": method, "body": {"messages": HI}}).encode()
    message = json.loads(cli("batch", "-m", "offline/echo", stdin=line).out)["error"]["message"]
    assert message == f"{method} {url} is not POST /v1/chat/completions or /v1/responses"


@pytest.mark.parametrize("given", ["7", "1.0", "-3", "123456789012345678901", '"7"', '""'])
def test_a_numeric_id_stays_a_number(cli, given):
    out = cli("batch", "-m", "offline/echo", stdin=f'{{"prompt":"hi","custom_id":{given}}}'.encode()).out
    assert f'"custom_id":{given},"response"' in out


def test_a_numeric_id_in_words_of_errors(cli, tmp_path):
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    for text in ("a", "b"):
        source.write_text(f'{{"prompt":"{text}","custom_id":7}}\n')
        result = cli("batch", "-q", "-m", "offline/echo", str(source), "-O", str(out))
    assert result == Result(
        2,
        "",
        "llmcli: usage: row 0 is done, but what it asks has changed since (line 1, 7); restore the input and flags,"
        " or say --on-change rerun|keep, or start over with --fresh\n",
    )
