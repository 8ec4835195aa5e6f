"""The window that a declared limit is of: a second, a minute, an hour or a day, as `x-ratelimit-reset-*` says."""

from __future__ import annotations

from collections.abc import Mapping

from llmcli.lean.dataclass import dataclass
from llmcli.transport.failures.waits import seconds

_SECOND, _MINUTE, _HOUR, _DAY = 1.0, 60.0, 3600.0, 86400.0
_NAMED = {"second": _SECOND, "minute": _MINUTE}  # as some headers end
_BOUNDLESS = 1e9  # more than anybody sends
_NEAR = 0.03  # share by which a reset may differ from what a window explains
_SURE = 2  # replies, with different counts left, that must agree on a window that is longer than their resets
_DECLARING = frozenset(
    f"x-ratelimit-limit-{unit}{end}" for unit in ("requests", "tokens") for end in ("", "-second", "-minute")
) | {"anthropic-ratelimit-requests-limit", "anthropic-ratelimit-tokens-limit"}


def declares(headers: Mapping[str, str]) -> bool:
    """Whether headers declare a limit, which most do not."""
    return not headers.keys().isdisjoint(_DECLARING)


@dataclass
class LimitWindow:
    """What replies' headers say of a limit of `unit` ("requests" or "tokens"); a minute where nothing says more.

    A limit that flows back bit by bit is full again after the share of its window that was used; one that is
    counted anew is so at the window's end. So a reset of 3 minutes with 30 of 14,400 used is of a day, one of a
    second with 9 of 10 left is of a second.
    """

    unit: str
    length: float = _MINUTE  # seconds
    parts: float = 1  # that share the limit equally: what is said here is of one
    _guess: float = 0.0  # a longer window that a reply spoke for,
    _used: float = 0.0  # with so much of the limit used,
    _agreed: int = 0  # and how many did so

    def a_minute(self, headers: Mapping[str, str]) -> float | None:
        """The limit a minute that a reply's headers declare, or our part of it; None: they declare none."""
        for name, length in _NAMED.items():
            if limit := number(headers.get(f"x-ratelimit-limit-{self.unit}-{name}")):
                return limit * _MINUTE / length / self.parts
        limit = number(
            headers.get(f"x-ratelimit-limit-{self.unit}")
            or headers.get(f"anthropic-ratelimit-{self.unit}-limit")
        )
        if not limit:
            return limit
        left = number(headers.get(f"x-ratelimit-remaining-{self.unit}"))
        reset = seconds(headers.get(f"x-ratelimit-reset-{self.unit}") or "")
        if left is not None and reset is not None and 0 <= left < limit and reset > 0:
            self._look(limit, limit - left, reset)
        return limit * _MINUTE / self.length / self.parts

    def header(self, headers: Mapping[str, str]) -> str:
        """The header that declares the limit, as a person reads it."""
        names = [f"x-ratelimit-limit-{self.unit}{end}" for end in ("", "-second", "-minute")]
        for name in (*names, f"anthropic-ratelimit-{self.unit}-limit"):
            if value := headers.get(name):
                return f"{name}: {value[:20]}"
        return f"of a limit of {self.unit}"

    def _look(self, limit: float, used: float, reset: float) -> None:
        flowing = _near(reset * limit / used)
        if reset > _MINUTE * (1 + _NEAR):
            self.length = max(flowing or 0.0, _HOUR if reset <= _HOUR else _DAY)
        elif flowing in {_HOUR, _DAY}:
            self._agree(flowing, used)
        elif flowing is not None:
            self.length = flowing
        elif reset > _SECOND:
            self.length = max(self.length, _MINUTE)
        elif used <= limit / 2 and self.length == _MINUTE:
            self.length = _SECOND

    def _agree(self, length: float, used: float) -> None:
        """Take a window for true that several replies speak for: one may do so by chance."""
        if length != self._guess:
            self._guess, self._agreed = length, 0
        self._agreed += self._agreed == 0 or used != self._used
        self._used = used
        if self._agreed >= _SURE:
            self.length = length


def _near(length: float) -> float | None:
    """The window that has about this length in seconds."""
    return next(
        (each for each in (_SECOND, _MINUTE, _HOUR, _DAY) if abs(length - each) <= _NEAR * each), None
    )


def number(text: str | None) -> float | None:
    """A header's number, as far as such a limit matters; None: it has none, or none that can be a limit."""
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return min(value, _BOUNDLESS) if value is not None and 0 <= value < float("inf") else None
