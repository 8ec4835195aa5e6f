"""`llmcli ask` of a real llama.cpp, a server and one in its own process: real inference, the real protocol."""

from __future__ import annotations

import json
import lzma
from typing import Any

import pytest

from tests import llama as llama_cpp
from tests.conftest import Result

SAID = "Hello! The sky is blue."
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather of a city",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "maxLength": 12}},
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }
]


@pytest.fixture
def server(cli, llama):
    """`llmcli ask` of the real server, with its key."""

    def run(*argv: str, **more: Any) -> Result:
        more["env"] = {"OPENAI_API_KEY": "sk-test", **more.get("env", {})}
        return cli("ask", "--base-url", llama, "-m", "tiny", *argv, **more)

    run.name, run.cost = "openai/tiny", None
    return run


@pytest.fixture
def local(process):
    """`llmcli ask` of the same model in its own process."""
    process.home.joinpath("tiny.gguf").write_bytes(lzma.decompress(llama_cpp.MODEL.read_bytes()))

    def run(*argv: str) -> Result:
        return process("ask", "--no-stdin", "-m", "local/tiny.gguf?threads=1", *argv)

    run.name, run.cost = "local/tiny.gguf?threads=1", 0.0
    return run


@pytest.fixture(params=["server", "local"])
def ask(request, llama):  # noqa: ARG001 - which skips where there is none
    return request.getfixturevalue(request.param)


@pytest.fixture
def record(ask):
    """The record of an answer that is complete."""

    def run(*argv: str) -> dict[str, Any]:
        result = ask("--json", *argv)
        assert (result.code, result.err) == (0, "")
        return json.loads(result.out)

    return run


def test_text(ask):
    assert ask("--temperature", "0", "Hi") == Result(0, f"{SAID}\n", "")
    assert ask("--temperature", "0", "--no-stream", "Hi") == Result(0, f"{SAID}\n", "")


def test_a_streamed_answer_is_the_unstreamed_one(record):
    argv = ["--temperature", "0", "--logprobs", "--top-logprobs", "2", "Hi"]
    streamed, whole = (plain(record(*flags, *argv)) for flags in ([], ["--no-stream"]))
    assert streamed == whole


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """A record without what belongs to one call alone."""
    return {key: value for key, value in body.items() if key not in {"id", "created", "timings", "llmcli"}}


def test_the_record(ask, record):
    body = record("--temperature", "0", "Hi")
    assert body["object"] == "chat.completion"
    assert body["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": SAID}, "finish_reason": "stop"}
    ]
    usage, envelope = body["usage"], body["llmcli"]
    assert usage["prompt_tokens"] + usage["completion_tokens"] == usage["total_tokens"]
    assert envelope["usage"]["total_tokens"] == usage["total_tokens"]
    assert f"{envelope['provider']}/{envelope['model']}" == ask.name
    assert envelope["cost_usd"] == ask.cost
    assert (envelope["attempts"], envelope["cached"]) == (1, False)


@pytest.mark.parametrize("flags", [[], ["--no-stream"]], ids=["streamed", "whole"])
def test_a_schema_is_kept_to(flags, ask):
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}
    result = ask("-o", f"response_format={json.dumps(form)}", "--seed", "1", *flags, "Hi")
    assert (result.code, result.err) == (0, "")
    person = json.loads(result.out)
    assert person.keys() == {"name", "age"}
    assert isinstance(person["age"], int)


@pytest.mark.parametrize("flags", [[], ["--no-stream"]], ids=["streamed", "whole"])
def test_json_mode(flags, ask):
    result = ask("--json-mode", "--seed", "1", *flags, "Hi")
    assert (result.code, result.err) == (0, "")
    assert isinstance(json.loads(result.out), dict)


@pytest.mark.parametrize("flags", [[], ["--no-stream"]], ids=["streamed", "whole"])
@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_calls_are_printed(seed, flags, ask):
    result = ask("--tools", json.dumps(TOOLS), "--seed", seed, *flags, "How is the weather in Paris?")
    assert (result.code, result.err) == (0, "")
    (call,) = [json.loads(line) for line in result.out.splitlines()]
    assert call.keys() == {"id", "name", "arguments"}
    assert call["name"] == "get_weather"
    assert call["arguments"].keys() == {"city"}
    assert call["id"]


def test_logprobs(record):
    body = record("--temperature", "0", "--logprobs", "--top-logprobs", "2", "Hi")
    tokens = body["choices"][0]["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens).startswith(SAID)
    assert all(token["logprob"] <= 0 and len(token["top_logprobs"]) == 2 for token in tokens)


@pytest.mark.parametrize("flags", [[], ["--no-stream"]], ids=["streamed", "whole"])
def test_two_answers(flags, ask, record):
    assert ask("--n", "2", "--temperature", "0", *flags, "Hi") == Result(0, f"{SAID}\n{SAID}\n", "")
    assert [choice["index"] for choice in record("--n", "2", "--seed", "1", *flags, "Hi")["choices"]] == [
        0,
        1,
    ]


def test_a_stop_text_ends_the_answer(ask):
    assert ask("--temperature", "0", "--stop", " is", "Hi") == Result(0, "Hello! The sky\n", "")


def test_a_seed_can_be_repeated(ask):
    answers = {ask("--seed", seed, *flags, "Hi").out for seed in "77" for flags in ([], ["--no-stream"])}
    assert len(answers) == 1
    assert len({ask("--seed", seed, "Hi").out for seed in "1234"}) > 1


@pytest.mark.parametrize("flags", [[], ["--no-stream"]], ids=["streamed", "whole"])
def test_the_token_limit_is_exit_3(flags, ask):
    assert ask("--temperature", "0", "-M", "3", *flags, "Hi") == Result(
        3,
        "Hello! The\n",
        f"llmcli: incomplete: the answer was cut at the token limit ({ask.name}); raise -M/--max-tokens\n",
    )


def test_usage_comes_because_it_is_asked_for(ask):
    def usages(*flags: str) -> list[Any]:
        lines = ask("--format", "events", "--temperature", "0", *flags, "Hi").out.splitlines()
        return [chunk["usage"] for chunk in map(json.loads, lines[:-1]) if chunk.get("usage")]

    assert len(usages()) == 1
    assert usages("-o", 'stream_options={"include_usage": false}') == []


def test_events(ask):
    *chunks, record = map(json.loads, ask("--format", "events", "--temperature", "0", "Hi").out.splitlines())
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == SAID
    assert len([delta for delta in deltas if delta.get("content")]) > 3, "piece by piece"
    assert record["choices"][0]["message"]["content"] == SAID


@pytest.mark.parametrize(
    ("key", "todo"),
    [("sk-wrong", "check the key"), ("", "no key was sent: set OPENAI_API_KEY or use --api-key-file")],
    ids=["wrong", "none"],
)
@pytest.mark.parametrize("flags", [[], ["--no-stream"]], ids=["streamed", "whole"])
def test_a_wrong_key_and_no_key_are_exit_77(key, todo, flags, server):
    assert server(*flags, "Hi", env={"OPENAI_API_KEY": key}) == Result(
        77, "", f"llmcli: auth: Invalid API Key (HTTP 401, openai/tiny); {todo}\n"
    )


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ('temperature="x"', "Field 'temperature'"),
        ('response_format={"type":"nope"}', "response_format type"),
        ("top_k=[]", "top_k"),
    ],
)
@pytest.mark.parametrize("flags", [[], ["--no-stream"]], ids=["streamed", "whole"])
def test_a_wrong_value_is_exit_65(option, says, flags, ask, clock):
    result = ask("-o", option, *flags, "Hi")
    assert (result.code, result.out, clock.slept) == (65, "", [])
    assert result.err.startswith("llmcli: rejected: ")
    assert says in result.err
    assert result.err.endswith(f"(HTTP 400, {ask.name}); change the request\n")


BEGUN = '[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello! The"}]'


@pytest.mark.parametrize("flags", [(), ("--no-stream",)])
def test_an_answer_that_was_begun_for_it_is_what_it_goes_on_with(ask, tmp_path, flags):
    (tmp_path / "begun.json").write_text(BEGUN)
    argv = ("--temperature", "0", "--messages", str(tmp_path / "begun.json"), *flags)
    assert ask(*argv) == Result(0, " sky is blue.\n", "")


@pytest.mark.parametrize("flags", [(), ("--no-stream",)])
def test_an_empty_stop_is_no_stop(ask, flags):
    result = ask("--stop", "", "Hi", *flags)
    assert (result.code, result.out) == (2, "")
    assert "every answer would end before it begins" in result.err
