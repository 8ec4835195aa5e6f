"""JSON in what models wrap around it: what is taken off, what is judged and printed, and what the record says."""

from __future__ import annotations

import json

import pytest

from tests import server as wire
from tests.conftest import Result

JSON = '{"a": 1}'
THINK = '<think>\nLet me see: {"a": "no"}\n```\n</think>\n\n'
HOW = pytest.mark.parametrize("how", [[], ["--no-stream"]], ids=["stream", "whole"])

WRAPPED = {
    "a fence": (f"```json\n{JSON}\n```", ["fence"]),
    "a bare fence": (f"```\n{JSON}\n```\n", ["fence"]),
    "tildes": (f"~~~json\n{JSON}\n~~~", ["fence"]),
    "a fence of four": (f"````json\n{JSON}\n````", ["fence"]),
    "a fence that ends on the last line": (f"```json\n{JSON}```", ["fence"]),
    "a fence with CR": (f"```json\r\n{JSON}\r\n```\r\n", ["fence"]),
    "white space around a fence": (f"\n\n  ```json\n  {JSON}\n```  \n\n", ["fence"]),
    "thoughts": (f"{THINK}{JSON}", ["think"]),
    "empty thoughts": (f"<think></think>{JSON}", ["think"]),
    "thoughts before a fence": (f"{THINK}```json\n{JSON}\n```", ["think", "fence"]),
    "a BOM": (f"\ufeff{JSON}", ["bom"]),
    "all of them": (f" \ufeff{THINK}```json\n{JSON}\n```\n", ["bom", "think", "fence"]),
}
NOT_WRAPPED = {
    "text before a fence": f"Here it is:\n```json\n{JSON}\n```",
    "text behind a fence": f"```json\n{JSON}\n```\nWell?",
    "text behind JSON": f"{JSON} Well?",
    "two fences": f"```json\n{JSON}\n```\n```json\n{JSON}\n```",
    "a fence without an end": f"```json\n{JSON}",
    "thoughts without an end": f"<think>{JSON}",
    "thoughts twice": f"<think>a</think><think>b</think>{JSON}",
    "thoughts behind": f"{JSON}<think>a</think>",
    "no JSON in the fence": "```json\n{a: 1}\n```",
}


@HOW
@pytest.mark.parametrize("flags", [["--schema", "a int"], ["--json-mode"]], ids=["schema", "json mode"])
@pytest.mark.parametrize("name", WRAPPED)
def test_what_models_wrap_around_json_is_taken_off(ask, server, how, flags, name):
    server.script = wire.ok(WRAPPED[name][0])
    assert ask(*how, *flags, "hi") == Result(0, JSON + "\n", "")


@HOW
@pytest.mark.parametrize("flags", [["--schema", "a int"], ["--json-mode"]], ids=["schema", "json mode"])
@pytest.mark.parametrize("name", NOT_WRAPPED)
def test_nothing_else_is_taken_off(ask, server, how, flags, name):
    server.script = wire.ok(NOT_WRAPPED[name])
    done = ask(*how, *flags, "hi")
    assert (done.code, done.out) == (5, NOT_WRAPPED[name] + "\n")
    assert "the answer is not valid JSON" in done.err


@pytest.mark.parametrize("name", WRAPPED)
def test_the_record_has_the_body_as_it_came_and_says_what_was_taken_off(ask, server, name):
    text, removed = WRAPPED[name]
    server.script = wire.ok(text)
    record = json.loads(ask("--json", "--schema", "a int", "hi").out)
    assert record["choices"][0]["message"]["content"] == text
    assert record["llmcli"]["recovered"] == {"removed": removed, "text": JSON}


@pytest.mark.parametrize("text", [JSON, f"\n {JSON}\n"])
def test_where_nothing_was_taken_off_the_record_says_nothing(ask, server, text):
    server.script = wire.ok(text)
    assert "recovered" not in json.loads(ask("--json", "--schema", "a int", "hi").out)["llmcli"]


def test_white_space_around_json_is_not_printed(ask, server):
    server.script = wire.ok(f"\n\n {JSON} \n\n")
    assert ask("--schema", "a int", "hi") == Result(0, JSON + "\n", "")


def test_of_several_answers_the_record_says_which(ask, server):
    server.script = wire.ok([JSON, f"```\n{JSON}\n```"])
    argv = ["--n", "2", "--schema", "a int", "hi"]
    assert json.loads(ask("--json", *argv).out)["llmcli"]["recovered"] == [
        {"index": 1, "removed": ["fence"], "text": JSON}
    ]
    assert ask(*argv).out == f"{JSON}\n{JSON}\n"


def test_what_does_not_fit_is_printed_as_it_was_judged(ask, server):
    server.script = wire.ok('```json\n{"a": "x"}\n```')
    done = ask("--schema", "a int", "hi")
    assert (done.code, done.out) == (5, '{"a": "x"}\n')


@HOW
def test_extract_is_applied_before_the_answer_is_judged(ask, server, how):
    server.script = wire.ok(f"Here it is:\n\n```json\n{JSON}\n```\nWell?")
    assert ask(*how, "-x", "--schema", "a int", "hi") == Result(0, JSON + "\n", "")
    assert ask(*how, "-x", "--json-mode", "hi") == Result(0, JSON + "\n", "")


def test_extract_is_repaired_only_where_the_code_does_not_fit(ask, server):
    server.script = [wire.ok("x\n```\n{}\n```\n"), wire.ok(f"x\n```\n{JSON}\n```\n")]
    assert ask("-x", "--repair", "1", "--schema", "a int", "hi") == Result(0, JSON + "\n", "")
    assert len(server.requests) == 2


def test_extract_in_a_session(ask, server, tmp_path):
    server.script = wire.ok(f"x\n```\n{JSON}\n```\n")
    argv = ["--session", str(tmp_path / "s.jsonl"), "-x", "--schema", "a int", "hi"]
    assert ask(*argv) == Result(0, JSON + "\n", "")


def test_output_file_has_the_answer_as_it_was_judged(ask, server, tmp_path):
    server.script = wire.ok(f"```json\n{JSON}\n```")
    assert ask("--schema", "a int", "-O", str(tmp_path / "out"), "hi") == Result(0, "", "")
    assert (tmp_path / "out").read_text() == JSON + "\n"


def test_a_fence_is_not_repaired(ask, server):
    server.script = wire.ok(f"```json\n{JSON}\n```")
    assert ask("--schema", "a int", "--repair", "2", "hi") == Result(0, JSON + "\n", "")
    assert len(server.requests) == 1


def test_what_is_asked_for_as_text_keeps_its_fence(ask, server):
    server.script = wire.ok(f"```json\n{JSON}\n```")
    assert ask("hi") == Result(0, f"```json\n{JSON}\n```\n", "")


def test_batch_records_keep_the_body_and_say_what_was_taken_off(cli, server):
    text = f"```json\n{JSON}\n```"
    server.script = wire.ok(text)
    argv = ["--base-url", server.base_url, "-m", "tiny", "--schema", "a int"]
    record = json.loads(cli("batch", "-q", *argv, stdin=b'{"prompt": "hi"}\n').out)
    assert record["response"]["body"]["choices"][0]["message"]["content"] == text
    assert record["llmcli"]["recovered"] == {"removed": ["fence"], "text": JSON}


@HOW
@pytest.mark.parametrize(
    "frame",
    ["{}", "```json\n{}\n```", THINK + "{}", "\ufeff{}", "<think>{{[</think>```\n{}\n```"],
    ids=range(5),
)
def test_items_are_found_in_any_wrapping(ask, server, how, frame):
    server.script = wire.ok(
        frame.replace("{{", "\0").replace("{}", '{"items":[{"a":1},{"a":2}]}').replace("\0", "{")
    )
    assert ask(*how, "--schema", "a int", "--schema-multi", "hi") == Result(0, '{"a":1}\n{"a":2}\n', "")


def test_chat_prints_the_answer_as_it_was_judged(cli, server):
    server.script = wire.ok(f"```json\n{JSON}\n```")
    argv = ["--base-url", server.base_url, "-m", "tiny", "--schema", "a int"]
    assert cli("chat", *argv, stdin=b"hi\n") == Result(0, JSON + "\n", "")


def test_an_answer_from_the_cache_is_read_in_the_same_way(ask, server, tmp_path):
    server.script = wire.ok(f"```json\n{JSON}\n```")
    env = {"LLMCLI_CACHE": str(tmp_path)}
    for _ in range(2):
        record = json.loads(ask("--cache", "--json", "--schema", "a int", "hi", env=env).out)
        assert record["llmcli"]["recovered"]["text"] == JSON
    assert len(server.requests) == 1
