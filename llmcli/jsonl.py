"""JSON in and out: the only importer of orjson."""

from __future__ import annotations

# What orjson imports itself (json, datetime, dataclasses, enum, uuid) is there before it: where a signal raises an
# exception amid that, orjson's set-up goes on with nothing, and the process crashes.
import dataclasses  # noqa: F401
import json
import math
import re
import uuid  # noqa: F401
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import orjson

from llmcli.lean.pattern import lazy_pattern

_CONTROL = lazy_pattern("[\x00-\x08\x0b\x0c\x0e-\x1f]")  # but tab and line ends, which say what they mean
# Patterns that few texts need are compiled by the first that does.
_HALF = "[\ud800-\udfff]"
_PAIR = "[\ud800-\udbff][\udc00-\udfff]"
_MILLISECONDS = 1 + len("2026-11-27T10:00:00.000")
_DEEPEST = 200  # levels of brackets; orjson writes 254, and records put some around them
_TEXT = frozenset({str})
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
        return _dumped(value, separators=(",", ":"))


def dumps_to_keep(value: Any) -> bytes:
    """The same for what is kept a while: orjson's own result holds on to eight times the room that its texts take."""
    return bytes(memoryview(dumps(value)))


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


def moment(at: datetime) -> str:
    """A moment of UTC to the millisecond: `2026-11-27T10:00:00.000Z`. `isoformat` takes five times as long."""
    if not at.microsecond:
        return f"{at:%Y-%m-%dT%H:%M:%S}.000Z"
    return f"{orjson.dumps(at)[1:_MILLISECONDS].decode()}Z"


def line(value: Any) -> bytes:
    """One JSON Lines record, newline included; it may have Raw in it. Raises TooDeep."""
    try:
        return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return _in_parts(value) + b"\n"


def _in_parts(value: Any) -> bytes:
    """The same for what orjson refuses somewhere in an object, beside what is Raw."""
    if isinstance(value, Raw):
        return orjson.dumps(value)
    if not isinstance(value, dict):
        return dumps(value)
    return b"{%b}" % b",".join(dumps(name) + b":" + _in_parts(part) for name, part in value.items())


def pretty(value: Any) -> bytes:
    """Indented JSON for people, newline included."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n"
    except TypeError:
        return _dumped(value, indent=2) + b"\n"


def _dumped(value: Any, **how: Any) -> bytes:
    try:
        return json.dumps(value, allow_nan=False, **how).encode()
    except RecursionError:
        raise TooDeep from None
    except ValueError:
        return json.dumps(_nulled(value), **how).encode()


def _nulled(value: Any) -> Any:
    """The same with null for numbers that JSON has no words for, as orjson writes them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _nulled(part) for key, part in value.items()}
    return [_nulled(part) for part in value] if isinstance(value, list | tuple) else value


Raw = orjson.Fragment  # bytes of JSON that stand in other JSON as they are
ours = orjson.loads  # for what we wrote ourselves: huge integers and deep nesting are not looked for


def loads(data: bytes | str) -> Any:
    """Parse JSON. Raises ValueError, for deep nesting TooDeep.

    What orjson refuses and the standard library takes (lone surrogates) is taken; NaN is not. Integers of any
    size are whole, which orjson's are not.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = _loaded(data)
    if type(value) is dict and _TEXT.issuperset(map(type, value.values())):
        return value  # as most rows are
    raw = data if isinstance(data, bytes) else data.encode("utf-8", "replace")
    if _may_hold_huge_integers(raw):
        value = _loaded(data)
    if _has_many_brackets(raw) and _is_deep(value):
        raise TooDeep
    return value


def lenient(data: bytes, *, halves: bool = False) -> tuple[Any, bool]:
    """JSON as servers write it, and whether its bytes are good JSON as they stand. Raises ValueError, TooDeep.

    NaN, infinities and numbers that no float holds are null; a raw control byte, what is no UTF-8 and half a
    character are U+FFFD. `halves`: those stay, since another piece may hold the other half.
    """
    try:
        value, exact = orjson.loads(data), True
    except orjson.JSONDecodeError:
        value, exact = None, False
    if not exact or _may_hold_huge_integers(data):
        value = _loosely(data)
        if not halves and b"\\ud" in data.lower():
            value = _mended_in(value)
    if _has_many_brackets(data) and _is_deep(value):
        raise TooDeep
    return value, exact


def _loosely(data: bytes) -> Any:
    text = _CONTROL.sub("\ufffd", data.decode(json.detect_encoding(data), "replace"))
    try:
        return json.loads(
            text, strict=False, parse_constant=lambda _: None, parse_float=_finite, parse_int=_integer
        )
    except RecursionError:
        raise TooDeep from None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _integer(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:  # thousands of digits
        return None


def mended(text: str) -> str:
    """Text with U+FFFD for each half of a character that has no other half."""
    return text if text.isascii() else re.sub(_HALF, "\ufffd", joined_halves(text))


def _mended_in(value: Any) -> Any:
    if isinstance(value, str):
        return mended(value)
    if isinstance(value, list):
        return [_mended_in(part) for part in value]
    if isinstance(value, dict):
        return {mended(name): _mended_in(part) for name, part in value.items()}
    return value


def _loaded(data: bytes | str) -> Any:
    try:
        return json.loads(data, parse_constant=_refuse)
    except RecursionError:
        raise TooDeep from None


def _may_hold_huge_integers(data: bytes) -> bool:
    """Whether 20 digits stand in a row. Every tenth byte comes first: two neighbours of those are digits then."""
    # `find`, since `in` of bytes makes a TypeError before it looks.
    return data[::10].translate(_DIGITS).find(b"00") >= 0 and data.translate(_DIGITS).find(b"0" * 20) >= 0


def joined_halves(text: str) -> str:
    """Text with the halves of characters put together that stood in two pieces of JSON."""
    return text if text.isascii() else re.sub(_PAIR, _one_character, text)


def _one_character(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def _has_many_brackets(data: bytes) -> bool:
    """Whether it may be nested too deep. `replace` looks for a rare byte several times as fast as `count`."""
    size = len(data)
    return size > 2 * _DEEPEST and (
        2 * size - len(data.replace(b"[", b"")) - len(data.replace(b"{", b"")) > _DEEPEST
    )


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
