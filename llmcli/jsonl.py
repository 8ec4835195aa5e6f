"""JSON in and out: the only importer of orjson."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import orjson

_DEEPEST = 200  # levels of brackets; orjson writes 254, and records put some around them


def dumps(value: Any) -> bytes:
    """Compact UTF-8 JSON. Lone surrogates and huge integers, which orjson refuses, go the slow way."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode()


def canonical(value: Any) -> bytes:
    """JSON with sorted keys: the same bytes for the same value, for hashing."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return json.dumps(value, ensure_ascii=True, separators=(",", ":"), sort_keys=True).encode()


def line(value: Any) -> bytes:
    """One JSON Lines record, newline included."""
    return dumps(value) + b"\n"


def pretty(value: Any) -> bytes:
    """Indented JSON for people, newline included."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n"
    except TypeError:
        return json.dumps(value, indent=2).encode() + b"\n"


def loads(data: bytes | str) -> Any:
    """Parse JSON. Raises ValueError.

    What orjson refuses and the standard library takes (lone surrogates) is taken; NaN is not.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            return json.loads(data, parse_constant=_refuse)
        except RecursionError:
            raise ValueError("it is nested too deep") from None


def received(data: bytes | str) -> Any:
    """Parse JSON that a server or a model wrote. Raises ValueError.

    What is nested so deep that walking through it, or writing it again, may fail is refused, too.
    """
    value = loads(data)
    text = data if isinstance(data, bytes) else data.encode("utf-8", "replace")
    if text.count(b"[") + text.count(b"{") > _DEEPEST and _is_deep(value):
        raise ValueError("it is nested too deep")
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [part for whole in level for part in _parts(whole)]
        if not level:
            return False
    return True


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
