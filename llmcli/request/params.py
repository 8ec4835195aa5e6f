"""The parameters of a request: API fields, what users call them, and what a model takes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from llmcli import jsonl
from llmcli.errors import UsageError
from llmcli.registry.models import find_model
from llmcli.registry.providers import Provider
from llmcli.wire import Json

# The keys of openai.types.chat.CompletionCreateParams; a test compares them with the SDK's own.
API_FIELDS = frozenset(
    [
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "modalities",
        "model",
        "moderation",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    ]
)

# Fields that other servers take and that only look like a slip of the pen.
EXTENSIONS = frozenset(
    [
        "best_of",
        "echo",
        "grammar",
        "ignore_eos",
        "include_reasoning",
        "json_schema",
        "keep_alive",
        "length_penalty",
        "max_new_tokens",
        "min_p",
        "min_tokens",
        "mirostat",
        "model_id",
        "models",
        "n_predict",
        "num_ctx",
        "options",
        "parse_tool_calls",
        "prompt_logprobs",
        "provider",
        "reasoning",
        "reasoning_format",
        "repeat_penalty",
        "repetition_penalty",
        "route",
        "safe_prompt",
        "search_options",
        "stop_token_ids",
        "thinking",
        "tfs_z",
        "top_a",
        "top_k",
        "top_n",
        "transforms",
        "typical_p",
        "usage",
        "use_beam_search",
    ]
)

# Fields that have a place of their own on the command line.
_OWNED = {
    "messages": "give a PROMPT, -s, or --messages",
    "model": "use -m",
    "stream": "use --no-stream",
}

# The shapes of fields that this program reads itself: a slip there is said before anything is sent.
_SHAPES: dict[str, tuple[tuple[type, ...], str]] = {
    "n": ((int,), "an integer"),
    "max_tokens": ((int,), "an integer"),
    "max_completion_tokens": ((int,), "an integer"),
    "stop": ((str, list), "text or a JSON array"),
    "tools": ((list,), "a JSON array"),
    "response_format": ((dict,), 'a JSON object, e.g. {"type":"json_object"}'),
    "stream_options": ((dict,), "a JSON object"),
    "service_tier": ((str,), "text"),
    "reasoning_effort": ((str,), "text"),
}


# The fields that are integers in the API and in its extensions.
_INTEGERS = frozenset(
    [
        *("n", "max_tokens", "max_completion_tokens", "seed", "top_logprobs", "top_k", "top_n", "best_of"),
        *(
            "min_tokens",
            "max_new_tokens",
            "mirostat",
            "n_predict",
            "num_ctx",
            "prompt_logprobs",
            "num_predict",
        ),
        *("repeat_last_n", "n_keep", "n_probs", "truncate_prompt_tokens", "random_seed", "min_keep"),
    ]
)


_NO_PAIR = {"-o": "-O FILE writes the answer to a file"}


def parse_pair(text: str, flag: str) -> tuple[str, str]:
    """`KEY=VALUE` of a repeatable flag, cut at the first `=`. Raises UsageError."""
    key, sign, value = text.partition("=")
    if not sign or not key:
        todo = f"write {flag} {text}=VALUE" if text.isidentifier() else _NO_PAIR.get(flag, "")
        raise UsageError(f"takes KEY=VALUE, not {text!r}", todo=todo, flag=flag)
    return key, value


@lru_cache(maxsize=1024)
def near_miss(key: str) -> str | None:
    """The API field that an unknown key looks like a slip of, or None."""
    if key in API_FIELDS or key in EXTENSIONS:
        return None
    from difflib import get_close_matches  # here, since few keys are unknown

    close = get_close_matches(key.replace("-", "_").lower(), API_FIELDS, n=1, cutoff=0.82)
    return close[0] if close else None


def _slip(key: str) -> str | None:
    """The API field of 4 letters or more that a key is one slip of: `seed` of `sead`; too strict for a row's data."""
    known = key in API_FIELDS or key in EXTENSIONS
    fields = () if known else (field for field in sorted(API_FIELDS) if len(field) > 3)
    return next((field for field in fields if _is_one_slip(key, field)), None)


def _is_one_slip(key: str, field: str) -> bool:
    """Whether one letter too many, missing, wrong, or in its neighbour's place lies between them."""
    at = next((at for at, (one, other) in enumerate(zip(key, field, strict=False)) if one != other), None)
    if at is None:
        return abs(len(key) - len(field)) == 1
    mine, right = key[at:], field[at:]
    swapped = mine[:2] == right[1::-1] and mine[2:] == right[2:]
    return swapped or mine[1:] == right[1:] or mine[1:] == right or mine == right[1:]


def parse_option(text: str) -> tuple[str, Any]:
    """`-o KEY=VALUE`: the field and its value, JSON where it parses as JSON. Raises UsageError.

    A near miss of an API field is an error; any other unknown key is for the endpoint to judge.
    """
    key, raw = parse_pair(text, "-o")
    if key in _OWNED:
        raise UsageError(f"{key}=... cannot be set here", todo=_OWNED[key], flag="-o")
    if (close := near_miss(key) or _slip(key)) is not None:
        raise UsageError(f"{key}: no such field", todo=f"did you mean {close}?", flag="-o")
    try:
        value = _json_or_text(raw)
    except jsonl.TooDeep as error:
        raise UsageError(f"{key}: {error}", flag="-o") from None
    return key, checked_field(key, value, f"-o {key}={raw}: ")


def checked_field(key: str, value: Any, where: str = "") -> Any:
    """A field's value as it is sent: 100.0 is 100 where an integer is wanted, as data frames write it.

    Raises UsageError where a field that this program reads itself has not the shape that the API gives it.
    """
    if type(value) is float and key in _INTEGERS and value.is_integer():
        value = int(value)
    kinds, words = _SHAPES.get(key, ((), ""))
    if value is not None and kinds:
        if type(value) not in kinds:
            raise UsageError(f"{where}{key} is {words}")
        _check_parts(key, value, where)
    return value


def _check_parts(key: str, value: Any, where: str) -> None:
    if key == "stop" and not all(isinstance(word, str) for word in value):
        raise UsageError(f"{where}stop is text or a JSON array of texts")
    if key == "stop" and (value == "" or "" in list(value)):
        raise UsageError(
            f"{where}stop is empty: every answer would end before it begins", todo="leave it out"
        )
    if key == "tools":
        from llmcli.request.tools import check_tool  # here, since most requests have none

        for index, tool in enumerate(value):
            check_tool(tool, index, where)
    if key == "response_format" and not isinstance(value.get("type"), str | None):
        raise UsageError(f"{where}the type of response_format is text")
    if key == "response_format" and value.get("type") == "json_schema":
        wanted = value.get("json_schema")
        if not isinstance(wanted, dict):
            raise UsageError(f"{where}json_schema is missing, or no JSON object")
        if wanted.get("schema") is not None:
            from llmcli.request.schemas.schema import check_schema  # here, since most requests have none

            check_schema(wanted["schema"], f"{where}the schema")


def _json_or_text(raw: str) -> Any:
    try:
        value = jsonl.loads(raw)
    except jsonl.TooDeep:
        raise
    except ValueError:
        return raw
    return (
        raw if isinstance(value, float) and math.isinf(value) else value
    )  # 1e999 is a number that JSON cannot write


def parse_logit_bias(pairs: Iterable[str]) -> dict[str, float]:
    """`TOKEN=BIAS`, TOKEN being a token id, BIAS a number from -100 to 100. Raises UsageError."""
    biases: dict[str, float] = {}
    for text in pairs:
        token, raw = parse_pair(text, "--logit-bias")
        try:
            bias = float(raw)
        except ValueError:
            bias = float("nan")
        if not token.isascii() or not token.isdigit() or not -100 <= bias <= 100:
            raise UsageError(
                f"{text}: TOKEN is a token id, BIAS a number from -100 to 100",
                todo="e.g. --logit-bias 1734=-100",
                flag="--logit-bias",
            )
        biases[token] = int(bias) if bias.is_integer() else bias
    return biases


def parse_tool_choice(value: str, tools: Sequence[Json]) -> Any:
    """`auto`, `none`, `required`, the NAME of a tool, or the API's own JSON object."""
    if value in {"auto", "none", "required"}:
        return value
    if value.startswith("{"):
        try:
            return jsonl.loads(value)
        except ValueError as error:
            raise UsageError(f"is not valid JSON: {error}", flag="--tool-choice") from None
    from llmcli.request.tools import tool_names  # as above

    known = {name: tool["type"] for tool in tools for name in tool_names([tool])}
    if value not in known:
        raise UsageError(
            f"{value}: no such tool",
            todo=f"one of auto, none, required{''.join(', ' + name for name in known)}",
            flag="--tool-choice",
        )
    return {"type": known[value], known[value]: {"name": value}}


def max_tokens_field(provider: Provider, model: str, own_address: bool) -> str:
    """The name that `-M` goes by: `max_completion_tokens` or `max_tokens`.

    At an address of the user's own, a model that OpenAI does not have is served by something else,
    and `max_tokens` is the only name that every such server knows.
    """
    if own_address and provider.is_default and find_model(provider.name, model) is None:
        return "max_tokens"
    return provider.max_tokens_param


def check_parameters(provider: Provider, model: str, parameters: Mapping[str, Any]) -> None:
    """Raise UsageError where this model is known to reject one of the parameters."""
    if not parameters:
        return
    from llmcli.registry.limits import refused_parameters  # here, since many requests have none

    reasons = refused_parameters(provider.name, model, parameters)
    if reasons:
        raise UsageError("; ".join(reasons.values()), todo="drop it, or choose another model")


def ignored_parameters(provider: Provider, parameters: Json) -> list[str]:
    """The parameters that this provider takes and does nothing about, in order."""
    return [name for name in parameters if name in provider.ignored]
