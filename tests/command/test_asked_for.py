"""Asked for, and not given: calls, arguments, answers and logprobs that are not what the request said."""

from __future__ import annotations

import json

import pytest

from tests import server as wire
from tests.conftest import Result

WEATHER = {
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TOOLS = json.dumps([WEATHER, {"name": "clock"}])
HOW = pytest.mark.parametrize("how", [[], ["--no-stream"]], ids=["stream", "whole"])
OSLO = {"city": "Oslo"}


def invalid(result: Result, why: str) -> bool:
    return (
        result.code == 5 and result.err == f"llmcli: invalid: {why} (openai/tiny, request req_1); try again\n"
    )


@HOW
@pytest.mark.parametrize(
    ("choice", "answer", "why"),
    [
        ("required", "Hi", "the model did not call a tool, as it was to"),
        ("weather", "Hi", "the model did not call weather, as it was to"),
        ("weather", {"tool_calls": [wire.call("clock", {})]}, "the model did not call weather, as it was to"),
        (
            "none",
            {"tool_calls": [wire.call("weather", OSLO)]},
            "the model called weather, and no call was to be made",
        ),
        (
            "auto",
            {"tool_calls": [wire.call("wether", OSLO)]},
            "the model called wether, which is no tool that it was offered",
        ),
        (
            "auto",
            {"tool_calls": [wire.call("weather", {})]},
            'the arguments of the call of weather do not fit its schema: "city" is a required property',
        ),
        (
            "auto",
            {"tool_calls": [wire.call("weather", OSLO), wire.call("weather", {"city": 1}, "call_2")]},
            'the arguments of the call of weather do not fit its schema: /city: 1 is not of type "string"',
        ),
        (
            "auto",
            {"tool_calls": [wire.call("clock", "[1]")]},
            "the arguments of the call of clock are not a valid JSON object: they are no object",
        ),
    ],
)
def test_calls_that_are_not_as_asked_are_invalid(ask, server, how, choice, answer, why):
    server.script = wire.ok(answer) if isinstance(answer, str) else wire.ok(**answer)
    assert invalid(ask(*how, "--tools", TOOLS, "--tool-choice", choice, "hi"), why)


def test_a_call_though_no_tool_was_offered_is_invalid(ask, server):
    server.script = wire.ok(tool_calls=[wire.call("f", {})])
    assert invalid(ask("hi"), "the model called f, which is no tool that it was offered")


@pytest.mark.parametrize(
    ("choice", "call"),
    [
        ("required", wire.call("clock", {})),
        ("weather", wire.call("weather", OSLO)),
        ("auto", wire.call("clock", "")),
        ('{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[]}}', wire.call("clock", {})),
    ],
)
def test_calls_that_are_as_asked(ask, server, choice, call):
    server.script = wire.ok(tool_calls=[call])
    assert ask("--tools", TOOLS, "--tool-choice", choice, "hi").code == 0


def test_a_choice_that_was_forced_is_met_by_a_call_that_ran(ask, server):
    server.script = [wire.ok(tool_calls=[wire.call("weather", OSLO)]), wire.ok("Rain")]
    argv = ["--tools", TOOLS, "--tool-choice", "weather", "--exec", "weather=cat", "hi"]
    assert ask(*argv) == Result(0, "Rain\n", "")


def test_a_call_that_was_not_to_be_made_is_not_run(ask, server, tmp_path):
    server.script = wire.ok(tool_calls=[wire.call("weather", OSLO)])
    argv = ["--tools", TOOLS, "--tool-choice", "none", "--exec", f"weather=touch {tmp_path}/ran", "hi"]
    assert ask(*argv).code == 5
    assert not (tmp_path / "ran").exists()


def test_arguments_that_do_not_fit_are_told_to_the_model(ask, server, tmp_path):
    server.script = [wire.ok(tool_calls=[wire.call("weather", {})]), wire.ok("Which city?")]
    argv = ["--tools", TOOLS, "--exec", f"weather=touch {tmp_path}/ran", "hi"]
    assert ask(*argv) == Result(0, "Which city?\n", "")
    said = server.requests[1].json["messages"][-1]["content"]
    assert said == 'error: the arguments do not fit its schema: "city" is a required property'
    assert not (tmp_path / "ran").exists()


def test_a_row_whose_call_is_not_as_asked_is_a_failure(cli, server):
    server.script = wire.ok(tool_calls=[wire.call("weather", {})])
    argv = ["--base-url", server.base_url, "-m", "tiny", "--tools", TOOLS]
    done = cli("batch", "-q", *argv, stdin=b'{"prompt": "hi"}\n')
    record = json.loads(done.out)
    assert (done.code, record["error"]["code"]) == (7, "invalid")
    assert record["response"]["body"]["choices"][0]["message"]["tool_calls"]


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param(wire.call("weather", OSLO), id="an object for a list"),
        pytest.param([wire.call("weather", json.dumps(json.dumps(OSLO)))], id="arguments encoded twice"),
        pytest.param(
            [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": OSLO}}]
        ),
        pytest.param([{"id": "call_1", "name": "weather", "arguments": json.dumps(OSLO)}], id="no function"),
    ],
)
def test_calls_in_other_dresses_are_the_calls_that_were_meant(ask, server, calls):
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    answer = wire.reply({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
    server.script = answer
    out = '{"id":"call_1","name":"weather","arguments":{"city":"Oslo"}}\n'
    assert ask("--no-stream", "--tools", TOOLS, "hi") == Result(0, out, "")
    server.script = [answer, wire.ok("Rain")]
    assert ask("--no-stream", "--tools", TOOLS, "--exec", "weather=cat", "hi") == Result(0, "Rain\n", "")
    back = server.requests[-1].json["messages"][-2]["tool_calls"][0]["function"]
    assert json.loads(back["arguments"]) == OSLO if isinstance(back["arguments"], str) else OSLO


# --- Less than was asked for --------------------------------------------------------------------------------


def test_fewer_answers_and_no_logprobs_though_asked_for_are_told(ask, server):
    server.script = wire.reply({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]})
    done = ask("--no-stream", "--logprobs", "--n", "2", "hi")
    assert done == Result(
        0,
        "Hi\n",
        "llmcli: warning: 1 answer came, and --n 2 asked for 2\n"
        "llmcli: warning: logprobs were asked for, and none came\n",
    )


def test_a_batch_says_once_what_its_rows_lack(cli, server):
    server.script = wire.reply({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]})
    argv = ["--base-url", server.base_url, "-m", "tiny", "--n", "2", "-j", "1"]
    done = cli("batch", *argv, stdin=b'{"prompt": "a"}\n{"prompt": "b"}\n')
    assert (done.code, done.err.count("asked for 2")) == (0, 1)


# --- Attempts -----------------------------------------------------------------------------------------------


def test_attempts_count_repairs(ask, cli, server):
    server.script = [wire.ok("no"), wire.status(503), wire.ok('{"a": 1}')]
    record = json.loads(ask("--json", "--schema", "a int", "--repair", "1", "hi").out)
    assert record["llmcli"]["attempts"] == 3
    server.script = [wire.ok("no"), wire.ok('{"a": 1}')]
    argv = ["--base-url", server.base_url, "-m", "tiny", "--schema", "a int", "--repair", "1"]
    record = json.loads(cli("batch", "-q", *argv, stdin=b'{"prompt": "hi"}\n').out)
    assert record["llmcli"]["attempts"] == 2


def test_attempts_of_a_row_count_repairs_that_failed(cli, server):
    server.script = [wire.ok("no"), wire.status(503), wire.ok("no"), wire.ok('{"a": 1}')]
    argv = ["--base-url", server.base_url, "-m", "tiny", "--schema", "a int", "--repair", "1"]
    record = json.loads(cli("batch", "-q", *argv, stdin=b'{"prompt": "hi"}\n').out)
    assert record["llmcli"]["attempts"] == 4


def test_attempts_count_the_turns_of_tools(ask, server):
    server.script = [wire.ok(tool_calls=[wire.call("weather", OSLO)]), wire.ok("Rain")]
    record = json.loads(ask("--json", "--tools", TOOLS, "--exec", "weather=cat", "hi").out)
    assert record["llmcli"]["attempts"] == 2


# --- Schemas and tools in neighbours' wrappings -------------------------------------------------------------

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "given",
    [
        {"name": "place", "strict": True, "schema": SCHEMA},
        {"type": "json_schema", "json_schema": {"name": "place", "strict": True, "schema": SCHEMA}},
        {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True},
        {"format": {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True}},
        {"text": {"format": {"type": "json_schema", "name": "place", "schema": SCHEMA}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}},
        {"name": "place", "input_schema": SCHEMA},
        {"name": "place", "inputSchema": SCHEMA},
        {"type": "function", "function": {"name": "place", "parameters": SCHEMA}},
    ],
    ids=str,
)
def test_a_schema_in_a_wrapping_is_unwrapped(cli, given):
    body = json.loads(cli("ask", "--dry-run", "--schema", json.dumps(given), "hi").out)
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "place", "schema": SCHEMA, "strict": True},
    }


def test_a_wrapping_that_is_not_strict_is_sent_so(cli):
    given = json.dumps({"name": "place", "strict": False, "description": "where", "schema": SCHEMA})
    sent = json.loads(cli("ask", "--dry-run", "--schema", given, "hi").out)["response_format"]["json_schema"]
    assert sent == {"name": "place", "description": "where", "schema": SCHEMA, "strict": False}


@pytest.mark.parametrize(
    "given",
    ['{"name": "string", "age": "int"}', "{}", '{"title": "A", "description": "b"}', '{"$defs": {"a": {}}}'],
)
def test_a_schema_that_asks_for_nothing_is_refused(ask, server, given):
    done = ask("--schema", given, "hi")
    assert done.code == 2
    assert done.err.startswith("llmcli: usage: --schema asks for nothing: ")
    assert server.requests == []


def test_the_dsl_refuses_a_name_twice(cli):
    done = cli("ask", "--dry-run", "--schema", "name, age int, name", "hi")
    assert done == Result(2, "", "llmcli: usage: --schema: 'name' is named twice; names must differ\n")


@pytest.mark.parametrize("draft", [None, "draft-07/schema#", "draft/2019-09/schema", "draft/2020-12/schema"])
def test_format_is_checked_whatever_the_draft(ask, server, draft):
    schema = {"type": "object", "properties": {"d": {"type": "string", "format": "date"}}, "required": ["d"]}
    if draft:
        kind = "https" if "20" in draft else "http"
        schema = {"$schema": f"{kind}://json-schema.org/{draft}", **schema}
    server.script = [wire.ok('{"d": "today"}'), wire.ok('{"d": "2026-01-31"}')]
    assert [ask("--schema", json.dumps(schema), "hi").code for _ in range(2)] == [5, 0]


@pytest.mark.parametrize(
    "given",
    [
        {
            "name": "f",
            "description": "d",
            "inputSchema": SCHEMA,
            "annotations": {},
            "outputSchema": {},
            "title": "F",
        },
        {"name": "f", "description": "d", "input_schema": SCHEMA, "cache_control": {"type": "ephemeral"}},
        {"type": "custom", "name": "f", "description": "d", "input_schema": SCHEMA},
        {"type": "function", "name": "f", "description": "d", "parameters": SCHEMA},
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}},
        {"tools": [{"name": "f", "description": "d", "inputSchema": {"$schema": "x", **SCHEMA}}]},
        {"result": {"tools": [{"name": "f", "description": "d", "inputSchema": SCHEMA}]}},
    ],
    ids=str,
)
def test_tools_of_neighbours_become_what_chat_completions_takes(cli, given):
    body = json.loads(cli("ask", "--dry-run", "--tools", json.dumps(given), "hi").out)
    assert body["tools"] == [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}
    ]


def test_a_flat_tool_keeps_strict_and_a_flat_custom_tool_its_grammar(cli):
    given = [
        {"type": "function", "name": "f", "parameters": SCHEMA, "strict": True},
        {"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
    ]
    body = json.loads(cli("ask", "--dry-run", "--tools", json.dumps(given), "hi").out)
    assert body["tools"] == [
        {"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": True}},
        {
            "type": "custom",
            "custom": {
                "name": "c",
                "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}},
            },
        },
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"name": "f", "paramters": {}},
            "'paramters' is no key of the function 'f'; did you mean parameters?",
        ),
        ({"type": "function", "function": {"name": "f", "desciption": "x"}}, "did you mean description?"),
        ({"type": "function", "name": "f", "paramaters": {}}, "did you mean parameters?"),
        ({"name": "f", "colour": 1}, "a function has name, description, parameters and strict"),
        (
            {"name": "f", "parameters": {"type": "objekt"}},
            "the parameters of 'f' is no valid JSON Schema: /type",
        ),
    ],
    ids=str,
)
def test_an_unknown_key_of_a_function_is_named_with_its_near_miss(cli, given, message):
    done = cli("ask", "--dry-run", "--tools", json.dumps(given), "hi")
    assert (done.code, done.out) == (2, "")
    assert message in done.err
