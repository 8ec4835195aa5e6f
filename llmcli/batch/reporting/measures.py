"""Measures: percentiles of many numbers, and how a run went over its time, in memory that does not grow."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from math import ceil
from operator import add
from struct import pack, unpack
from sys import byteorder
from typing import NamedTuple, TypeVar, cast

N = TypeVar("N", int, float)
_EXACT = 10_000  # numbers that are kept as they are
_UPPER = 1 if byteorder == "little" else 0  # which half of 32 bits has sign, exponent and what counts most
_MOST_SECONDS = 20_000  # of a run that are told apart
_PARTS = 60  # that a run's time is shown in


def known(numbers: Sequence[N | None]) -> Sequence[N]:
    """Those that are not None."""
    every = cast("Sequence[N]", numbers)
    try:
        sum(every)  # the quickest way to see that none is missing
    except TypeError:
        return [number for number in numbers if number is not None]
    return every


class Percentiles:
    """Numbers of 0 and more: exact up to 10,000 of them, else within half a per cent."""

    def __init__(self) -> None:
        self.count, self.total, self.highest = 0, 0.0, 0.0
        self._few = array("d")
        self._steps: Counter[int] = Counter()

    def take(self, numbers: Sequence[float]) -> None:
        """Take some in."""
        if not numbers:
            return
        self.count += len(numbers)
        self.total += sum(numbers)
        highest = max(numbers)
        self.highest = max(self.highest, highest)
        if self._steps:
            self._count(numbers)
            return
        self._few.extend(numbers)
        if len(self._few) > _EXACT:
            self._count(self._few)
            self._few = array("d")

    def _count(self, numbers: Iterable[float]) -> None:
        """Count numbers by the steps that they are in."""
        self._steps.update(memoryview(array("f", numbers)).cast("B").cast("H")[_UPPER::2].tolist())

    def at(self, *shares: float) -> list[float | None]:
        """The numbers that these shares of all are at most: 0.5 is the median; None where there are none."""
        if not self.count:
            return [None for _ in shares]
        if not self._steps:
            few = sorted(self._few)
            return [few[max(0, ceil(share * len(few)) - 1)] for share in shares]
        return [self._step(ceil(share * self.count)) for share in shares]

    def _step(self, rank: int) -> float:
        passed = 0
        for step in sorted(self._steps):
            passed += self._steps[step]
            if passed >= rank:
                return min(_middle(step), self.highest)
        return self.highest

    def bars(self, top: float, most: int = 30) -> list[tuple[float, float, int]]:
        """(from, to, how many) in parts of one width up to `top`; the last has all above it, too."""
        if not self.count or not top:
            return []
        width = top / most
        found = Counter(min(int(number / width), most - 1) for number in self._few)
        for step, times in self._steps.items():
            found[min(int(min(_middle(step), top) / width), most - 1)] += times
        return [(width * part, width * (part + 1), found[part]) for part in range(most)]


def highest_shown(spreads: Iterable[Percentiles]) -> float:
    """Up to where numbers are drawn: the 99.5th percentile, of several the highest; 0 where there are none."""
    return max((spread.at(0.995)[0] or 0.0 for spread in spreads), default=0.0)


def _middle(step: int) -> float:
    """The number in the middle of a step, which is the upper half of a number's 32 bits: 7 bits of it are exact."""
    middle: float = unpack("f", pack("I", step << 16 | 0x8000))[0]
    return middle if step else 0.0


class RunPart(NamedTuple):
    """A part of a run: when it began, in seconds from the run's beginning; rows, failures, tokens, $, and the mean."""

    begin: float
    rows: int
    failed: int
    tokens: int
    cost: float
    latency_ms: float | None


class Timeline:
    """What was final in each second, or, of a long run, in each minute or hour."""

    def __init__(self) -> None:
        self.slots: dict[str, list[float]] = {}
        self.width = len("2026-11-27T10:00:00")  # of `at`, as far as it names a slot

    def add(self, at: str, sums: Sequence[float]) -> None:
        """Add what came in a second: rows, failures, tokens, $, the sum of the latencies and their number."""
        slot = self.slots.setdefault(at[: self.width], [0.0] * 6)
        slot[:] = map(add, slot, sums)

    def tidy(self) -> None:
        """Make minutes of seconds where there are too many."""
        if len(self.slots) <= _MOST_SECONDS:
            return
        self.width -= 3
        slots, self.slots = self.slots, {}
        for at, sums in slots.items():
            wider = self.slots.setdefault(at[: self.width], [0.0] * 6)
            wider[:] = [one + other for one, other in zip(wider, sums, strict=True)]

    def bounds(self) -> tuple[datetime, datetime] | None:
        """When the first and the last slot began, UTC."""
        return (_moment(min(self.slots)), _moment(max(self.slots))) if self.slots else None

    def parts(self) -> tuple[float, list[RunPart]]:
        """The seconds of one part, and the parts of the run, those without a row too."""
        if (bounds := self.bounds()) is None:
            return 1.0, []
        span = (bounds[1] - bounds[0]).total_seconds() + 1
        step = max(1.0, span / _PARTS)
        sums = [[0.0] * 6 for _ in range(ceil(span / step))]
        for at, slot in self.slots.items():
            which = min(int((_moment(at) - bounds[0]).total_seconds() / step), len(sums) - 1)
            sums[which] = [one + other for one, other in zip(sums[which], slot, strict=True)]
        return step, [_part(number * step, each) for number, each in enumerate(sums)]


def _part(begin: float, sums: list[float]) -> RunPart:
    rows, failed, tokens, cost, latency, timed = sums
    return RunPart(begin, int(rows), int(failed), int(tokens), cost, latency / timed if timed else None)


def _moment(at: str) -> datetime:
    """`2026-11-27T10:00:00`, `2026-11-27T10:00` or `2026-11-27T10`, UTC."""
    return datetime.fromisoformat(at).replace(tzinfo=UTC)
