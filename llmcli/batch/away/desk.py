"""The desk: what all parts of a run through the Batch API share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import field

from llmcli.batch.away.fetching.results import Result
from llmcli.batch.away.manifest import Manifest, Portion
from llmcli.batch.away.spool import known_rows
from llmcli.batch.engine.run import Beside, Run
from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.final import Done
from llmcli.batch.ledger.ledger import Ledger
from llmcli.batch.ledger.records import Course
from llmcli.errors import PartialFailure
from llmcli.exchange.exchange import Exchanged
from llmcli.exchange.layers.budget import BudgetFile
from llmcli.lean.dataclass import dataclass
from llmcli.registry.batch_terms import BatchTerms
from llmcli.request.builder import Ask
from llmcli.settings.batch.via import Finishing
from llmcli.transport.base import Transport
from llmcli.transport.batches.base import BatchApi
from llmcli.wire import Request

Mend = Callable[[Sequence[tuple[Row, Result]]], Awaitable[Stats]]
"""Makes rows final live, each of which came with something to be mended; says what became of them."""


Lookup = Callable[[Request], Awaitable[Exchanged | None]]
"""Gives the answer that is kept for a request, if there is one."""


@dataclass
class Desk:
    """The run and its files; `api_of(request)` speaks to the provider of a request, `terms_of(request)` are its.

    `like(portion)` is a request of a portion's model, as the command line would make one. `finish`, `keep_files` and
    `poll` are as the command line says. With `repairs` or `fallback`, `mend` makes rows final live that came with
    something to be mended. `around` puts what keeps answers (a cache) around a transport. `budget` is shared with other
    commands. `say` tells people, `show` lets them see the figures. `patience(rows)`: seconds after which so many rows
    that are away are to go live.
    """

    run: Run
    records: Ledger
    done: Done
    manifest: Manifest
    api_of: Callable[[Request], BatchApi]
    terms_of: Callable[[Request], BatchTerms]
    like: Callable[[Portion], Request]
    ask: Ask
    finish: Finishing = "batch"
    keep_files: bool = False
    poll: float | None = None
    repairs: bool = False
    fallback: bool = False
    mend: Mend | None = None
    lookup: Lookup | None = None
    budget: BudgetFile | None = None
    around: Callable[[Transport], Transport] = lambda transport: transport
    say: Callable[[str], None] = lambda _words: None
    show: Callable[[], None] = lambda: None
    patience: Callable[[int], float] | None = None
    missing: dict[int, int] = field(default_factory=dict)  # by slot: how often a row was in no answer

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return self.run.world.now().timestamp()

    def finish_row(self, row: Row, line: bytes, code: str | None, cost: float) -> None:
        """Make a row final. Raises OutputFailure, and PartialFailure where there are too many failures."""
        stats, most = self.run.stats, self.run.plan.max_failures
        slot = row.slot
        self.records.write(slot, line, failed=code is not None)
        self.done.settle(slot, row.digest, cost, failed=code is not None)
        if code is None:
            stats.ok += 1
            beside: Beside | None = self.run.plan.beside
            if beside is not None:
                beside.written(row, line)
            return
        stats.failures[code] += 1
        if most is not None and stats.failed >= most:
            raise PartialFailure(f"{stats.failed} rows failed, and --max-failures is {most}")

    def course(self, row: Row, kept: bytes | None, attempts: int) -> Course:
        """How a row came to its end, which is now."""
        at, via = self.run.plan.moment(), "batch" if attempts else None
        return Course(attempts, self.done.cost(row.slot), at, kept, via)

    def mark_away(self, portion: Portion) -> None:
        """The rows of a portion are away."""
        mark_away(self.manifest, portion, self.done)

    def take_back(self, portion: Portion) -> None:
        """The rows of a portion are away no more."""
        for about in known_rows(self.manifest, portion):
            self.done.back(slot_of(about, self.done))


def mark_away(manifest: Manifest, portion: Portion, done: Done) -> None:
    """The rows of a portion are away."""
    for about in known_rows(manifest, portion):
        done.leave(slot_of(about, done))


def slot_of(about: dict[str, object], done: Done) -> int:
    """What the records of a row are kept by, of which this is known."""
    key, number = about.get("key"), about["number"]
    if isinstance(key, str) and done.slots is not None:
        return done.slots.of(int(key[1:], 16))
    return int(str(number))


def rows_in_words(number: int) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{number:,} row{'' if number == 1 else 's'}"


def batches_in_words(number: int) -> str:
    """`1 batch`, `12 batches`."""
    return f"{number:,} batch{'' if number == 1 else 'es'}"
