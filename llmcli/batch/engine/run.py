"""What a run consists of: where rows come from and records go, the plan, what carries it out, and a row under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Protocol

from llmcli import jsonl
from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.rows import Row
from llmcli.batch.pacing.pace import Pace
from llmcli.errors import BadCommand, CallFailed, ExitCode, LlmcliError, PartialFailure
from llmcli.exchange.exchange import Way
from llmcli.exchange.layers.fallback import Rebuild
from llmcli.lean.dataclass import dataclass
from llmcli.wire import Request
from llmcli.world import World


class Source(Protocol):
    """Where rows come from. After `start`, `wake` is called, from any thread, when there may be more."""

    def start(self, wake: Callable[[], None]) -> None:
        """Begin to bring rows."""

    def next(self) -> Row | None:
        """The next row; None where none is ready."""

    @property
    def ended(self) -> bool:
        """Whether no row will come any more."""


class OpenedInput(Source, Protocol):
    """A source that is to be closed."""

    def close(self) -> None:
        """Read no more."""


class Records(Protocol):
    """Where final rows go: Ledger or Printed."""

    def room(self, row: int, /) -> bool:
        """Whether a row may be begun."""

    def write(self, row: int, line: bytes, /, *, failed: bool) -> None:
        """Make a row final."""

    def write_all(self, answers: Sequence[tuple[int, bytes]], /) -> bool:
        """Make rows final that have answers, all at once, or none; False: none, they are to be written one by one."""

    def sync(self) -> None:
        """Have the disk keep it."""


class Beside(Protocol):
    """What is written of answers beside their records."""

    def written(self, row: Row, line: bytes, /) -> None:
        """A row's answer is in its record. Raises OutputFailure."""

    def passed(self, row: Row, /) -> None:
        """A row is final from an earlier run. Raises OutputFailure."""


@dataclass(frozen=True)
class Plan:
    """How a run treats its rows.

    `model` is the command line's, as `provider/model`: what is wrong with that is wrong with all rows that name none.
    `insists`: the user said how many retries, so that they are made at a port of this machine where nothing listens.
    `fallback` are other models for a row, in their order, and `rebuild` makes its request for one.
    `worst(request)` is the most that a call may cost, in $; with `max_cost` nothing is begun that may pass it.
    `notice` is told of each row's answer, failed attempts and failure, `tell` of what a person should know.
    A server that is not well is waited for `patience` seconds. `time(seconds)` is the time of day so long from now,
    and `now()` the date and time, UTC. `input_of(row)` is what of the row's own goes into its record, as JSON.
    `beside` writes more than records.
    """

    model: str
    retries: int
    insists: bool = field(default=True, kw_only=True)
    fallback: Sequence[str]
    rebuild: Rebuild
    accepted: frozenset[ExitCode]
    on_change: str = "stop"
    limit: int | None = None
    max_failures: int | None = None
    max_cost: Decimal | None = None
    has_budget: bool = False  # a file holds one, too
    worst: Callable[[Request], Decimal] = lambda _request: Decimal(0)
    notice: Callable[[str], None] | None = None
    tell: Callable[[str], None] = lambda _words: None
    patience: float = 0.0
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    input_of: Callable[[Row], bytes] | None = None
    beside: Beside | None = None
    time: Callable[[float], str] = lambda seconds: f"{seconds:+.0f} s"

    def moment(self) -> str:
        """The date and time, UTC, as records have it."""
        return jsonl.moment(self.now())


@dataclass(frozen=True, slots=True)
class Run:
    """What all parts of a run share: the plan, how requests are sent and how fast, what is counted, and the clock.

    Of `world` a run takes `clock` (the same as the way's), `sleep` and `uniform`.
    """

    plan: Plan
    way: Way
    pace: Pace
    stats: Stats
    world: World


def raise_ending(bug: BaseException | None, stopped: LlmcliError | None, stats: Stats) -> None:
    """Raise what a run ended in, if that is not well: a bug before what stopped it, before rows that failed."""
    if bug is not None:
        raise bug
    if stopped is not None:
        raise stopped
    if failed := stats.failed + stats.earlier_failed:
        raise PartialFailure(f"{failed} of {stats.rows} rows failed")


@dataclass(slots=True)
class Job:
    """A row under way. `attempts` are those that count, `sent` all of them; `worst` and `reserved` are in $.

    `passed` is how many replies had shown its server well when it was sent. Where its last failure may be the
    server's alone, `doubt` is that failure, until it is known whether it counts.
    """

    row: Row
    request: Request
    attempts: int = 0
    sent: int = 0
    sent_at: float = 0.0
    crowd: int = 0  # requests under way once it was sent, itself among them; 0 once it came back
    refusals: int = 0  # that count
    passed: int = 0
    doubt: CallFailed | None = None
    tokens: float = 0.0  # that the attempt under way is taken to be
    models: int = 0  # of the fallbacks, how many have had their turn
    worst: Decimal = field(default=Decimal(0))
    reserved: Decimal = field(default=Decimal(0))
    carried: Decimal | None = None  # $ of answers that were not the last, in earlier runs, too

    def body(self) -> bytes:
        """The JSON of the request: the row's, unless that was for another model."""
        row = self.row
        if row.body and self.request is row.request:
            return row.body
        return jsonl.dumps_to_keep(self.request.body())


def rows_of(source: Source, limit: int | None) -> Iterator[Row]:
    """The rows of a source that has them all at hand, or the first `limit` of them. Raises BadCommand."""
    numbers = count() if limit is None else range(limit)
    for _ in numbers:
        row = source.next()
        if row is None:
            return
        if isinstance(row.error, BadCommand):
            raise row.error
        yield row
