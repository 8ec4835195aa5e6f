"""Pointers: what a `$ref` of a schema names, and several schemas merged into one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import unquote

from llmcli.wire import Json

_SAID_LAST = {
    "title",
    "description",
    "default",
    "examples",
    "$comment",
}  # annotations: the nearest word holds


class Clash(ValueError):
    """Two schemas say what no single one can; its text is the keyword."""


def escaped(word: str) -> str:
    """A word as one part of a JSON pointer."""
    return word.replace("~", "~0").replace("/", "~1")


def pointer_of(root: Json, ref: str) -> str | None:
    """The JSON pointer (`""`: the root) that a `$ref` of this document means; None where it has none."""
    address, _, fragment = ref.partition("#")
    base = "" if not address or address == root.get("$id") else _of_id(root, "$id", address)
    if base is None:
        return None
    fragment = unquote(fragment)
    if not fragment or fragment.startswith("/"):
        return base + fragment
    return _of_id(root, "$anchor", fragment)


def _of_id(root: Json, key: str, name: str) -> str | None:
    return next((at for at, schema in _schemas(root) if schema.get(key) == name), None)


def _schemas(value: Any, at: str = "") -> Iterator[tuple[str, Json]]:
    if isinstance(value, dict):
        yield at, value
        for key, part in value.items():
            yield from _schemas(part, f"{at}/{escaped(str(key))}")
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _schemas(part, f"{at}/{index}")


def found(root: Json, pointer: str) -> Any:
    """What stands at a pointer. Raises KeyError, IndexError, TypeError, ValueError where nothing does."""
    value: Any = root
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def merged(parts: Sequence[Any]) -> Json:
    """One schema that asks for what all of them ask for. Raises Clash where that cannot be said in one."""
    whole: Json = {}
    for part in parts:
        if part is False:
            raise Clash("false")
        for key, value in part.items() if isinstance(part, dict) else ():
            whole[key] = _both(key, whole[key], value) if key in whole else value
    return whole


def _both(key: str, one: Any, other: Any) -> Any:
    """The value of a keyword that two schemas have."""
    if key in _SAID_LAST or one == other:
        return other
    both = _RULES[key](one, other) if key in _RULES else None
    if both is None or both == []:
        raise Clash(key)
    return both


def _all_properties(one: Json, other: Json) -> Json:
    shared = {name: {"allOf": [one[name], other[name]]} for name in one.keys() & other.keys()}
    return {**one, **other, **shared}


def _closed(one: Any, other: Any) -> Any:
    """What other properties may be: `false` is the tighter word, `true` none at all."""
    if one is False or other is False:
        return False
    return next((said for said, beside in ((one, other), (other, one)) if beside is True), None)


def _common_types(one: Any, other: Any) -> Any:
    kinds, others = (kind if isinstance(kind, list) else [kind] for kind in (one, other))
    both = [kind for kind in kinds if kind in others or (kind == "integer" and "number" in others)]
    both += [kind for kind in others if kind == "integer" and "number" in kinds and kind not in both]
    return both[0] if len(both) == 1 else both


_RULES: dict[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), min),
    **dict.fromkeys(("additionalProperties", "unevaluatedProperties"), _closed),
    "properties": _all_properties,
    "required": lambda one, other: [*one, *(name for name in other if name not in one)],
    "allOf": lambda one, other: [*one, *other],
    "enum": lambda one, other: [value for value in one if value in other],
    "type": _common_types,
}
"""How two schemas' words become one, where they differ."""
