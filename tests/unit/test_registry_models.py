"""The known models: the table as it stands, finding one, searching many."""

import json
from datetime import date
from pathlib import Path

import pytest

import llmcli.registry
from llmcli.registry.models import find_model, search_models
from llmcli.registry.providers import provider_names

REGISTRY = Path(llmcli.registry.__file__).parent
LINES = (REGISTRY / "models.json").read_text("utf-8").splitlines()
TABLE = json.loads("\n".join(LINES))
KEYS = [key for key in TABLE if key != "_meta"]


def test_the_table_has_one_model_per_line_in_order():
    assert sorted(KEYS) == KEYS
    assert len(LINES) == len(TABLE) + 2  # the braces
    assert [next(iter(json.loads(f"{{{line.rstrip(',')}}}"))) for line in LINES[1:-1]] == list(TABLE)


def test_the_table_says_where_it_is_from_and_keeps_the_notice():
    assert TABLE["_meta"]["date"] == "2026-11-12"
    licence = (REGISTRY / "LICENSE.litellm").read_text("utf-8")
    assert "MIT License" in licence
    assert "Copyright (c) 2023 Berri AI" in licence
    assert "litellm 1.109.1" in licence


def test_every_model_belongs_to_a_known_provider():
    assert {key.split("/")[0] for key in KEYS} <= set(provider_names())


def test_no_price_is_a_guess_of_nothing():
    """The source lists hosted models without a known price at 0: they have none here."""
    for key in KEYS:
        price = TABLE[key].get("price")
        if price is not None and not key.startswith("ollama/"):
            assert price["in"] + price["out"] > 0, key


def test_every_price_has_both_rates_and_caches_at_no_higher_one():
    for key in KEYS:
        if price := TABLE[key].get("price"):
            assert 0 <= price["in"] <= 200, key
            assert 0 <= price["out"] <= 1000, key
            assert price.get("cached", 0) <= price["in"], key


@pytest.mark.parametrize("key", KEYS[::37])
def test_the_quick_way_finds_what_the_whole_table_holds(key):
    provider, _, name = key.partition("/")
    model, row = find_model(provider, name), TABLE[key]
    assert (model.id, model.provider, model.name) == (key, provider, name)
    assert model.context_window == row.get("ctx")
    assert model.max_output_tokens == row.get("max_out")
    assert model.price == row.get("price")
    assert model.caps == set(row.get("caps", ()))
    assert model.lacks == set(row.get("no", ()))


def test_the_default_model():
    model = find_model("openai", "gpt-6-luna")
    assert model.id == "openai/gpt-6-luna"
    assert model.context_window == 922_000
    assert model.max_output_tokens == 128_000
    assert {"function_calling", "response_schema", "vision", "reasoning"} <= model.caps
    assert "minimal_reasoning_effort" in model.lacks
    assert model.shutdown is None
    assert "chat/completions" in model.endpoints


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "gpt-99"),
        ("openai", ""),
        ("openai", "gpt-4o\n"),
        ("openai", 'gpt-4o":'),
        ("acme", "gpt-4o"),
        ("offline", "gpt-4o"),
        ("perplexity", "sonar"),
        ("openai", "ft:"),
        ("openai", "ft:gpt-99:org::id"),
    ],
)
def test_an_unknown_model_is_none(provider, name):
    assert find_model(provider, name) is None


@pytest.mark.parametrize(
    ("provider", "name", "day"),
    [
        ("openai", "gpt-4o", date(2027, 1, 14)),
        ("openai", "gpt-4o-mini", date(2027, 1, 14)),
        ("openai", "gpt-4.1", date(2027, 1, 14)),
        ("openai", "gpt-4.1-mini", date(2027, 1, 14)),
        ("openai", "gpt-5", date(2026, 12, 11)),
        ("openai", "o4-mini", date(2026, 10, 23)),
        ("openai", "gpt-5.1", date(2027, 4, 1)),
        ("openai", "gpt-6-sol", None),
    ],
)
def test_shutdown_dates(provider, name, day):
    assert find_model(provider, name).shutdown == day


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("gpt-6-luna-2026-09-22", "gpt-6-luna"),
        ("gpt-5.6-sol-2026-07-09", "gpt-5.6-sol"),
        ("o3-2099-01-01", "o3"),
    ],
)
def test_an_unlisted_snapshot_is_its_alias_under_its_own_name(name, alias):
    model, base = find_model("openai", name), find_model("openai", alias)
    assert model.id == f"openai/{name}"
    assert model.name == name
    assert model.price == base.price
    assert model.context_window == base.context_window


def test_anthropic_writes_dates_without_dashes():
    assert find_model("anthropic", "claude-sonnet-5-5-20260901").price["in"] > 0


def test_a_fine_tuned_model_has_the_limits_of_its_base_and_not_its_price():
    model = find_model("openai", "ft:gpt-4o:acme::abc123")
    assert model.name == "ft:gpt-4o:acme::abc123"
    assert model.context_window == 128_000
    assert model.max_output_tokens == 16_384
    assert model.price is None


def test_a_fine_tuned_model_has_the_fine_tuned_price_where_one_is_listed():
    model = find_model("openai", "ft:gpt-4o-2024-08-06:acme::abc123")
    assert model.id == "openai/ft:gpt-4o-2024-08-06:acme::abc123"
    assert model.price["in"] == 3.75


def test_other_spellings_of_a_provider():
    name = "moonshotai/Kimi-K3"
    assert find_model("together_ai", name) is not None
    assert find_model("together_ai", name) == find_model("together", name)


@pytest.mark.parametrize("name", ["echo", "flaky", "flaky?rate=0.2&status=429&seed=1"])
def test_offline_models_are_known_and_free(name):
    model = find_model("offline", name)
    assert model.provider == "offline"
    assert model.price == {"in": 0, "out": 0}
    assert model.context_window == 100_000_000


def test_search_by_substring_ignores_case():
    found = [model.id for model in search_models("GPT-6-Luna")]
    assert found == ["azure/gpt-6-luna", "azure/gpt-6-luna-2026-09-22", "openai/gpt-6-luna"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*-luna", ["azure/gpt-5.6-luna", "azure/gpt-6-luna", "openai/gpt-5.6-luna", "openai/gpt-6-luna"]),
        ("openai/gpt-?-luna", ["openai/gpt-6-luna"]),
        ("gpt-?-luna", ["azure/gpt-6-luna", "openai/gpt-6-luna"]),
        ("offline/*", ["offline/echo", "offline/flaky"]),
        ("offline/", ["offline/echo", "offline/flaky"]),
        ("gpt-[0-9]", []),
        ("no such model", []),
    ],
)
def test_search_by_pattern(pattern, found):
    assert [model.id for model in search_models(pattern)] == found


def test_search_for_nothing_is_everything_in_order():
    models = search_models(None)
    assert len(models) == len(KEYS) + 2
    assert models == sorted(models, key=lambda model: (model.provider, model.name))
    assert search_models("") == models
