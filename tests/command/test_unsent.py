"""What sends nothing refuses what the run would refuse before sending, in the same words."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Result

ROW, LONG = b'{"prompt": "hi"}\n', b"word " * 200_000
KEY = {"OPENAI_API_KEY": "sk-0123456789"}
REFUSED = {
    "a budget for a model without a price": (2, "-m tiny --base-url http://127.0.0.1:9 --max-cost 1"),
    "a budget that one call passes": (6, "-m gpt-4o-mini --max-cost 0.0000001"),
    "an empty budget": (6, "-m gpt-4o-mini --max-cost 0"),
    "a budget file for a model without a price": (
        2,
        "-m tiny --base-url http://127.0.0.1:9 --budget-file b",
    ),
    "a budget without a limit to answers": (2, "-m ollama/x --price 1,1 --max-cost 1"),
    "a provider that nobody knows": (2, "-m nosuch/model"),
    "a recording that is not there": (66, "-m tiny --replay nowhere"),
    "a time to keep what is not kept": (2, "--cache-ttl 5"),
    "a recording and the cache": (2, "--replay d --cache"),
    "a tool that is not defined": (2, "--exec nope=cat"),
    "a record beside the recording": (2, "--replay d --record d"),
}
OF_ROWS = [
    name
    for name in REFUSED
    if name not in {"a tool that is not defined", "a budget file for a model without a price"}
]


def refused(result: Result, code: int) -> str:
    assert (result.code, result.out) == (code, "")
    return result.err.splitlines()[-1]


@pytest.mark.parametrize("how", ["--dry-run", "--curl"])
@pytest.mark.parametrize("name", REFUSED)
def test_ask_unsent_refuses_what_ask_refuses(cli, name, how):
    code, flags = REFUSED[name]
    words = refused(cli("ask", "hi", *flags.split(), env=KEY), code)
    assert refused(cli("ask", "hi", *flags.split(), how, env=KEY), code) == words


@pytest.mark.parametrize("name", REFUSED)
def test_a_turn_of_a_session_unsent_refuses_what_it_refuses(cli, tmp_path, name):
    code, flags = REFUSED[name]
    argv = ["ask", "hi", "--session", str(tmp_path / "s.jsonl"), *flags.split()]
    words = refused(cli(*argv, env=KEY), code)
    assert refused(cli(*argv, "--dry-run", env=KEY), code) == words


@pytest.mark.parametrize("name", REFUSED)
def test_chat_unsent_refuses_what_chat_refuses(cli, name):
    code, flags = REFUSED[name]
    words = refused(cli("chat", *flags.split(), stdin=b"hi\n", env=KEY), code)
    assert refused(cli("chat", *flags.split(), "--dry-run", stdin=b"hi\n", env=KEY), code) == words


@pytest.mark.parametrize("name", OF_ROWS)
def test_batch_unsent_refuses_what_batch_refuses(cli, name):
    code, flags = REFUSED[name]
    argv = ["batch", "-", *flags.split()]
    words = refused(cli(*argv, stdin=ROW, env=KEY), code)
    assert refused(cli(*argv, "--dry-run", stdin=ROW, env=KEY), code) == words


def test_a_prompt_that_is_too_long_is_refused_unsent_but_counted(cli):
    argv = ["-m", "gpt-4o-mini"]
    words = refused(cli("ask", *argv, stdin=LONG, env=KEY), 2)
    assert refused(cli("ask", *argv, "--dry-run", stdin=LONG, env=KEY), 2) == words
    assert cli("count", *argv, stdin=LONG).code == 0
    assert cli("ask", *argv, "--fallback", "gpt-4.1-mini", "--dry-run", stdin=LONG).code == 0


@pytest.mark.parametrize("name", [name for name in REFUSED if "budget" in name])
def test_count_refuses_the_budget_that_ask_refuses(cli, name):
    code, flags = REFUSED[name]
    words = refused(cli("ask", "hi", *flags.split(), env=KEY), code)
    assert refused(cli("count", "hi", *flags.split(), env=KEY), code) == words


def test_what_others_spent_of_a_budget_file_counts_unsent_and_nothing_is_written_to_it(cli, tmp_path):
    file = tmp_path / "budget.jsonl"
    flags = ["-m", "gpt-4o-mini", "-M", "9", "--max-cost", "1", "--budget-file", str(file)]
    assert cli("ask", "hi", *flags, "--dry-run").code == 0
    assert not file.exists()
    spent = {"time": "x", "model": "m", "state": "spent", "cost_usd": 1.0}
    file.write_text(json.dumps(spent).ljust(199) + "\n")
    before = file.read_bytes()
    words = refused(cli("ask", "hi", *flags, env=KEY), 6)
    assert " on top of $1.000000 spent" in words
    assert refused(cli("ask", "hi", *flags, "--dry-run"), 6) == words
    assert file.read_bytes() == before
