"""Parcels: orders and reports as the bytes they travel as.

Rows and records go as plain tuples: to pickle those takes a tenth of what named ones take.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace

from llmcli.batch.cluster.messages import Lent, Orders, ToldRecord, WorkReport
from llmcli.batch.input.readers.entry import Placed


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
