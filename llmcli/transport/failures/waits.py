"""How long a server asks to wait: what its headers and the words of its errors say, in seconds."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

_UNITS = {
    "ms": 0.001,
    "millisecond": 0.001,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "m": 60.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
}
_NUMBER = r"\d+(?:\.\d+)?"
_UNIT = r"(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)\b"
# Patterns are compiled by the first server that asks to wait.
_PART = rf"(?i)({_NUMBER})\s*({_UNIT[:-2]})(?![a-z])"
_SPAN = rf"{_NUMBER}\s*(?:{_UNIT[:-2]})(?:[\s,]*(?:and\s+)?{_NUMBER}\s*(?:{_UNIT[:-2]}))*(?![a-z])"
_ASKED = (
    rf"(?i)(?:(?:try|retry|wait|again|retrying|available|reset|resets)\b[^.;\d]{{0,40}}?\b(?:in|after|for)|"
    rf"\bwait)\s*:?\s*(?:about\s+|at least\s+)?({_SPAN}|{_NUMBER}(?=\s*(?:$|[.;,)](?!\d))))"
)
_KEYS = {"retrydelay": 1.0, "retryafter": 1.0, "retryafterseconds": 1.0, "retryafterms": 0.001}
_EPOCH = 1e9  # a number of seconds from here on is a time: no one waits for 30 years
_DEEPEST = 8  # levels of an error body that are looked into,
_MOST = 20  # items of each of its lists,
_LONGEST = 4_000  # and characters of its texts


def retry_after(headers: Mapping[str, str], body: Any = None, now: datetime | None = None) -> float | None:
    """Seconds that the server asks to wait; None: it does not say.

    `retry-after-ms`, else `retry-after` (seconds, `1s`, a date, an epoch), else what the body's JSON says:
    `retryDelay: "34s"` of Google's details, "try again in 6m0s" of a message.
    """
    asked = (
        _number(headers.get("retry-after-ms", ""), 0.001),
        seconds(headers.get("retry-after", ""), now),
        *_in_body(body, now),
    )
    return next((max(0.0, wait) for wait in asked if wait is not None), None)


def seconds(text: str, now: datetime | None = None) -> float | None:
    """Seconds from now to what a header says: `7`, `1s`, `6m0s`, `120ms`, a date, an epoch; None: nothing."""
    text = text.strip()
    if (number := _number(text)) is not None:
        return number if number < _EPOCH else _from_epoch(number, now)
    if re.fullmatch(_SPAN, text, re.IGNORECASE):
        return _span(text)
    return _until(text, now)


def asked_in(words: str) -> float | None:
    """Seconds that a sentence asks to wait; None: it does not."""
    found = re.search(_ASKED, words)
    return None if found is None else _span(found[1])


def _span(text: str) -> float:
    """`1h2m3.5s` in seconds; a bare number is of seconds."""
    parts = re.findall(_PART, text)
    if not parts:
        return float(text)
    return math.fsum(float(number) * _unit(unit) for number, unit in parts)


def _unit(word: str) -> float:
    word = word.lower()
    return _UNITS[word] if word in _UNITS else _UNITS[word.removesuffix("s")]


def _from_epoch(number: float, now: datetime | None) -> float:
    """Seconds to a Unix time in seconds or milliseconds."""
    time = number / 1000 if number > 100 * _EPOCH else number
    return time - (now or datetime.now(UTC)).timestamp()


def _in_body(value: Any, now: datetime | None, depth: int = _DEEPEST) -> Iterator[float | None]:
    if isinstance(value, dict) and depth:
        for key, part in value.items():
            scale = _KEYS.get(key.lower().replace("_", "").replace("-", ""))
            if scale is not None:
                yield _wait_of(part, scale, now)
        parts = list(value.values())
    else:
        parts = value[:_MOST] if isinstance(value, list) and depth else []
    if isinstance(value, str):
        yield asked_in(value[:_LONGEST])
    for part in parts:
        yield from _in_body(part, now, depth - 1)


def _wait_of(value: Any, scale: float, now: datetime | None) -> float | None:
    if isinstance(value, dict):  # a Duration of protobuf
        value = value.get("seconds")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    wait = seconds(str(value), now)
    return None if wait is None else wait * scale


def _number(text: str, scale: float = 1.0) -> float | None:
    try:
        number = float(text) * scale
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _until(date: str, now: datetime | None) -> float | None:
    from email.utils import parsedate_to_datetime  # here, since few servers give a date

    try:
        when = datetime.fromisoformat(date) if date[:4].isdigit() else parsedate_to_datetime(date)
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return (when - (now or datetime.now(UTC))).total_seconds()
    except (ValueError, OverflowError):
        return None
