"""The bar of a batch: what of a run's figures fits a terminal, and how a status line is shortened."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal

import pytest

from llmcli.batch.bar import Rates, Style, drawn, parts
from llmcli.batch.engine.stats import Stats
from llmcli.output.status import fitted

PLAIN = Style(done="", open="", end="")


def stats(**more: object) -> Stats:
    figures = {"size": 1000, "read": 500, "found": 50, "rows": 50, "ok": 40, "spent": Decimal("0.42")}
    made = Stats(began=100.0)
    for name, value in (figures | more).items():
        setattr(made, name, value)
    return made


SMALL = stats(failures=Counter(rejected=2, invalid=1), binds="server")
GREAT = stats(
    size=None,
    complete=True,
    found=12_345_678,
    ok=1_234_567,
    failures=Counter(rejected=23_456),
    spent=Decimal("1234.56789"),
    binds="connections (ulimit -n)",
    until=160.0,
)


def shown(figures: Stats, width: int, rate: float = 10.0, style: Style = PLAIN) -> str:
    share = None if figures.total is None else figures.done / figures.total
    return drawn(parts(figures, rate, rate * 123, 120.0), share, width, style)


@pytest.mark.parametrize(
    ("figures", "width", "line"),
    [
        (
            SMALL,
            199,
            "━━━━━━━━━━━━━━━━━───────────────────────  43/100 rows  40 ok, 3 failed (2 rejected, 1 invalid)"
            "  10.0 rows/s  1,230 tokens/s  $0.4200 of about $0.9767  ETA 0:06  bound by server",
        ),
        (SMALL, 79, "━━━━━━───────  43/100  10 rows/s  $0.4200 of $0.9767  ETA 0:06  bound by server"),
        (SMALL, 39, "43/100  10 rows/s  $0.4200  by server"),
        (GREAT, 79, "━─────  1.26M/12.3M  10 rows/s  $1.23k of $12.1k  ETA 307:59:26  by connections"),
    ],
)
def test_a_line_has_what_fits(figures, width, line):
    assert shown(figures, width) == line


@pytest.mark.parametrize("figures", [SMALL, GREAT, stats(ok=0, spent=Decimal(0))])
@pytest.mark.parametrize("rate", [0.04, 10.0, 1234.5])
def test_80_columns_have_a_bar_rows_rate_money_eta_and_what_binds(figures, rate):
    line = shown(figures, 79, rate)
    assert len(line) <= 79
    assert re.fullmatch(
        r"[━─]{5,}  \S+/\S+.*  \S+ rows/s  \$\S+(?: of \$\S+| spent|)  ETA [\d:]+  (bound )?by \w+", line
    )


@pytest.mark.parametrize("width", range(200))
def test_no_line_is_wider_than_its_terminal(width):
    for figures in (
        SMALL,
        GREAT,
        stats(size=None),
        stats(waiting="since 12:00:00, until 12:10:00"),
        stats(ok=0),
    ):
        assert len(shown(figures, width)) <= width
        assert not shown(figures, width).endswith(" ")


def test_a_pipe_has_no_bar_and_no_end():
    assert (
        shown(stats(size=None), 79)
        == "40 rows  40 ok  10.0 rows/s  1,230 tokens/s  $0.4200 spent  bound by input"
    )


def test_a_server_that_is_waited_for_is_named_with_the_time():
    assert shown(stats(waiting="since 12:00:00, until 12:10:00"), 79).endswith("waiting until 12:10:00")


def test_colours_and_characters_are_those_of_the_terminal():
    assert Style.of({}) == Style()
    assert Style.of({"LANG": "de_DE.UTF-8", "NO_COLOR": "1"}) == PLAIN
    assert Style.of({"LC_ALL": "de_DE.ISO-8859-1", "LANG": "C.UTF-8"}) == Style("#", "-")
    assert shown(SMALL, 79, style=Style()).startswith("\x1b[32m━━━")
    assert "━\x1b[2m─" in shown(SMALL, 79, style=Style())
    assert "─\x1b[0m  43/100" in shown(SMALL, 79, style=Style())


def test_after_a_pause_a_rate_is_what_runs_now():
    rates, figures = Rates(), stats(ok=0)
    assert rates.of(figures, 100.0) == (0.0, 0.0)
    figures.ok = 40
    assert rates.of(figures, 104.0) == (10.0, 0.0)
    rates.restart()  # an hour later
    assert rates.of(figures, 3704.0) == (10.0, 0.0)
    figures.ok = 60
    assert rates.of(figures, 3706.0) == (10.0, 0.0)


def test_parts_give_way_in_their_order_and_what_does_not_fit_is_cut():
    forms = {"a": ("aaaa", "a"), "b": ("bbbb", "")}
    assert fitted(forms, ("b", "a"), 20) == "aaaa  bbbb"
    assert fitted(forms, ("b", "a"), 9) == "aaaa"
    assert fitted(forms, ("b", "a"), 3) == "a"
    assert fitted(forms, (), 3) == "aaa"
