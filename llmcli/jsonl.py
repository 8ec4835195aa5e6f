"""JSON in and out: the only importer of orjson."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import orjson

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_DEEPEST = 200  # levels of brackets; orjson writes 254, and records put some around them
_DIGITS = bytes(
    0x30 if chr(byte).isdigit() else 0x20 for byte in range(256)
)  # each digit to 0, the rest to a space


class TooDeep(ValueError):
    """JSON that is nested too deep to be worked with."""

    def __init__(self) -> None:
        super().__init__(f"it is nested more than {_DEEPEST} deep")


def dumps(value: Any) -> bytes:
    """Compact UTF-8 JSON. Lone surrogates and huge integers, which orjson refuses, go the slow way.

    Raises TooDeep.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return _dumped(value, separators=(",", ":"), allow_nan=False)


def with_raw(value: Any, raw: type, plain: Callable[[Any], Any]) -> bytes:
    """Compact JSON in which objects of the type `raw` stand as their `text`; `plain(value)` is it without them."""

    def fragment(part: Any) -> Any:
        if isinstance(part, raw):
            return orjson.Fragment(str(part))
        raise TypeError

    try:
        return orjson.dumps(value, default=fragment)
    except TypeError:
        return dumps(plain(value))


def canonical(value: Any) -> bytes:
    """JSON with sorted keys: the same bytes for the same value, for hashing."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return _dumped(value, separators=(",", ":"), sort_keys=True)


def line(value: Any) -> bytes:
    """One JSON Lines record, newline included."""
    return dumps(value) + b"\n"


def pretty(value: Any) -> bytes:
    """Indented JSON for people, newline included."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n"
    except TypeError:
        return _dumped(value, indent=2) + b"\n"


def _dumped(value: Any, **how: Any) -> bytes:
    try:
        return json.dumps(value, **how).encode()
    except RecursionError:
        raise TooDeep from None


def loads(data: bytes | str) -> Any:
    """Parse JSON. Raises ValueError, for deep nesting TooDeep.

    What orjson refuses and the standard library takes (lone surrogates) is taken; NaN is not. Integers of any
    size are whole, which orjson's are not.
    """
    raw = data if isinstance(data, bytes) else data.encode("utf-8", "replace")
    try:
        value = _loaded(data) if _may_hold_huge_integers(raw) else orjson.loads(data)
    except orjson.JSONDecodeError:
        value = _loaded(data)
    if raw.count(b"[") + raw.count(b"{") > _DEEPEST and _is_deep(value):
        raise TooDeep
    return value


def _loaded(data: bytes | str) -> Any:
    try:
        return json.loads(data, parse_constant=_refuse)
    except RecursionError:
        raise TooDeep from None


def _may_hold_huge_integers(data: bytes) -> bool:
    """Whether 20 digits stand in a row. Every tenth byte comes first: two neighbours of those are digits then."""
    return b"00" in data[::10].translate(_DIGITS) and b"0" * 20 in data.translate(_DIGITS)


def joined(text: str) -> str:
    """Text with the halves of characters put together that stood in two pieces of JSON."""
    return text if text.isascii() else _PAIR.sub(_one_character, text)


def _one_character(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le")


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
