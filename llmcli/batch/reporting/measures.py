"""Measures: percentiles of many numbers, and how a run went over its time, in memory that does not grow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from math import ceil, exp, floor, log
from operator import add
from typing import NamedTuple

_EXACT = 10_000  # numbers that are kept as they are
_STEPS = 200.0  # parts that a factor of e is cut in: half a per cent
_MOST_SECONDS = 20_000  # of a run that are told apart
_PARTS = 60  # that a run's time is shown in


class Percentiles:
    """Numbers of 0 and more: exact up to 10,000 of them, else within half a per cent.

    `has_shares`: else only their number, their sum and the highest are wanted.
    """

    def __init__(self, *, has_shares: bool = True) -> None:
        self._has_shares = has_shares
        self.count, self.total, self.highest = 0, 0.0, 0.0
        self._few: list[float] = []
        self._steps: Counter[int] = Counter()
        self._zeros = 0

    def take(self, numbers: Iterable[float | None]) -> None:
        """Take some in; None is no number."""
        known = [number for number in numbers if number is not None]
        if not known:
            return
        self.count += len(known)
        self.total += sum(known)
        self.highest = max(self.highest, *known)
        if not self._has_shares:
            return
        self._few += known
        if len(self._few) > _EXACT:
            self._fold()

    def _fold(self) -> None:
        """Count what was kept, by the steps that it is in."""
        positive = [number for number in self._few if number > 0]
        self._zeros += len(self._few) - len(positive)
        self._steps.update(map(floor, map(_STEPS.__mul__, map(log, positive))))
        self._few = []

    def at(self, *shares: float) -> list[float | None]:
        """The numbers that these shares of all are at most: 0.5 is the median; None where there are none."""
        if not self.count:
            return [None for _ in shares]
        if not self._steps and not self._zeros:
            few = sorted(self._few)
            return [few[max(0, ceil(share * len(few)) - 1)] for share in shares]
        self._fold()
        return [self._step(ceil(share * self.count)) for share in shares]

    def _step(self, rank: int) -> float:
        if rank <= self._zeros:
            return 0.0
        passed = self._zeros
        for step in sorted(self._steps):
            passed += self._steps[step]
            if passed >= rank:
                return min(exp((step + 0.5) / _STEPS), self.highest)
        return self.highest

    def bars(self, most: int = 30) -> list[tuple[float, float, int]]:
        """(from, to, how many) in parts of one width up to the 99.5th percentile; the last has all above it, too."""
        top = self.at(0.995)[0]
        if not top:
            return []
        width = top / most
        found = Counter(min(int(number / width), most - 1) for number in self._few)
        for number, times in self._weighted():
            found[min(int(number / width), most - 1)] += times
        return [(width * part, width * (part + 1), found[part]) for part in range(most)]

    def _weighted(self) -> Iterator[tuple[float, int]]:
        if self._zeros:
            yield 0.0, self._zeros
        yield from ((exp((step + 0.5) / _STEPS), times) for step, times in self._steps.items())


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
