"""The figures of a run, in memory that does not grow with it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import field
from decimal import Decimal

from llmcli.lean.dataclass import dataclass

_log = math.log
_LEAST = 1e-4  # seconds, that the lowest bucket ends at
_STEP = math.log(1.05)


class Latencies:
    """Seconds, in buckets of 5 %: percentiles of any number of them."""

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}

    def add(self, seconds: float) -> None:
        """Take one in."""
        bucket = int(_log(seconds / _LEAST) / _STEP + 0.5) if seconds > _LEAST else 0
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1

    @classmethod
    def of(cls, parts: Iterable[Latencies]) -> Latencies:
        """All that several have."""
        whole = cls()
        for part in parts:
            for bucket, count in part._buckets.items():  # noqa: SLF001 - of its own kind
                whole._buckets[bucket] = whole._buckets.get(bucket, 0) + count
        return whole

    def percentile(self, share: float) -> float | None:
        """The seconds that `share` of them (0 to 1) do not pass; None where there are none."""
        wanted = share * sum(self._buckets.values())
        for bucket in sorted(self._buckets):
            wanted -= self._buckets[bucket]
            if wanted <= 0:
                return _LEAST * math.exp(bucket * _STEP)
        return None


@dataclass
class Stats:
    """Counted by the engine, shown by progress. `spent` is None once a price was not known.

    `earlier` rows were final before this run began. `read` and `size` are bytes of the input, `size` None for a
    pipe, and `found` the rows in what was read; `complete`: that is all, and `orphans` are rows beyond it that have
    records. No more than `limit` rows are run. `aborted`: what was under way was broken off.
    """

    began: float
    size: int | None = None
    limit: int | None = None
    read: int = 0
    found: int = 0
    foreign: int = 0  # rows among these that are other parts', and were passed over
    is_cut: bool = False  # a part's rows came to an end at the limit of the whole input
    rows: int = 0
    complete: bool = False
    orphans: int = 0
    aborted: bool = False
    away: int = 0  # rows that were left alone, since they are at the provider
    held: str | None = None  # how it stands with those that this run is to fetch, in words
    earlier: int = 0
    earlier_failed: int = 0
    ok: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    retries: int = 0
    refused: int = 0  # with 429
    overloaded: int = 0  # refused with 503 or 529
    in_flight: int = 0
    crowd: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    spent: Decimal | None = field(default=Decimal(0))
    earlier_spent: Decimal = field(default=Decimal(0))
    binds: str = "input"
    until: float | None = None  # on the clock: when that ends, where this is known
    waiting: str | None = (
        None  # since when, and until when, a server is waited for that nothing gets through to
    )
    bound: defaultdict[str, float] = field(
        default_factory=lambda: defaultdict(float)
    )  # seconds by what binds
    latencies: Latencies = field(default_factory=Latencies)

    def include(self, other: Stats) -> None:
        """Count in what another part of this run was."""
        self.ok += other.ok
        self.failures.update(other.failures)
        for name in ("sent", "retries", "refused", "overloaded", "prompt_tokens", "completion_tokens"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.spent = None if self.spent is None or other.spent is None else self.spent + other.spent
        self.latencies, self.aborted = other.latencies, self.aborted or other.aborted

    @property
    def failed(self) -> int:
        """Rows that failed in this run."""
        return self.failures.total()

    @property
    def done(self) -> int:
        """Rows that are final, in this run and before it."""
        return self.earlier + self.ok + self.failed

    @property
    def total(self) -> int | None:
        """Rows to run: known at the input's end, before that by the share of bytes read; None for a pipe."""
        if self.complete:
            rows = self.found
        elif self.size is None or not self.read:
            return None
        else:
            rows = max(self.found, round(self.found * self.size / self.read))
        rows = rows if self.limit is None else min(rows, self.limit)
        if not self.foreign:
            return rows
        if self.complete or self.is_cut:
            return rows - self.foreign
        return max(self.rows, round(rows * (1 - self.foreign / self.found)))
