"""The figures of a run: what progress says, and when; sums over rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

import pytest

from llmcli.batch.engine.stats import Latencies, Stats
from llmcli.batch.forecast import Scales, Tally, count_rows, row_record
from llmcli.batch.input.readers.entry import Placed
from llmcli.batch.input.rows import Row
from llmcli.batch.progress import Lines, summary, words
from tests.unit.test_engine import Numbers


def stats(**more: object) -> Stats:
    made = Stats(began=100.0)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def test_a_line_every_ten_seconds():
    said: list[str] = []
    lines, figures = Lines(said.append), stats()
    for now in range(100, 131):
        lines.tick(figures, float(now))
    lines.close()
    assert len(said) == 3


def test_the_words_of_progress():
    figures = stats(
        size=1000,
        read=500,
        found=50,
        rows=50,
        ok=40,
        failures=Counter(rejected=2),
        earlier=8,
        earlier_failed=1,
    )
    figures.spent, figures.earlier_spent, figures.binds = Decimal("0.42"), Decimal("0.08"), "tokens"
    assert words(figures, 10.0, 1234.5, 100.0) == (
        "50/100 rows, 47 ok, 3 failed, 10.0 rows/s, 1,234 tokens/s, $0.500000 of about $1.000000,"
        " ETA 0:05, bound by tokens"
    )
    figures.spent = None
    assert "price unknown" in words(figures, 0.0, 0.0, 100.0)
    figures.until = 158.0
    assert words(figures, 0.0, 0.0, 100.0).endswith(", bound by tokens, for 58 s")
    assert words(figures, 0.0, 0.0, 157.0).endswith(", bound by tokens")


@pytest.mark.parametrize(
    ("figures", "total"),
    [
        (stats(size=None, read=10, found=5), None),
        (stats(size=100, read=0), None),
        (stats(size=100, read=50, found=5), 10),
        (stats(size=100, read=100, found=5), 5),
        (stats(size=100, read=50, found=5, limit=7), 7),
        (stats(size=None, read=10, found=5, complete=True), 5),
        (stats(size=0, complete=True), 0),
    ],
)
def test_the_total_is_told_as_well_as_it_is_known(figures, total):
    assert figures.total == total


def test_the_summary():
    figures = stats(ok=3, sent=6, retries=2, refused=1, failures=Counter(rejected=2, invalid=1), earlier=1)
    figures.prompt_tokens, figures.completion_tokens = 1000, 20
    figures.bound["server"] = 1.0
    for seconds in (0.1, 0.2, 3.0):
        figures.latencies.add(seconds)
    assert summary(figures, 102.0) == (
        "rows      6 done: 3 ok, 3 failed (2 rejected, 1 invalid)\n"
        "before    1 rows were done before, 0 of them failed\n"
        "requests  6 sent, 2 again, 1 refused with 429\n"
        "time      2.0 s, 3.0 rows/s\n"
        "latency   p50 0.202 s, p95 2.96 s, p99 2.96 s\n"
        "tokens    1,000 in + 20 out\n"
        "cost      $0.000000\n"
        "bound by  server\n"
    )


def test_percentiles_are_right_to_a_few_percent():
    latencies = Latencies()
    assert latencies.percentile(0.5) is None
    for number in range(1, 1001):
        latencies.add(number / 100)
    assert latencies.percentile(0.5) == pytest.approx(5.0, rel=0.03)
    assert latencies.percentile(0.99) == pytest.approx(9.9, rel=0.03)


def entries(source: Numbers) -> Iterator[Placed]:
    """Rows in the place of what they would be made of."""
    return (Placed(row, row.number) for row in iter(source.next, None))


def itself(found: Placed) -> Row:
    return found.entry


def test_a_sum_is_not_known_when_a_part_is_not():
    tally = Tally()
    scales = Scales(lambda *_: {"in": 1, "out": 1})
    for counted in count_rows(entries(Numbers(2)), itself, scales, tally):
        assert row_record(counted)["cost_usd"]["total_max"] is None, "nothing limits the answer of this model"
    assert (tally.rows, tally.invalid, tally.record()["cost_usd"]["input"]) == (2, 0, None)


def test_rows_are_counted_in_their_order_a_few_at_a_time():
    source = Numbers(5000)
    counted = count_rows(entries(source), itself, Scales(lambda *_: None))
    assert [next(counted).row.number for _ in range(10)] == list(range(10))
    assert source.given < 2000
    assert [one.row.number for one in counted] == list(range(10, 5000))
