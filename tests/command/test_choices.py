"""--choices and --gate: one of some labels, printed as it was spelled, and an exit that says which it was."""

from __future__ import annotations

import json
import math

import pytest

from tests import server as wire
from tests.conftest import Result

HOW = pytest.mark.parametrize("how", [[], ["--no-stream"]], ids=["stream", "whole"])
NO_SCHEMA = ["-m", "anthropic/claude-opus-4-5"]  # a provider that ignores response_format


@HOW
@pytest.mark.parametrize(
    "text",
    [
        '{"label":"Bug"}',
        '{ "label": "bug." }',
        "Bug",
        "bug",
        " BUG.\n",
        '```json\n{"label": "Bug"}\n```',
        "<think>a question? no</think>bug",
    ],
)
def test_the_label_is_printed_as_it_was_spelled(ask, server, how, text):
    server.script = wire.ok(text)
    assert ask(*how, "--choices", "Bug,Feature request", "x") == Result(0, "Bug\n", "")


@pytest.mark.parametrize(
    "text",
    [
        "bugs",
        '"bug"',
        "bug..",
        "bug .",
        "It is a bug",
        '{"label":"x"}',
        '{"label":"bug","why":1}',
        "bug, other",
    ],
)
def test_anything_else_is_exit_5_and_printed(ask, server, text):
    server.script = wire.ok(text)
    assert ask("--choices", "bug,other", "x") == Result(
        5,
        text + "\n",
        f"llmcli: invalid: the answer is none of the labels bug, other: {text!r} (openai/tiny, request req_1);"
        " try again, or let --repair N try\n",
    )


def test_it_is_repaired(ask, server):
    server.script = [wire.ok("A bug, I think"), wire.ok("bug")]
    assert ask("--choices", "bug,other", "--repair", "1", "x") == Result(0, "bug\n", "")
    assert "none of the labels bug, other" in server.requests[1].text


@pytest.mark.parametrize(
    ("flags", "labels"),
    [
        (["--choices", "a,b", "--choices", "c"], ["a", "b", "c"]),
        (["--choices", " a , b"], ["a", "b"]),
        (["--choices", '["yes, but", "no"]'], ["yes, but", "no"]),
        (["--choices", "[1, true]", "--choices", "x"], ["1", "true", "x"]),
    ],
)
def test_labels_are_sent_as_an_enum(cli, flags, labels):
    body = json.loads(cli("ask", "--dry-run", "-m", "offline/echo", *flags, "x").out)
    assert body["response_format"]["json_schema"]["strict"] is True
    assert body["response_format"]["json_schema"]["schema"]["properties"]["label"]["enum"] == labels
    assert body["messages"] == [{"role": "user", "content": "x"}]


def test_where_the_model_takes_no_schema_they_are_asked_for_in_words(cli):
    done = cli("ask", "--dry-run", *NO_SCHEMA, "--choices", "bug,other", "x")
    body = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert "response_format" not in body
    words = "Answer with exactly one of these labels and nothing else: bug, other"
    assert body["messages"] == [{"role": "user", "content": f"x\n\n{words}"}]


def test_rows_are_asked_in_words_each(cli, server):
    server.script = wire.ok("bug")
    argv = ["--base-url", server.base_url, "-m", "anthropic/claude-x", "--choices", "bug,other", "-j", "1"]
    rows = b'{"prompt": "a"}\n{"prompt": "b"}\n'
    assert cli("batch", "-q", *argv, stdin=rows, env={"ANTHROPIC_API_KEY": "sk-ant-test"}).code == 0
    words = "Answer with exactly one of these labels and nothing else: bug, other"
    assert [request.text for request in server.requests] == [f"a\n\n{words}", f"b\n\n{words}"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--choices", ""], "--choices names an empty label: ''"),
        (["--choices", "a,,b"], "--choices names an empty label: ''"),
        (["--choices", "[]"], "--choices names no label"),
        (["--choices", "[1"], "--choices is no JSON list: [1"),
        (["--choices", "[[]]"], "--choices: [] is no label"),
        (["--choices", "a,a"], "--choices: 'a' is named twice"),
        (["--choices", "a,A."], "--choices: 'A.' and 'a' are one label: case does not matter"),
        (["--choices", "a", "--schema", "a"], "--choices and --schema exclude each other"),
        (["--choices", "a", "--json-mode"], "--choices and --json-mode exclude each other"),
        (["--choices", "a", "-o", "response_format={}"], "--choices and -o response_format={} exclude"),
        (["--gate", "a"], "--gate without labels; name them with --choices A,B,..."),
        (["--choices", "a,b", "--gate", "c"], "--gate: 'c' is none of the labels; --choices has a, b"),
    ],
)
@pytest.mark.parametrize("command", ["ask", "count"])
def test_what_cannot_be_meant_is_exit_2(cli, command, flags, said):
    done = cli(command, "-m", "offline/echo", *flags, "x")
    assert (done.code, done.out) == (2, "")
    assert said in done.err


@HOW
@pytest.mark.parametrize(("gate", "code"), [("bug", 0), ("BUG,other", 0), ("other", 9)])
def test_the_gate_is_an_exit_and_says_nothing(ask, server, how, gate, code):
    server.script = wire.ok("Bug.")
    assert ask(*how, "--choices", "bug,other,none", "--gate", gate, "x") == Result(code, "bug\n", "")


def test_with_v_the_gate_says_why(ask, server):
    server.script = wire.ok("bug")
    done = ask("-v", "--choices", "bug,other", "--gate", "other", "x")
    assert done.code == 9
    assert done.err.endswith("llmcli: gate: bug is none of other\n")


def test_ok_gate_turns_it_to_0(ask, server):
    server.script = wire.ok("bug")
    assert ask("--ok", "gate", "--choices", "bug,other", "--gate", "other", "x") == Result(0, "bug\n", "")


def test_a_closed_gate_writes_no_file(ask, server, tmp_path):
    server.script = wire.ok("bug")
    file = tmp_path / "out"
    argv = ["--choices", "bug,other", "-O", str(file), "x"]
    assert ask("--gate", "other", *argv) == Result(9, "", "")
    assert not file.exists()
    assert ask("--gate", "bug", *argv) == Result(0, "", "")
    assert file.read_text() == "bug\n"


def test_what_is_no_label_is_5_whatever_the_gate(ask, server):
    server.script = wire.ok("neither")
    assert ask("--choices", "bug,other", "--gate", "other", "x").code == 5


def test_of_several_answers_all_must_pass(ask, server):
    server.script = wire.ok(["bug", "other"])
    argv = ["--n", "2", "--choices", "bug,other"]
    assert ask(*argv, "--gate", "bug,other", "x") == Result(0, "bug\nother\n", "")
    assert ask(*argv, "--gate", "bug", "x") == Result(9, "bug\nother\n", "")


def test_a_turn_is_kept_whatever_the_gate(ask, server, tmp_path):
    server.script = wire.ok("bug")
    argv = ["--session", str(tmp_path / "s.jsonl"), "--choices", "bug,other", "x"]
    assert ask("--gate", "other", *argv) == Result(9, "bug\n", "")
    ask(*argv)
    assert [message["content"] for message in server.requests[1].fields["messages"]] == ["x", "bug", "x"]


@pytest.mark.parametrize(
    ("text", "size", "tokens"),
    [("bug", 4, 1), ("bug", 2, 2), ('{"label":"bug"}', 2, 2), ('{"label":"bug"}', 15, 1)],
)
def test_logprobs_give_the_probability_of_the_label(ask, server, text, size, tokens):
    server.script = wire.ok(text, size=size)
    argv = ["--logprobs", "--json", "--choices", "bug,other", "x"]
    choice = json.loads(ask(*argv).out)["llmcli"]["choice"]
    assert choice == {"label": "bug", "probability": pytest.approx(math.exp(-0.25 * tokens))}


def test_without_logprobs_the_probability_is_null(ask, server):
    server.script = wire.ok("bug")
    choice = json.loads(ask("--json", "--choices", "bug,other", "x").out)["llmcli"]["choice"]
    assert choice == {"label": "bug", "probability": None}


def test_a_record_has_the_choice(cli, server):
    server.script = [wire.ok("Bug"), wire.ok("?")]
    argv = ["--base-url", server.base_url, "-m", "tiny", "--choices", "bug,other", "--logprobs", "-j", "1"]
    done = cli("batch", "-q", *argv, stdin=b'{"prompt": "x"}\n{"prompt": "y"}\n')
    good, bad = map(json.loads, done.out.splitlines())
    assert good["llmcli"]["choice"] == {"label": "bug", "probability": pytest.approx(math.exp(-0.25))}
    assert bad["error"]["code"] == "invalid"
    assert "choice" not in bad["llmcli"]


def test_batch_has_no_gate(cli):
    done = cli("batch", "-m", "offline/echo", "--choices", "a,b", "--gate", "a", stdin=b'{"prompt": "x"}\n')
    assert done == Result(
        2,
        "",
        "llmcli: usage: --gate is not for batch; --where LABEL,... prints only the rows whose label it is\n",
    )


@pytest.mark.parametrize(
    ("prompt", "label"), [("a Question on a bug", "bug"), ("Question", "question"), ("hi", "bug")]
)
@HOW
def test_the_rehearsal_answers_the_first_label_that_the_prompt_contains(cli, how, prompt, label):
    argv = ["-m", "offline/echo", "--choices", "bug,question", *how]
    assert cli("ask", *argv, prompt) == Result(0, label + "\n", "")


def test_chat_prints_labels_too(cli):
    argv = ["-m", "offline/echo", "--choices", "bug,question"]
    assert cli("chat", *argv, stdin=b"a question\na bug\n") == Result(0, "question\nbug\n", "")


def test_another_model_is_asked_in_the_way_that_it_takes(cli, server):
    server.script = [wire.status(404), wire.ok("bug")]
    env = {"OPENAI_API_KEY": "sk-test", "ANTHROPIC_API_KEY": "sk-ant-test"}
    argv = ["--base-url", server.base_url, "-m", "anthropic/claude-x", "--fallback", "anthropic/claude-y"]
    assert cli("ask", *argv, "--choices", "bug,other", "x", env=env) == Result(0, "bug\n", "")
    first, second = (request.fields["messages"] for request in server.requests)
    assert first == second


@pytest.mark.parametrize(
    ("model", "in_words"),
    [
        ("gpt-4", True),
        ("gpt-3.5-turbo-0125", True),
        ("gpt-4o-2024-05-13", True),
        ("gpt-4o", False),
        ("gpt-4o-mini-2024-07-18", False),
        ("openai/a-model-that-nobody-knows", False),
        ("ollama/llama3", False),
    ],
)
def test_a_model_that_is_known_without_schemas_is_asked_in_words(cli, model, in_words):
    body = json.loads(cli("ask", "--dry-run", "-m", model, "--choices", "bug,other", "x").out)
    assert ("response_format" not in body) == in_words
    assert body["messages"][0]["content"].endswith("bug, other") == in_words
