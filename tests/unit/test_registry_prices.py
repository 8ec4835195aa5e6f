"""Money: the check list of published prices, the rules of the sum, and what must hold of any price."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcli.registry.models import find_model
from llmcli.registry.prices import PriceError, cost, input_cost, price_from_config, worst_cost

M = 1_000_000


def usage(prompt=0, completion=0, cached=0, reasoning=0, **more):
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    } | more


def price_of(name):
    provider, _, name = name.rpartition("/")
    return find_model(provider or "openai", name).price


@pytest.mark.parametrize(
    ("name", "fresh", "cached", "out"),
    [
        ("gpt-5", "1.25", "0.125", "10"),
        ("gpt-5-mini", "0.25", "0.025", "2"),
        ("gpt-5-nano", "0.05", "0.005", "0.4"),
        ("gpt-5.4", "2.5", "0.25", "15"),
        ("gpt-5.4-mini", "0.75", "0.075", "4.5"),
        ("gpt-6-luna", "0.10", "0.01", "0.50"),
        ("gpt-6-astra", "10", "1", "50"),
        ("gpt-4o", "2.5", "1.25", "10"),
        ("gpt-4o-mini", "0.15", "0.075", "0.6"),
        ("gpt-4.1", "2", "0.5", "8"),
        ("o3", "2", "0.5", "8"),
        ("o4-mini", "1.1", "0.275", "4.4"),
    ],
)
def test_published_prices_per_million_tokens(name, fresh, cached, out):
    price = price_of(name)
    # 100,000 tokens: below every long-context threshold
    assert cost(price, usage(prompt=100_000)) * 10 == Decimal(fresh)
    assert cost(price, usage(prompt=100_000, cached=100_000)) * 10 == Decimal(cached)
    assert cost(price, usage(completion=M)) == Decimal(out)


@pytest.mark.parametrize(
    ("name", "fresh", "out"),
    [
        ("gpt-5", "0.625", "5"),
        ("gpt-4o", "1.25", "5"),
        ("gpt-4o-mini", "0.075", "0.3"),
        ("gpt-4.1", "1", "4"),
    ],
)
def test_batch_is_half(name, fresh, out):
    price = price_of(name)
    assert cost(price, usage(prompt=100_000), "batch") * 10 == Decimal(fresh)
    assert cost(price, usage(completion=M), "batch") == Decimal(out)


@pytest.mark.parametrize(
    ("tier", "fresh"),
    [
        (None, "0.10"),
        ("default", "0.10"),
        ("auto", "0.10"),
        ("scale", "0.10"),
        ("flex", "0.05"),
        ("priority", "0.2"),
        ("fast", "0.2"),
        ("batch", "0.05"),
    ],
)
def test_service_tiers_of_gpt_6_luna(tier, fresh):
    assert cost(price_of("gpt-6-luna"), usage(prompt=100_000), tier) * 10 == Decimal(fresh)


def test_a_tier_that_is_not_listed_costs_the_standard_price():
    price = {"in": 1, "out": 2, "flex": {"in": 0.5}}
    assert cost(price, usage(prompt=M, completion=M), "flex") == Decimal("2.5")
    assert cost(price, usage(prompt=M, completion=M), "priority") == 3


def test_cached_tokens_never_cost_more_than_the_tier_charges_for_fresh_ones():
    price = {"in": 1, "cached": 0.9, "out": 2, "batch": {"in": 0.5, "out": 1}}
    assert cost(price, usage(prompt=M, cached=M), "batch") == Decimal("0.5")


@pytest.mark.parametrize(("prompt", "expected"), [(272_000, "2.5"), (272_001, "5"), (900_000, "5")])
def test_beyond_the_threshold_the_whole_prompt_costs_more(prompt, expected):
    assert input_cost(price_of("gpt-5.4"), prompt) == prompt * Decimal(expected) / M


def test_beyond_the_threshold_the_answer_and_the_cache_cost_more_too():
    got = cost(price_of("gpt-5.4"), usage(prompt=300_000, completion=1000, cached=100_000))
    assert got == (200_000 * Decimal(5) + 100_000 * Decimal("0.5") + 1000 * Decimal("22.5")) / M


def test_the_highest_threshold_passed_counts():
    price = {"in": 1, "out": 0, "above": {"128000": {"in": 2}, "1000000": {"in": 4}, "256000": {"in": 3}}}
    assert [input_cost(price, n) * M / n for n in (128_000, 128_001, 300_000, M + 1)] == [1, 2, 3, 4]


def test_cache_writes_have_their_own_price():
    details = {"cached_tokens": 1000, "cache_write_tokens": 2000}
    got = cost(price_of("gpt-6-luna"), usage(prompt=10_000, prompt_tokens_details=details))
    assert got == (1000 * Decimal("0.01") + 2000 * Decimal("0.125") + 7000 * Decimal("0.1")) / M


def test_audio_has_its_own_price():
    got = cost(
        price_of("gpt-audio-1.5"),
        usage(
            prompt=100,
            completion=50,
            prompt_tokens_details={"audio_tokens": 80},
            completion_tokens_details={"audio_tokens": 40},
        ),
    )
    assert got == (20 * Decimal("2.5") + 80 * Decimal(32) + 10 * Decimal(10) + 40 * Decimal(64)) / M


def test_reasoning_tokens_are_inside_of_the_completion():
    price = {"in": 0, "out": 2}
    assert cost(price, usage(completion=M, reasoning=900_000)) == 2


def test_reasoning_tokens_have_their_own_price_where_there_is_one():
    price = {"in": 0, "out": 2, "reasoning": 5}
    assert cost(price, usage(completion=M, reasoning=400_000)) == Decimal("3.2")


@pytest.mark.parametrize("details", [{"reasoning_tokens": 60}, None])
def test_reasoning_tokens_outside_of_the_completion_are_paid_for(details):
    """xai reports them so; gemini leaves them out altogether, and only the total tells."""
    seen = {
        "prompt_tokens": 21,
        "completion_tokens": 9,
        "total_tokens": 90,
        "completion_tokens_details": details,
    }
    assert cost({"in": 1, "out": 2}, seen) == (21 + (9 + 60) * Decimal(2)) / M
    assert cost({"in": 1, "out": 2, "reasoning": 3}, seen) == (21 + 9 * Decimal(2) + 60 * Decimal(3)) / M


def test_deepseek_names_its_cache_hits_differently():
    seen = {"prompt_tokens": 100, "completion_tokens": 0, "prompt_cache_hit_tokens": 40}
    assert cost({"in": 10, "cached": 1, "out": 1}, seen) == Decimal(640) / M


def test_the_example_of_the_usage_line():
    assert cost(price_of("gpt-4o-mini"), usage(prompt=12, completion=34)) == Decimal("0.0000222")


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"prompt_tokens": None, "completion_tokens": None},
        {"prompt_tokens": "many", "completion_tokens": [], "total_tokens": {}},
        {"prompt_tokens": -5, "completion_tokens": float("nan"), "total_tokens": float("-inf")},
        {"prompt_tokens": float("inf"), "prompt_tokens_details": "no", "completion_tokens_details": [1]},
        {"prompt_tokens_details": {"cached_tokens": 7}, "completion_tokens_details": {"reasoning_tokens": 7}},
    ],
)
def test_counts_that_are_none_cost_nothing(broken):
    assert cost(price_of("gpt-4o"), broken) == 0


def test_offline_costs_nothing():
    price = find_model("offline", "echo").price
    assert cost(price, usage(prompt=1000, completion=1000)) == 0
    assert worst_cost(price, 1000, 5000) == 0


def test_the_worst_case_counts_every_choice():
    price = price_of("gpt-6-luna")
    assert worst_cost(price, 1000, 6000) == (1000 * Decimal("0.1") + 6000 * Decimal("0.5")) / M
    assert worst_cost(price, 1000, 6000, "flex") == (50 + 6000 * Decimal("0.25")) / M
    assert input_cost(price, 1000) == Decimal("0.0001")


@pytest.mark.parametrize(
    ("table", "price"),
    [
        ({"in": 1, "out": 2}, {"in": 1, "out": 2}),
        ({"input": 0.15, "output": 0.6, "cached": 0.075}, {"in": 0.15, "out": 0.6, "cached": 0.075}),
        ({"in": 0, "out": 0}, {"in": 0, "out": 0}),
        (
            {"in": 1, "out": 2, "batch": {"input": 0.5}, "above": {"200000": {"in": 2}}},
            {"in": 1, "out": 2, "batch": {"in": 0.5}, "above": {"200000": {"in": 2}}},
        ),
    ],
)
def test_prices_as_users_write_them(table, price):
    assert price_from_config(table) == price


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"in": 1, "out": 2, "cahced": 1}, "cahced"),
        ({"in": "1", "out": 2}, "in"),
        ({"in": True, "out": 2}, "in"),
        ({"in": None, "out": 2}, "in"),
        ({"in": -1, "out": 2}, "in"),
        ({"in": float("nan"), "out": 2}, "in"),
        ({"in": float("inf"), "out": 2}, "in"),
        ({"in": 1}, "out"),
        ({"output": 1}, "in"),
        ({}, "in"),
        ({"in": 1, "input": 1, "out": 2}, "input"),
        ({"in": 1, "out": 2, "batch": 3}, "batch"),
        ({"in": 1, "out": 2, "batch": {"x": 1}}, "batch.x"),
        ({"in": 1, "out": 2, "above": 3}, "above"),
        ({"in": 1, "out": 2, "above": {"200k": {"in": 1}}}, "above.200k"),
        ({"in": 1, "out": 2, "above": {"9": {"input": "x"}}}, "above.9.input"),
        ({"input": "x", "output": 2}, "input"),
        ({"in": {"in": 1}, "out": 2}, "in"),
    ],
)
def test_a_broken_price_names_its_key(table, key):
    with pytest.raises(PriceError) as raised:
        price_from_config(table)
    assert ".".join(raised.value.keys) == key


RATES = st.decimals(min_value=0, max_value=1000, places=4)
COUNTS = st.integers(min_value=0, max_value=10**7)
TIERS = st.sampled_from([None, "default", "flex", "priority", "fast", "batch"])
LISTED = st.sampled_from(
    ["gpt-6-luna", "gpt-5.4", "gpt-4o", "o3", "gpt-audio", "xai/grok-4.7", "gemini/gemini-2.5-pro"]
)
ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())


@given(LISTED, COUNTS, COUNTS, TIERS)
def test_a_prompt_from_the_cache_costs_no_more_than_a_fresh_one(name, prompt, completion, tier):
    price = price_of(name)
    fresh = cost(price, usage(prompt, completion), tier)
    assert 0 <= cost(price, usage(prompt, completion, cached=prompt), tier) <= fresh


@given(LISTED, COUNTS, COUNTS, st.integers(1, 10), TIERS)
def test_no_answer_within_the_limit_costs_more_than_the_worst_case(name, prompt, limit, n, tier):
    price = price_of(name)
    assert cost(price, usage(prompt, limit * n), tier) <= worst_cost(price, prompt, limit * n, tier)


@given(RATES, RATES, COUNTS, COUNTS)
def test_the_sum_is_exact(fresh, out, prompt, completion):
    price = {"in": fresh, "out": out}
    assert cost(price, usage(prompt, completion)) * M == prompt * fresh + completion * out


@given(
    st.dictionaries(st.sampled_from(["prompt_tokens", "completion_tokens", "total_tokens"]), ANYTHING),
    st.dictionaries(st.sampled_from(["cached_tokens", "audio_tokens", "cache_write_tokens"]), ANYTHING),
    st.dictionaries(st.sampled_from(["reasoning_tokens", "audio_tokens"]), ANYTHING) | ANYTHING,
    st.none() | st.text(),
)
def test_whatever_a_server_reports_the_cost_is_a_number_and_not_negative(counts, prompt, completion, tier):
    seen = counts | {"prompt_tokens_details": prompt, "completion_tokens_details": completion}
    got = cost(price_of("gpt-audio"), seen, tier)
    assert got.is_finite()
    assert got >= 0
