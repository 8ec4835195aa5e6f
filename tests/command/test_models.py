"""`llmcli models`: what is known of models."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Result

HEAD = ["MODEL", "CONTEXT", "OUTPUT", "$IN/M", "$CACHED/M", "$OUT/M", "SHUTDOWN", "SUPPORTS"]


def test_the_table(cli):
    result = cli("models", "openai/gpt-4o-mini")
    head, first, *_ = result.out.splitlines()
    assert (result.code, result.err, head.split()) == (0, "", HEAD)
    assert first.split() == [
        *("openai/gpt-4o-mini", "128000", "16384", "0.15", "0.075", "0.6", "2027-01-14"),
        *("tools", "schema", "vision", "pdf", "caching"),
    ]


def test_the_embedded_provider_is_listed(cli):
    assert "offline/echo" in cli("models").out


def test_a_record(cli):
    [found] = json.loads(cli("models", "--json", "openai/gpt-4").out)[:1]
    assert list(found) == [
        *("id", "provider", "model", "context_window", "max_output_tokens"),
        *("price", "supports", "lacks", "shutdown_date"),
    ]
    assert list(found["price"]) == ["input", "output", "cached"]


def test_jsonl_is_a_line_for_each(cli):
    lines = cli("models", "--format", "jsonl").out.splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert ids == [found["id"] for found in json.loads(cli("models", "--json").out)]
    assert len(ids) == len(set(ids)) == len(cli("models").out.splitlines()) - 1


@pytest.mark.parametrize("pattern", ["GPT-4O-MINI", "gpt-4o-mini", "openai/gpt-4o-m*", "*4o-min?"])
def test_patterns(cli, pattern):
    assert "openai/gpt-4o-mini " in cli("models", pattern).out


def test_no_model_matches(cli):
    assert cli("models", "no such model") == Result(
        1, "", "llmcli: error: no model matches 'no such model'; see llmcli models for all of them\n"
    )


def test_prices_of_ones_own_are_shown(cli, config):
    config.write_text('[prices."openai/gpt-4o-mini"]\nin = 7\nout = 8\n')
    [found, *_] = json.loads(cli("models", "--json", "openai/gpt-4o-mini").out)
    assert found["price"] == {"input": 7.0, "output": 8.0, "cached": None}
