"""A real llama.cpp asked at /v1/responses: each kind of request, and what it cannot do."""

from __future__ import annotations

import json

import pytest

TOOLS = (
    "--tools",
    '[{"name": "get", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}}]',
)
SKY = "Hello! The sky is blue.\n"


@pytest.fixture
def real(cli, llama):
    def run(*argv, **more):
        line = ["ask", "--base-url", llama, "-m", "llamacpp/tiny", "--api", "responses", "--temperature", "0"]
        return cli(*line, *argv, env={"LLAMA_API_KEY": "sk-test"}, **more)

    return run


@pytest.fixture(params=["--stream", "--no-stream"])
def way(request):
    return request.param


def test_text(real, way):
    assert real(way, "-M", "30", "-s", "Be kind.", "Hi").out == SKY


def test_a_cut_answer_is_one_although_it_is_called_completed(real, way):
    result = real(way, "-M", "3", "Hi")
    assert (result.code, result.out) == (3, "Hello! The\n")


def test_a_schema_is_obeyed(real, way):
    result = real(way, "-M", "100", "--schema", "name, age int", "Hi")
    assert result.code == 0
    assert json.loads(result.out).keys() == {"name", "age"}


def test_tools(real, way):
    result = real(way, "-M", "200", "--tool-choice", "required", *TOOLS, "Hi")
    assert result.code == 0
    assert json.loads(result.out)["name"] == "get"


def test_a_loop_of_tools(real, way):
    result = real(way, "-M", "200", *TOOLS, "--exec", "get=cat", "Hi")
    assert result.code == 0, result.err
    assert result.out.strip()


@pytest.mark.parametrize("refusal", [True, False])
def test_earlier_turns(real, refusal):
    answer = {"content": None, "refusal": "No."} if refusal else {"content": "Hello!"}
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", **answer},
        {"role": "user", "content": "Hi"},
    ]
    assert real("-M", "30", "--messages", "-", stdin=json.dumps(turns).encode()).out == SKY


def test_an_answer_that_was_begun_is_gone_on_with(real, way):
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]
    result = real(way, "-M", "30", "--messages", "-", stdin=json.dumps(turns).encode())
    assert (result.code, result.out) == (0, " The sky is blue.\n")


def test_what_it_takes_and_does_nothing_about(real):
    line = ["--verbosity", "low", "--user", "me", "--metadata", "a=b", "--store", "-o", "truncation=auto"]
    assert real("-M", "30", *line, "Hi").out == SKY


def test_logprobs_never_come(real):
    result = real("-M", "30", "--logprobs", "Hi")
    assert (result.out, result.err) == (SKY, "llmcli: warning: logprobs were asked for, and none came\n")
    assert real("-M", "30", "--top-logprobs", "2", "Hi").code == 65
