"""What a request may cost before it is answered: its prompt, and the longest answer that it can get."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from llmcli.registry.models import find_model
from llmcli.registry.prices import input_cost, is_free, worst_cost
from llmcli.wire import Request


def longest_answer(request: Request) -> int | None:
    """The most tokens that one answer may have; None where nothing limits it."""
    model = find_model(request.provider, request.model)
    return request.max_tokens or (model.max_output_tokens if model else None)


def estimate(
    request: Request, price: Mapping[str, Any], tokens: int, most: int, *, batch: bool = False
) -> tuple[Decimal, Decimal | None, Decimal | None]:
    """$ of a prompt of so many tokens, of the longest answers, and of both where it has `most` tokens.

    The latter two are None where nothing limits the answers, unless they are free.
    """
    if is_free(price):
        return Decimal(0), Decimal(0), Decimal(0)
    tier = "batch" if batch else request.service_tier
    prompt = input_cost(price, tokens, tier)
    longest = longest_answer(request)
    if longest is None:
        return prompt, None, None
    answers = longest * request.n
    return (
        prompt,
        worst_cost(price, tokens, answers, tier) - prompt,
        worst_cost(price, most, answers, tier),
    )
