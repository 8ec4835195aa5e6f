"""A model as a server lists it: how many tokens its window holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_KEYS = (
    "n_ctx",  # llama.cpp, in `meta`: of one slot
    "loaded_context_length",  # LM Studio, of the model as it runs
    "max_model_len",  # vLLM, SGLang
    "context_window",  # groq
    "context_length",  # openrouter, together
    "max_context_length",
)


def window_of(item: Any) -> int | None:
    """The tokens of the window that an object of GET /models, or of an error, tells of, at whatever depth."""
    if isinstance(item, list):
        return next((found for part in item if (found := window_of(part)) is not None), None)
    if not isinstance(item, dict):
        return None
    sizes = [item[key] for key in _KEYS if type(item.get(key)) is int and item[key] > 0]
    return sizes[0] if sizes else window_of([part for part in item.values() if isinstance(part, dict | list)])


def listed_window(items: Sequence[Any], model: str) -> int | None:
    """The window of a model in a list; a server that has but one answers to any name."""
    named = [item for item in items if model in _names(item)]
    return window_of(named[0]) if named else window_of(items[0]) if len(items) == 1 else None


def _names(item: Any) -> list[Any]:
    aliases = item.get("aliases")
    return [item.get("id"), *(aliases if isinstance(aliases, list) else [])]
