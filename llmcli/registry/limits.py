"""What a model or its provider is known to refuse, so that it is said before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmcli.lean.pattern import lazy_pattern
from llmcli.registry.models import Model, find_model
from llmcli.registry.providers import Provider, find_provider

_O_SERIES = lazy_pattern(r"o\d+(-|$)")
_REASONING = lazy_pattern(r"(o\d+|gpt-([5-9]|[12]\d)(\.\d+)?)(-|$)")
_CHAT = lazy_pattern(r"(^|-)chat(-latest)?(-\d{4}-\d\d-\d\d)?$")
_NO_STOP = lazy_pattern(r"o3(?!-mini)|o4-mini")
_O_SERIES_REFUSES = ("presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias")
_GPT_REFUSES = (
    "presence_penalty",
    "frequency_penalty",
    "stop",
    "logit_bias",
    "modalities",
    "prediction",
    "audio",
    "web_search_options",
)
_SAMPLING = ("temperature", "top_p")
_LOGPROBS = ("logprobs", "top_logprobs")


def is_reasoning(provider: str, name: str) -> bool:
    """Whether this is one of OpenAI's reasoning models (o-series, gpt-5 and later), wherever it is served.

    The table decides; where it does not know the name, the name does: so `azure/gpt-7` and
    `openrouter/openai/gpt-6-luna` count, and `gpt-5-chat-latest` or a model on a local server does not.
    """
    server = find_provider(provider)
    maker_name = _openai_name(name)
    if (server and not server.key_required) or _CHAT.search(maker_name):
        return False
    model = find_model("openai", maker_name)
    if model and model.caps:
        return "reasoning" in model.caps
    return bool(_REASONING.match(maker_name))


def refused_parameters(provider: str, name: str, parameters: Mapping[str, Any]) -> dict[str, str]:
    """The parameters (API names) that this model, or its provider, rejects: `{parameter: reason}`.

    None counts as not given. Only what is known to fail is refused; the rest is left to the endpoint. Source:
    OpenAI's API reference and litellm 1.109.1's transformations, and the two tables of this package.
    """
    given = {key: value for key, value in parameters.items() if value is not None}
    if not given:
        return {}
    server, model = find_provider(provider), find_model(provider, name)
    refusals = dict(_refused_by_reasoning(server, name, given)) if is_reasoning(provider, name) else {}
    refusals |= _refused_sampling(model, name)
    refusals |= _refused_effort(provider, name, given)
    refusals |= dict(_refused_by_provider(server, given)) if server else {}
    return {key: refusals[key] for key in given if key in refusals}


def _openai_name(name: str) -> str:
    """`openai/gpt-5:online` -> gpt-5, `ft:o4-mini:org::id` -> o4-mini."""
    last = name.rsplit("/", 1)[-1].lower().removeprefix("ft:")
    return last.partition(":")[0]


def _refused_by_reasoning(
    server: Provider | None, name: str, given: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    model = find_model("openai", _openai_name(name))
    rejects = f"{name} is a reasoning model and rejects"
    if model and server and server.max_tokens_param == "max_completion_tokens":
        yield "max_tokens", f"{rejects} max_tokens (it takes max_completion_tokens)"
    for key in _always_refused(_openai_name(name)):
        if given.get(key) is not False:
            yield key, f"{rejects} {key}"
    if _thinks(model, _openai_name(name), given):
        yield from _refused_while_thinking(model, rejects, given)


def _always_refused(maker_name: str) -> tuple[str, ...]:
    if not _O_SERIES.match(maker_name):
        return _GPT_REFUSES
    return (*_O_SERIES_REFUSES, "stop") if _NO_STOP.match(maker_name) else _O_SERIES_REFUSES


def _thinks(model: Model | None, maker_name: str, given: Mapping[str, Any]) -> bool:
    """Whether the effort resolves to something else than none, which the o-series does not know."""
    if _O_SERIES.match(maker_name) or (model and "none_reasoning_effort" in model.lacks):
        return True
    default = model.default_effort if model else None
    return bool(given.get("reasoning_effort", default) != "none")


def _refused_while_thinking(
    model: Model | None, rejects: str, given: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    can_stop = model is not None and "none_reasoning_effort" in model.caps
    for key in _SAMPLING:
        if given.get(key, 1) != 1:
            yield key, f"{rejects} {key} (only 1{', or --reasoning-effort none' if can_stop else ''})"
    for key in _LOGPROBS:
        if given.get(key) is not False:
            yield key, f"{rejects} {key}{' (unless --reasoning-effort none)' if can_stop else ''}"


def _refused_sampling(model: Model | None, name: str) -> dict[str, str]:
    if model is None or "sampling_params" not in model.lacks:
        return {}
    return {key: f"{name} takes no sampling parameters and rejects {key}" for key in (*_SAMPLING, "top_k")}


def _refused_effort(provider: str, name: str, given: Mapping[str, Any]) -> dict[str, str]:
    effort = given.get("reasoning_effort")
    model = find_model(provider, name) or find_model("openai", _openai_name(name))
    if effort is None or model is None:
        return {}
    if _has_no_effort(model):
        return {"reasoning_effort": f"{name} is not a reasoning model and rejects reasoning_effort"}
    if model.efforts and effort not in model.efforts:
        return {
            "reasoning_effort": f"{name} takes reasoning_effort {' or '.join(model.efforts)}, not {effort}"
        }
    if f"{effort}_reasoning_effort" in model.lacks:
        return {"reasoning_effort": f"{name} does not take reasoning_effort {effort}"}
    return {}


def _has_no_effort(model: Model) -> bool:
    """A model of OpenAI whose features are listed, with nothing about reasoning among them."""
    listed = model.provider in ("openai", "azure") and model.caps
    return bool(listed) and not any("reasoning" in cap for cap in model.caps)


def _refused_by_provider(server: Provider, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in server.rejected:
        yield key, f"{server.name} rejects {key}"
    n = given.get("n")
    if server.max_n and isinstance(n, int) and n > server.max_n:
        yield "n", f"{server.name} gives {server.max_n} choice per request and rejects n={n}"
