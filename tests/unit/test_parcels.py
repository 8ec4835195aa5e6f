"""Orders and reports come out of their parcels as they went in."""

from __future__ import annotations

from decimal import Decimal

import pytest

from llmcli.batch.cluster.messages import (
    Lent,
    Orders,
    ToldRecord,
    WorkerMoney,
    WorkReport,
    packed_orders,
    packed_report,
    unpacked_orders,
    unpacked_report,
)
from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.readers.entry import Broken, Columns, NamedFile, Placed
from llmcli.batch.input.shape import BadRow
from llmcli.errors import TransientFailure

COLUMNS = Columns(("name",), ("Name",))


@pytest.mark.parametrize(
    "placed",
    [
        Placed(b'{"prompt":"x"}', 3, 4),
        Placed({"name": "Z\u00fcrich"}, 0, 2, COLUMNS),
        Placed("a line", 5, 6, file="some.txt", before=7),
        Placed(NamedFile("some.txt"), 5),
    ],
)
def test_a_row_travels_as_it_was_read(placed):
    orders = Orders(rows=[Lent(placed, Decimal("0.01"))], part=0.5, taken=[3], over=True)
    assert unpacked_orders(packed_orders(orders)) == orders
    assert orders.rows


def test_what_is_broken_travels_with_its_error():
    entry = Broken(b"{", BadRow("parse", "no JSON"), {"name": 1})
    (lent,) = unpacked_orders(packed_orders(Orders(rows=[Lent(Placed(entry, 1), None)]))).rows
    assert (lent.placed.entry.content, str(lent.placed.entry.error)) == (b"{", str(entry.error))


def test_a_stop_travels_with_its_reason():
    orders = unpacked_orders(packed_orders(Orders(stop=TransientFailure("it rains"), abort=True)))
    assert (str(orders.stop), orders.abort) == ("it rains", True)


def test_a_report_travels_with_its_records():
    told = [ToldRecord(9, b"{}\n", failed=False), ToldRecord(2, b"[]\n", failed=True)]
    stats, purse = Stats(began=1.0, sent=2), WorkerMoney(spent=Decimal(1))
    report = WorkReport(told, stats, said=["a word"], wants=3, held=True, purse=purse, ended=True)
    came = unpacked_report(packed_report(report))
    assert (came.records, came.said, came.wants, came.held, came.purse) == (told, ["a word"], 3, True, purse)
    assert (came.ended, came.stats.sent) == (True, 2)
