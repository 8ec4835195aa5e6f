"""What a request costs, or may cost: exact money from a price of the table and counts of tokens.

A price is a mapping of rates in $ per 1M tokens: `in`, `out`, `cached`, `cache_write`, `reasoning`,
`audio_in`, `audio_out`. The same again stands under `batch`, `flex`, `priority`, `ultrafast`, and under
`above` by the number of prompt tokens beyond which the whole request is charged so; what is missing in
one of these is as it is outside of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from llmcli.wire import usage_count

_MILLION = Decimal(1_000_000)
_TICK = Decimal("1e-10")  # $, xAI's unit
_TIERS = {
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
    "ultrafast": "ultrafast",
    "batch": "batch",
}
_RATES = frozenset(
    {"in", "out", "cached", "cache_write", "cache_write_1h", "cache_write_12h", "reasoning"}
    | {"audio_in", "audio_out", "audio_cached", "image_in"}
)
_CHARGES = frozenset({"cost", "cost_in_usd_ticks", "estimated_cost"})
_TABLES = frozenset({"batch", "flex", "priority", "ultrafast"})
_ALIASES = {"input": "in", "output": "out"}


class PriceError(ValueError):
    """A table that is no price; `keys` lead to what is wrong in it, outermost first."""

    def __init__(self, keys: Sequence[str], problem: str = "is no known price, or no number") -> None:
        super().__init__(problem)
        self.keys = keys


_FREE = {"in": 0, "out": 0}  # what is made here


def is_free(price: Mapping[str, Any]) -> bool:
    """Whether a model costs nothing, however much it says."""
    return price == _FREE


def cost(price: Mapping[str, Any], usage: Mapping[str, Any], service_tier: str | None = None) -> Decimal:
    """The cost of an answer in $, from the `usage` object as the API sent it; the Batch API is the tier "batch".

    Cached, cache-writing, audio and reasoning tokens are parts of their totals and take their own rate where
    there is one. What `total_tokens` counts beyond prompt and completion was thought unseen (xai, gemini)
    and is charged as reasoning. A count that is missing or no number is 0. Of cache writes the shortest
    lifetime is assumed, since the API does not say which it was; off-peak discounts are not known.
    """
    if is_free(price):
        return Decimal(0)
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    unseen = max(0, _count(usage, "total_tokens") - prompt - completion)
    rates = _Rates(price, prompt, service_tier)
    dollars = _prompt_cost(rates, prompt, usage) + _answer_cost(rates, completion, usage)
    return (dollars + unseen * rates("reasoning", "out")) / _MILLION


def charged(usage: Any) -> Decimal | None:
    """$ that the server itself says it charged, as `usage` tells; None where it says nothing.

    OpenRouter and LiteLLM have `cost` (with `is_byok` the upstream provider's bill comes on top), Perplexity
    `cost.total_cost`, DeepInfra `estimated_cost`, xAI `cost_in_usd_ticks`, of which 10^10 are a dollar.
    """
    if not isinstance(usage, (dict, Mapping)) or _CHARGES.isdisjoint(usage):
        return None
    told = usage.get("cost")
    if isinstance(told, Mapping):
        return _amount(told.get("total_cost"))
    amount = _amount(told)
    if amount is not None:
        upstream = _amount(_details(usage, "cost_details").get("upstream_inference_cost"))
        return amount + (upstream or 0) if usage.get("is_byok") is True else amount
    if (ticks := _amount(usage.get("cost_in_usd_ticks"), _TICK)) is not None:
        return ticks
    return _amount(usage.get("estimated_cost"))


def _amount(value: Any, unit: Decimal = Decimal(1)) -> Decimal | None:
    """A sum of money that a server tells, in $: a number of units, or the text of one, and not below 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        amount = Decimal(str(value)) * unit
    except (ArithmeticError, ValueError):
        return None
    return amount if amount.is_finite() and 0 <= amount < _MILLION else None


def worst_cost(
    price: Mapping[str, Any], prompt_tokens: int, answer_tokens: int, service_tier: str | None = None
) -> Decimal:
    """The most a request can cost in $: nothing cached, and so many tokens of all its answers."""
    rates = _Rates(price, prompt_tokens, service_tier)
    output_rate = max(rates("out"), rates("reasoning", "out"))
    return (prompt_tokens * rates("in") + answer_tokens * output_rate) / _MILLION


def input_cost(price: Mapping[str, Any], prompt_tokens: int, service_tier: str | None = None) -> Decimal:
    """The cost of the prompt alone in $, nothing cached."""
    return worst_cost(price, prompt_tokens, 0, service_tier)


def batch_price(price: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The price of the Batch API alone, as one without tiers; None where none is known: half of it is a guess."""
    tier = price.get("batch")
    if not any(price.values()):
        return price  # nothing costs anything
    if not isinstance(tier, Mapping):
        return None
    above, beyond = price.get("above") or {}, tier.get("above") or {}
    limits = {limit: {**above.get(limit, {}), **beyond.get(limit, {})} for limit in {**above, **beyond}}
    rates = {name: rate for name, rate in {**price, **tier}.items() if name not in _TABLES}
    return {**rates, "above": limits} if limits else rates


def price_from_config(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """A price as users write it ($ per 1M tokens; `input` and `output` are accepted for `in` and `out`).

    PriceError names the key that is unknown, missing or no number: without both rates a price is not one.
    """
    price = _checked(table)
    for key in ("in", "out"):
        if key not in price:
            raise PriceError([key], "is missing")
    return price


class _Rates:
    """The rates of one request: `rates(kind, fallback...)` is $ per 1M tokens, 0 where nothing is listed."""

    def __init__(self, price: Mapping[str, Any], prompt_tokens: int, service_tier: str | None) -> None:
        tier = price.get(_TIERS.get(service_tier or "", "")) or {}
        layers = (_above(tier, prompt_tokens), _above(price, prompt_tokens), tier, price)
        self.layers = [layer for layer in layers if layer]

    def __call__(self, *kinds: str) -> Decimal:
        for kind in kinds:
            for layer in self.layers:
                if (rate := layer.get(kind)) is not None:
                    return _exact(rate)
        return _exact(0)


@lru_cache(maxsize=1024, typed=True)
def _exact(rate: float) -> Decimal:
    """A rate as it is written."""
    return Decimal(str(rate))


def _above(table: Mapping[str, Any], prompt_tokens: int) -> Mapping[str, Any]:
    """The rates of the highest threshold that the prompt exceeds, or none."""
    limits = table.get("above")
    if not limits:
        return {}
    passed = {int(limit): rates for limit, rates in limits.items() if prompt_tokens > int(limit)}
    rates: Mapping[str, Any] = passed[max(passed)] if passed else {}
    return rates


def _prompt_cost(rates: _Rates, prompt: int, usage: Mapping[str, Any]) -> Decimal:
    details = _details(usage, "prompt_tokens_details")
    hits = _count(details, "cached_tokens") or _count(usage, "prompt_cache_hit_tokens")  # deepseek's own
    cached = min(hits, prompt)
    written = min(_count(details, "cache_write_tokens"), prompt - cached)
    audio = min(_count(details, "audio_tokens"), prompt - cached - written)
    fresh = rates("in")
    # A tier without a rate for cached tokens may be cheaper than the standard rate for them.
    return (
        cached * min(rates("cached", "in"), fresh)
        + written * rates("cache_write", "in")
        + audio * rates("audio_in", "in")
        + (prompt - cached - written - audio) * fresh
    )


def _answer_cost(rates: _Rates, completion: int, usage: Mapping[str, Any]) -> Decimal:
    details = _details(usage, "completion_tokens_details")
    unseen = _count(usage, "total_tokens") > _count(usage, "prompt_tokens") + completion
    reasoning = 0 if unseen else min(_count(details, "reasoning_tokens"), completion)
    audio = min(_count(details, "audio_tokens"), completion - reasoning)
    return (
        reasoning * rates("reasoning", "out")
        + audio * rates("audio_out", "out")
        + (completion - reasoning - audio) * rates("out")
    )


def _details(usage: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    details = usage.get(key)
    return details if isinstance(details, Mapping) else {}


def _count(counts: Mapping[str, Any], key: str) -> int:
    return usage_count(counts, key) or 0


def _checked(table: Mapping[str, Any], *above: str) -> dict[str, Any]:
    price: dict[str, Any] = {}
    for key, value in table.items():
        name = _ALIASES.get(key, key)
        if name in price:
            raise PriceError([*above, key], "is given twice")
        price[name] = _checked_value(name, value, [*above, key])
    return price


def _checked_value(name: str, value: Any, keys: Sequence[str]) -> Any:
    if isinstance(value, Mapping) and name == "above":
        return _checked_above(value, keys)
    if isinstance(value, Mapping) and name in _TABLES:
        return _checked(value, *keys)
    if name in _RATES and _is_rate(value):
        return value
    raise PriceError(keys)


def _checked_above(table: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    for limit, rates in table.items():
        if not limit.isdecimal() or not isinstance(rates, Mapping):
            raise PriceError([*keys, limit])
    return {limit: _checked(rates, *keys, limit) for limit, rates in table.items()}


def _is_rate(value: Any) -> bool:
    number = isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
    return number and Decimal(value).is_finite() and value >= 0
