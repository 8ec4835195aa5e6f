"""Pricing: which price holds for a model: the command line's, the config file's, or the table's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llmcli.errors import ConfigError, UsageError


class Prices:
    """`configured` are the config file's, by `provider/model` or model; `given` is `--price IN,OUT`.

    Raises UsageError where that is none, and what `wrong(keys, problem)` gives for one of the file.
    """

    def __init__(
        self,
        configured: Mapping[str, Mapping[str, Any]],
        wrong: Callable[[Sequence[str], str], ConfigError],
        given: str | None = None,
    ) -> None:
        self._given = None if given is None else _given(given)
        self._configured = {name: _checked(name, price, wrong) for name, price in configured.items()}
        self._found: dict[tuple[str, str], Mapping[str, Any] | None] = {}

    def of(self, provider: str, model: str) -> Mapping[str, Any] | None:
        """The price of a model, $ per million tokens; None where nobody knows it."""
        if self._given is not None:
            return self._given
        try:
            return self._found[provider, model]
        except KeyError:
            price = self._found[provider, model] = self._find(provider, model)
            return price

    def of_batch(self, provider: str, model: str) -> Mapping[str, Any] | None:
        """The price of a model through the Batch API; what the command line gives is that, as it stands."""
        price = self.of(provider, model)
        if price is None or self._given is not None:
            return price
        from llmcli.registry.prices import batch_price

        return batch_price(price)

    def _find(self, provider: str, model: str) -> Mapping[str, Any] | None:
        for name in (f"{provider}/{model}", model, model.removeprefix(f"{provider}/")):
            if name in self._configured:
                return self._configured[name]
        from llmcli.registry.models import find_model

        found = find_model(provider, model)
        return found.price if found else None


def _given(text: str) -> Mapping[str, Any]:
    from llmcli.registry.prices import price_from_config

    try:
        into, out = (float(part) for part in text.split(","))
        return price_from_config({"in": into, "out": out})
    except ValueError:
        todo = "write IN,OUT in $ per million tokens, e.g. --price 0.15,0.6"
        raise UsageError(f"{text} is no price", todo=todo, flag="--price") from None


def _checked(
    name: str, price: Mapping[str, Any], wrong: Callable[[Sequence[str], str], ConfigError]
) -> Mapping[str, Any]:
    from llmcli.registry.prices import PriceError, price_from_config

    try:
        return price_from_config(price)
    except PriceError as error:
        raise wrong(["prices", name, *error.keys], str(error)) from None
