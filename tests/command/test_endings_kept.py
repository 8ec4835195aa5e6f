"""How an answer ends, in every server's word: what a batch records of it, and what a conversation keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import server as wire
from tests.conftest import Cli, Result
from tests.server import Server

ROW = b'{"prompt": "hi"}\n'
EMPTY = wire.ok("", reasoning="Hm", usage=wire.usage(7, 19))


def lines_of(path: Path) -> list[Any]:
    return [json.loads(one) for one in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def batch(cli: Cli, server: Server, tmp_path: Path) -> Callable[..., tuple[Result, list[Any], list[Any]]]:
    """A batch of one row: its result, its success records, its failures."""

    def run(*argv: str) -> tuple[Result, list[Any], list[Any]]:
        place = ("--base-url", server.base_url, "-m", "tiny", "-O", str(tmp_path / "out.jsonl"))
        result = cli("batch", "-q", *place, *argv, stdin=ROW)
        return result, lines_of(tmp_path / "out.jsonl"), lines_of(tmp_path / "out.errors.jsonl")

    return run


# --- batch --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["eos_token", "COMPLETE", "end_turn", None, "", wire.ABSENT], ids=str)
def test_a_row_that_ended_whole_is_a_success(batch, server, word):
    server.script = wire.ok("Hi", finish_reason=word)
    result, [record], failures = batch()
    assert (result.code, failures) == (0, [])
    assert record["response"]["body"]["choices"][0]["message"]["content"] == "Hi"


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("weird", "incomplete"),
        ("MAX_TOKENS", "incomplete"),
        ("SAFETY", "refused"),
        ("guardrail_intervened", "refused"),
    ],
)
def test_a_row_that_did_not_end_whole_is_a_final_failure_with_its_body(batch, server, word, code):
    server.script = wire.ok("Hi", finish_reason=word)
    result, successes, [failure] = batch()
    assert (result.code, successes, len(server.requests)) == (7, [], 1)
    assert failure["error"]["code"] == code
    assert word in failure["error"]["message"]
    assert failure["response"]["body"]["choices"][0]["finish_reason"] == word
    assert batch()[0].code == 7  # and is not asked again
    assert len(server.requests) == 1


@pytest.mark.parametrize("word", ["abort", "network_error", "repetition_detected", "tool_calls"])
def test_a_row_that_the_server_gave_up_is_tried_again(batch, server, word):
    server.script = [wire.ok("par", finish_reason=word), wire.ok("Hi")]
    result, [record], failures = batch()
    assert (result.code, failures, record["llmcli"]["attempts"]) == (0, [], 2)


def test_a_row_that_the_server_keeps_giving_up_is_a_failure_with_its_body_and_its_cost(batch, server):
    server.script = wire.ok("par", finish_reason="abort", usage=wire.usage(1_000_000, 0))
    result, successes, [failure] = batch("--retries", "1", "--price", "1,1")
    assert (result.code, successes, len(server.requests)) == (7, [], 2)
    assert failure["error"]["code"] == "tempfail"
    assert failure["response"]["body"]["choices"][0]["finish_reason"] == "abort"
    assert failure["llmcli"]["cost_usd"] == 2


def test_a_row_of_nothing_is_a_final_failure_that_says_what_was_paid(batch, server):
    server.script = EMPTY
    result, successes, [failure] = batch()
    assert (result.code, successes, len(server.requests)) == (7, [], 1)
    assert failure["error"]["code"] == "incomplete"
    assert "reasoning only, 19 tokens paid" in failure["error"]["message"]
    assert failure["response"]["body"]["choices"][0]["message"]["reasoning_content"] == "Hm"


def test_a_row_of_neither_an_answer_nor_a_finish_reason_is_tried_again(batch, server):
    server.script = [wire.ok("", finish_reason=None), wire.ok("Hi")]
    result, [record], failures = batch()
    assert (result.code, failures, record["llmcli"]["attempts"]) == (0, [], 2)


def test_an_empty_row_that_is_accepted_is_a_success(batch, server):
    server.script = EMPTY
    result, [_], failures = batch("--ok", "incomplete")
    assert (result.code, failures) == (0, [])


@pytest.mark.parametrize("script", [EMPTY, wire.ok("Hi", finish_reason="weird")], ids=["empty", "unknown"])
def test_a_batch_records_only_whole_answers(batch, server, tmp_path, script):
    server.script = script
    batch("--record", str(tmp_path / "kept"), "--ok", "incomplete")
    assert list((tmp_path / "kept").rglob("*.json")) == []


# --- chat ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [EMPTY, wire.ok("", reasoning="Hm", finish_reason="length"), wire.ok("So", finish_reason="weird")],
    ids=["empty", "empty and cut", "unknown"],
)
@pytest.mark.parametrize("flags", [["--ok", "incomplete"], ["--keep-going"]], ids=" ".join)
def test_a_turn_of_nothing_or_of_an_unknown_ending_is_not_kept_nor_is_its_question(
    chat, server, tmp_path, script, flags
):
    kept = tmp_path / "s.jsonl"
    server.script = [script, wire.ok("fine")]
    done = chat(*flags, "--session", str(kept), stdin=b"one\ntwo\n")
    assert done.code == (0 if flags[0] == "--ok" else 3)
    assert [one["content"] for one in server.requests[1].json["messages"]] == ["two"]
    assert [one["content"] for one in lines_of(kept) if "content" in one] == ["two", "fine"]


def test_ask_keeps_no_turn_of_nothing(cli, server, tmp_path):
    kept = tmp_path / "s.jsonl"
    server.script = EMPTY
    where = ("--base-url", server.base_url, "-m", "tiny", "--session", str(kept))
    assert cli("ask", *where, "--ok", "incomplete", "hi").code == 0
    assert lines_of(kept) == []


def test_a_turn_that_the_server_gave_up_is_kept_as_far_as_it_was_shown(chat, server):
    server.script = [wire.ok("cut", finish_reason="abort"), wire.ok("last")]
    done = chat("--ok", "incomplete", stdin=b"one\ntwo\n")
    assert (done.code, done.out) == (0, "cut\nlast\n")
    assert [one["content"] for one in server.requests[1].json["messages"]] == ["one", "cut", "two"]


def test_a_summary_of_an_unknown_ending_is_none(chat, server):
    server.script = [wire.ok("a " * 40), wire.ok("so", finish_reason="weird")]
    window = ("--context", "summarize", "--max-context-tokens", "60", "-M", "5")
    done = chat(*window, stdin=b"one\ntwo\n")
    assert (done.code, len(server.requests)) == (3, 2)
