"""The embedded provider: everything rehearsed with no key and no network."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Result

ECHO = ("ask", "-m", "offline/echo")
TOOLS = [
    {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
    {"name": "time"},
]


def record(result: Result) -> dict:
    assert (result.code, result.err) == (0, "")
    return json.loads(result.out)


def test_it_answers_with_the_last_user_text(cli):
    assert cli(*ECHO, "-s", "Be brief.", "hello", stdin=b"piped\n") == Result(0, "hello\n\npiped\n", "")


def test_it_needs_no_key_and_a_file_of_one_that_is_not_there_is_refused_as_anywhere(cli):
    assert cli(*ECHO, "hi") == Result(0, "hi\n", "")
    assert cli(*ECHO, "--api-key-file", "/no/such", "hi").code == 2


def test_it_says_offline(cli):
    answer = record(cli(*ECHO, "--json", "hi"))
    assert answer["model"] == "offline/echo"
    assert answer["id"].startswith("chatcmpl-offline-")
    assert (answer["llmcli"]["provider"], answer["llmcli"]["cost_usd"]) == ("offline", 0.0)


def test_n_answers(cli):
    assert cli(*ECHO, "--n", "3", "hi") == Result(0, "hi\nhi\nhi\n", "")
    assert [choice["index"] for choice in record(cli(*ECHO, "--n", "2", "--json", "hi"))["choices"]] == [0, 1]


def test_no_more_answers_than_openai_gives(cli):
    result = cli(*ECHO, "-o", "n=129", "hi")
    assert (result.code, result.out) == (65, "")
    assert (
        result.err
        == "llmcli: rejected: n is at most 128, and the request asks for 129; ask for fewer answers\n"
    )


@pytest.mark.parametrize(
    ("stops", "out"), [(["c"], "a b \n"), (["x"], "a b c d\n"), (["d", "b"], "a \n"), (["a"], "\n")]
)
def test_stop(cli, stops, out):
    argv = [word for stop in stops for word in ("--stop", stop)]
    assert cli(*ECHO, *argv, "a b c d") == Result(0, out, "")


def test_the_token_limit(cli):
    result = cli(*ECHO, "-M", "2", "one two three four")
    assert (result.code, result.out) == (3, "one two\n")
    assert result.err.startswith(
        "llmcli: incomplete: the answer was cut at the token limit (offline/echo, request "
    )
    assert cli(*ECHO, "-M", "4", "one two three four") == Result(0, "one two three four\n", "")


def test_the_token_limit_never_cuts_a_character(cli):
    for limit in range(1, 6):
        assert "\ufffd" not in cli(*ECHO, "-M", str(limit), "\U0001f9d1\u200d\U0001f680\U0001f9ff").out


def test_a_required_tool_is_called_with_valid_arguments(cli):
    result = cli(*ECHO, "--tools", json.dumps(TOOLS), "--tool-choice", "required", "hi")
    call = record(result)
    assert call.keys() == {"id", "name", "arguments"}
    assert call["name"] == "weather"
    assert call["arguments"].keys() == {"city", "days"}
    assert isinstance(call["arguments"]["city"], str)
    assert call["arguments"]["days"] >= 2


def test_a_named_tool_is_called(cli):
    call = record(cli(*ECHO, "--tools", json.dumps(TOOLS), "--tool-choice", "time", "hi"))
    assert (call["name"], call["arguments"]) == ("time", {})


@pytest.mark.parametrize("choice", [[], ["--tool-choice", "auto"], ["--tool-choice", "none"]])
def test_a_tool_that_need_not_be_called_is_not(cli, choice):
    assert cli(*ECHO, "--tools", json.dumps(TOOLS), *choice, "hi") == Result(0, "hi\n", "")


def test_a_schema_is_answered_with_an_instance(cli):
    schema = {
        "type": "object",
        "properties": {"n": {"const": 7}},
        "required": ["n"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    assert record(cli(*ECHO, "-o", f"response_format={json.dumps(wanted)}", "hi")) == {"n": 7}


def test_json_mode_is_answered_with_an_object(cli):
    assert record(cli(*ECHO, "--json-mode", "hi")) == {"echo": "hi"}
    assert record(cli(*ECHO, "--json-mode", '{"a": 1}')) == {"a": 1}


def test_it_streams_token_by_token(cli):
    lines = cli(*ECHO, "--format", "events", "one two three").out.splitlines()
    deltas = [choice["delta"] for line in lines[:-1] for choice in json.loads(line)["choices"]]
    assert [delta["content"] for delta in deltas if delta.get("content")] == ["one", " two", " three"]


def test_its_usage_is_counted(cli):
    usage = record(cli(*ECHO, "--json", "one two three"))["usage"]
    assert usage["completion_tokens"] == 3
    assert usage["prompt_tokens"] == int(cli("count", "-m", "offline/echo", "one two three").out)
    assert usage["total_tokens"] == usage["prompt_tokens"] + 3
    assert record(cli(*ECHO, "--json", "--stream", "one two three"))["usage"] == usage


def test_it_is_deterministic(cli):
    argv = [*ECHO, "--format", "events", "--n", "2", "hi"]
    assert cli(*argv) == cli(*argv)


def test_streamed_or_not_the_text_is_the_same(cli):
    text = "caf\u00e9 \U0001f600 <|endoftext|>\r\n\ttab"
    assert cli(*ECHO, text) == cli(*ECHO, "--no-stream", text) == Result(0, text + "\n", "")


@pytest.mark.parametrize("model", ["offline/nope", "offline/flaky2"])
def test_an_unknown_model(cli, model):
    result = cli("ask", "-m", model, "hi")
    assert result == Result(
        65, "", f"llmcli: rejected: there is no model {model}; offline/echo or offline/flaky\n"
    )


# --- flaky --------------------------------------------------------------------------------------------------


def test_flaky_that_never_fails(cli):
    assert cli("ask", "-m", "offline/flaky?rate=0", "--retries", "0", "hi") == Result(0, "hi\n", "")


@pytest.mark.parametrize(
    ("status", "code", "name"),
    [
        (429, 75, "tempfail"),
        (503, 75, "tempfail"),
        (400, 65, "rejected"),
        (401, 77, "auth"),
        (402, 69, "quota"),
    ],
)
def test_flaky_that_always_fails(cli, clock, status, code, name):
    result = cli("ask", "-m", f"offline/flaky?rate=1&status={status}", "--retries", "2", "hi")
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith(f"llmcli: {name}: offline/flaky fails this attempt on purpose")
    assert len(clock.slept) == (2 if code == 75 else 0)


def test_flaky_fails_its_share_and_the_same_each_time(cli):
    def codes(seed: int) -> list[int]:
        model = f"offline/flaky?rate=0.5&seed={seed}"
        return [cli("ask", "-m", model, "--retries", "0", str(row)).code for row in range(40)]

    assert codes(1) == codes(1)
    assert codes(1) != codes(2)
    assert set(codes(1)) == {0, 75}
    assert 10 <= codes(1).count(75) <= 30


def test_flaky_is_overcome_by_retries(cli):
    for row in range(10):
        result = cli("ask", "-q", "-m", "offline/flaky?rate=0.5", "--retries", "20", str(row))
        assert result == Result(0, f"{row}\n", "")


@pytest.mark.parametrize(
    "query", ["rate=2", "rate=-1", "rate=x", "rate=nan", "status=200", "status=x", "bogus=1", "rate="]
)
def test_a_query_that_is_none(cli, query):
    assert cli("ask", "-m", f"offline/flaky?{query}", "hi") == Result(
        2,
        "",
        f"llmcli: usage: offline/flaky?{query}: rate is 0 to 1, status 400 to 599, seed anything,"
        " retry_after seconds, tools each; e.g. offline/flaky?rate=0.2&status=429&seed=1\n",
    )
