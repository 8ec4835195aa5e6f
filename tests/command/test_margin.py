"""An estimate carries a margin where money leans on it, and is never padded itself."""

from __future__ import annotations

import json

import pytest

PRICED = ("--price", "1000000,0", "-M", "1")  # a token is a dollar


def counted(cli, model, *argv, stdin=None):
    return json.loads(cli("count", "-m", model, "--json", *PRICED, *argv, stdin=stdin).out)


def test_an_estimate_has_a_margin_of_1_6(cli):
    record = counted(cli, "mistral/some-model", "hello")
    assert (record["tokens"], record["method"], record["margin"]) == (8, "estimate", 1.6)
    assert record["cost_usd"] == {"input": 8, "output_max": 0, "total_max": 13}


def test_what_is_exact_has_none(cli):
    for model in ("gpt-4o-mini", "groq/openai/gpt-oss-20b"):
        record = counted(cli, model, "hello")
        assert (record["method"], "margin" in record) == ("exact", False)
        assert record["cost_usd"]["total_max"] == record["tokens"]


@pytest.mark.parametrize("text", ["12345678901234567890" * 5, "1,23,45,67;89" * 8])
def test_a_text_of_digits_is_taken_for_a_token_a_byte(cli, text):
    record = counted(cli, "mistral/some-model", "--raw", text)
    assert record["tokens"] < len(text)
    assert record["cost_usd"]["total_max"] == len(text)
    assert record["margin"] == round(len(text) / record["tokens"], 2)


def test_half_digits_are_not_more_than_half(cli):
    record = counted(cli, "mistral/some-model", "--raw", "ab12" * 20)
    assert record["cost_usd"]["total_max"] == -(-record["tokens"] * 16 // 10)


def test_max_cost_sets_the_margin_aside(cli, server):
    argv = ("ask", "-m", "some-model", "--base-url", server.base_url, *PRICED)
    assert "may cost $13.000000" in cli(*argv, "--max-cost", "12.9", "hello").err
    assert cli(*argv, "--max-cost", "13", "hello").code == 0


def test_rows_carry_it_too(cli, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "hello"}\n' * 2)
    argv = ("-m", "mistral/some-model", *PRICED)
    record = json.loads(cli("count", "--rows", str(rows), "--json", *argv).out)
    assert (record["tokens"], record["cost_usd"]) == (16, {"input": 16, "output_max": 0, "total_max": 26})
    assert "$16.000000 for the prompts, $26.000000 at most" in cli("batch", str(rows), "--dry-run", *argv).out
