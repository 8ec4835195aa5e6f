"""`llmcli count`: tokens and price of what ask would send, and cuts on token borders."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Result

MODEL = ("count", "-m", "gpt-4o-mini")
RAW = (*MODEL, "--raw")


def test_a_row_is_priced_at_the_tier_that_it_asks_for(cli, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "hello"}\n')
    argv = ["-m", "gpt-5-mini", "-M", "100", "--service-tier", "flex"]
    one = json.loads(cli("count", *argv, "--json", "hello").out)["cost_usd"]
    assert json.loads(cli("count", *argv, "--json", "--rows", str(rows)).out)["cost_usd"] == one
    dry = json.loads(cli("batch", *argv, "--dry-run", "--json", str(rows)).out)
    assert dry["cost_usd"] == one


def test_the_options_of_ask_that_change_no_token_are_taken(cli):
    tools = '[{"name":"f"}]'
    argv = (*MODEL, "--tools", tools, "hello")
    more = ("--exec", "f=cat", "--repair", "1", "--max-turns", "2", "--tool-timeout", "5")
    assert cli(*argv, *more) == cli(*argv)
    assert cli(*argv, "--exec", "g=cat") == Result(
        2, "", "llmcli: usage: --exec g: there is no such tool; --tools defines: f\n"
    )


@pytest.mark.parametrize("flag", ["--dry-run", "--curl"])
def test_the_request_is_shown_as_ask_shows_it(cli, flag):
    argv = ("-m", "gpt-4o-mini", "--seed", "1", flag, "hello")
    assert cli("count", *argv) == cli("ask", *argv)
    assert cli("count", "--raw", *argv) == Result(
        2,
        "",
        "llmcli: usage: --dry-run and --curl show the request of a prompt;"
        " leave --rows, --raw, --truncate and --split out\n",
    )


def test_raw_is_priced_as_it_is_said(cli):
    assert cli("count", "--raw", "-m", "gpt-4o", "-M", "10", "--price", "1,10", "-u", "hi") == Result(
        0, "1\n", "usage: 1 in, $0.000001; answer at most $0.000100; total at most $0.000101, openai/gpt-4o\n"
    )
    assert cli(*RAW, "--price", "bad", "hi").code == 2


def test_one_integer(cli):
    assert cli(*MODEL, "hello") == Result(0, "8\n", "")
    assert cli(*RAW, "hello world") == Result(0, "2\n", "")


def test_a_system_message_counts(cli):
    assert int(cli(*MODEL, "-s", "Be brief.", "hello").out) > 8


def test_json_has_exactly_these_keys(cli):
    result = cli(*MODEL, "--json", "hello")
    assert json.loads(result.out) == {
        "tokens": 8,
        "method": "exact",
        "encoding": "o200k_base",
        "model": "gpt-4o-mini",
        "context_window": 128000,
        "max_output_tokens": 16384,
        "cost_usd": {"input": 1.2e-06, "output_max": 0.0098304, "total_max": 0.0098316},
    }
    assert cli(*MODEL, "--format", "json", "hello") == result
    lines = cli(*MODEL, "--format", "jsonl", "hello").out
    assert (json.loads(lines), lines.count("\n")) == (json.loads(result.out), 1)


def test_the_price_line(cli):
    assert cli(*MODEL, "-u", "hello") == Result(
        0,
        "8\n",
        "usage: 8 in, $0.000001; answer at most $0.009830; total at most $0.009832, openai/gpt-4o-mini\n",
    )


def test_the_limit_and_n_bound_the_price(cli):
    cost = json.loads(cli(*MODEL, "--json", "-M", "10", "--n", "3", "hello").out)["cost_usd"]
    assert cost["output_max"] == pytest.approx(30 * 0.6e-6)


@pytest.mark.parametrize("model", ["nobody", "groq/nothing-known"])
def test_an_unknown_price_is_null(cli, model):
    counted = json.loads(cli("count", "-m", model, "--json", "hello").out)
    assert counted["method"] == "estimate"
    assert counted["cost_usd"] == {"input": None, "output_max": None, "total_max": None}
    line = cli("count", "-m", model, "-u", "hello").err
    assert line.startswith("usage: about 8 in, price unknown")


def test_models_of_an_older_encoding(cli):
    counted = json.loads(cli("count", "-m", "gpt-4", "--json", "hello").out)
    assert (counted["encoding"], counted["method"]) == ("cl100k_base", "exact")


def test_the_text_of_a_special_token_is_text(cli):
    assert int(cli(*RAW, "<|endoftext|>").out) > 1


def test_a_million_spaces(cli):
    assert 0 < int(cli(*RAW, stdin=b" " * 1_000_000).out) < 1_000_000


def test_a_million_letters(cli):
    assert 0 < int(cli(*RAW, stdin=b"a" * 1_000_000).out) < 1_000_000


@pytest.mark.parametrize(("side", "out"), [("head", "a b\n"), ("tail", " d e\n"), ("middle", "a e\n")])
def test_truncate(cli, side, out):
    assert cli(*MODEL, "--truncate", "2", "--side", side, "a b c d e") == Result(0, out, "")


def test_truncate_leaves_what_fits(cli):
    assert cli(*MODEL, "--truncate", "99", stdin=b"a\r\nb  \n") == Result(0, "a\r\nb  \n", "")
    assert cli(*MODEL, "--truncate", "0", "a b") == Result(0, "\n", "")


def pieces(result: Result) -> list[dict]:
    assert (result.code, result.err) == (0, "")
    return [json.loads(line) for line in result.out.splitlines()]


def test_split(cli):
    assert pieces(cli(*MODEL, "--split", "2", "a b c d e")) == [
        {"index": 0, "tokens": 2, "text": "a b"},
        {"index": 1, "tokens": 2, "text": " c d"},
        {"index": 2, "tokens": 1, "text": " e"},
    ]


def test_split_with_an_overlap(cli):
    texts = [piece["text"] for piece in pieces(cli(*MODEL, "--split", "2", "--overlap", "1", "a b c d"))]
    assert texts == ["a b", " b c", " c d"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.integers(1, 9))
def test_split_loses_nothing(cli, text, size):
    kept = text.removesuffix("\n").removeprefix("\ufeff")
    if kept:
        found = [
            json.loads(line)
            for line in cli(*MODEL, "--split", str(size), stdin=text.encode()).out.split("\n")
            if line
        ]
        assert "".join(piece["text"] for piece in found) == kept


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["--overlap", "1"], "--overlap without --split; add --split N"),
        (
            ["--split", "2", "--overlap", "2"],
            "cannot overlap pieces of 2 tokens by 2; give an overlap of 0 to 1",
        ),
        (["--split", "2", "--truncate", "2"], "--truncate and --split are two different cuts; choose one"),
    ],
)
def test_cuts_that_make_no_sense(cli, argv, reason):
    assert cli(*MODEL, *argv, "a b c") == Result(2, "", f"llmcli: usage: {reason}\n")


@pytest.mark.parametrize(
    "argv", [["--split", "0"], ["--truncate", "-1"], ["--side", "left"], ["--format", "xml"]]
)
def test_values_that_are_none(cli, argv):
    result = cli(*MODEL, *argv, "a")
    assert (result.code, result.out) == (2, "")


def test_it_needs_no_key_and_no_network(process):
    done = process(
        "count", "--no-stdin", "-m", "gpt-4o-mini", "hello", env={"HTTPS_PROXY": "http://127.0.0.1:9"}
    )
    assert done == Result(0, "8\n", "")
