"""What a dispatcher and its workers tell each other: orders one way, reports the other; and the bytes it travels as."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import field, replace
from decimal import Decimal
from typing import NamedTuple, Protocol

from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.readers.entry import Placed
from llmcli.errors import LlmcliError
from llmcli.lean.dataclass import dataclass

FLUSH = 512
"""Records that a worker may have which nobody else knows of: with as many, it begins no more rows."""


SILENCE = 15.0
"""Seconds after which a worker that says nothing is taken to be dead, and others have its rows."""

LEASE = 10.0
"""Seconds without orders after which a worker begins no more rows: they may be others' by now."""


class Lent(NamedTuple):
    """A row that is lent to a worker: its entry, and $ that it cost in earlier runs."""

    placed: Placed
    carried: Decimal | None


class ToldRecord(NamedTuple):
    """A record of a row, by the row's place in the whole input."""

    place: int
    line: bytes
    failed: bool


@dataclass(slots=True)
class Orders:
    """What a worker is to do next.

    `part` of every limit is its own, 0 to 1; `allowed` are the $ that all it does may cost (None: as it likes). Of the
    rows that it has, those that were `taken` away are not to be begun. `over`: no more rows come. `stop`: none is to be
    begun any more, and with `abort` none is to be finished.
    """

    rows: Sequence[Lent] = ()
    part: float = 1.0
    allowed: Decimal | None = None
    taken: Sequence[int] = ()
    over: bool = False
    stop: LlmcliError | None = None
    abort: bool = False


@dataclass(slots=True)
class WorkerMoney:
    """The money of a worker, in $: spent, set aside, what it may spend in all, and what a row lacks (0: nothing)."""

    spent: Decimal = field(default=Decimal(0))
    reserved: Decimal = field(default=Decimal(0))
    allowed: Decimal = field(default=Decimal(0))
    short: Decimal = field(default=Decimal(0))
    dearest: Decimal = field(default=Decimal(0))  # that a row may have cost so far


@dataclass(slots=True)
class WorkReport:
    """What a worker did since its last report, and its figures since it began.

    `wants`: rows that it has room for. `held`: a limit holds it back. `ended`: it does nothing any more, for `reason`
    where that is not the end of the rows.
    """

    records: Sequence[ToldRecord]
    stats: Stats
    said: Sequence[str] = ()
    wants: int = 0
    held: bool = False
    purse: WorkerMoney = field(default_factory=WorkerMoney)
    ended: bool = False
    reason: LlmcliError | None = None


class WorkerLost(Exception):
    """A worker is gone, and what it had not told with it."""


class RemoteWorker(Protocol):
    """A worker, wherever it is. `name` is for people."""

    name: str

    async def turn(self, orders: Orders) -> WorkReport:
        """Give it orders, and wait for its report, a fraction of a second or until it has much to tell.

        Raises WorkerLost.
        """

    def dismiss(self) -> None:
        """End it, whatever it does."""


class Crew(Protocol):
    """Where workers are had. `size`: so many at a time."""

    size: int

    def hire(self) -> RemoteWorker:
        """One more worker, which may take its time to come."""


# --- Parcels: rows and records go as plain tuples, which takes a tenth of what it takes to pickle named ones --------


def packed_orders(orders: Orders) -> bytes:
    """Orders as they travel."""
    rows = [(tuple(lent.placed), lent.carried) for lent in orders.rows]
    return _dumped(replace(orders, rows=()), rows)


def unpacked_orders(parcel: bytes) -> Orders:
    """The orders that a dispatcher packed."""
    orders: Orders
    orders, rows = pickle.loads(parcel)  # noqa: S301 - who can send this runs us
    orders.rows = [Lent(Placed(*placed), carried) for placed, carried in rows]
    return orders


def packed_report(report: WorkReport) -> bytes:
    """A report as it travels."""
    return _dumped(replace(report, records=()), [tuple(told) for told in report.records])


def unpacked_report(parcel: bytes) -> WorkReport:
    """The report that a worker packed."""
    report: WorkReport
    report, records = pickle.loads(parcel)  # noqa: S301 - we have it from a worker that we hired
    report.records = [ToldRecord(*told) for told in records]
    return report


def _dumped(message: Orders | WorkReport, rest: Sequence[tuple[object, ...]]) -> bytes:
    return pickle.dumps((message, rest), pickle.HIGHEST_PROTOCOL)
