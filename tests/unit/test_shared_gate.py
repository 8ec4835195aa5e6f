"""Several runs that keep to one limit: what one lets pass, the others wait for."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmcli.batch.pacing.pace import Pace
from llmcli.batch.pacing.shared_gate import shared_cells
from llmcli.errors import OutputFailure, UsageError

HEADERS = {"x-ratelimit-limit-requests": "600", "x-ratelimit-remaining-requests": "0"}


def paces(path: Path, number: int, rpm: float | None = None) -> list[Pace]:
    made = [Pace(rpm, None, 10) for _ in range(number)]
    for pace in made:
        pace.share(shared_cells(str(path), 1000.0))
    return made


def sent(runs: list[Pace], seconds: float) -> list[int]:
    """How many requests each run sends, all of them as fast as they may."""
    counts = [0] * len(runs)
    for tick in range(int(seconds * 1000)):
        now = 1000.0 + tick / 1000
        for at, pace in enumerate(runs):
            if pace.delay(now)[0] <= 0:
                pace.take(now, 100, None)
                counts[at] += 1
    return counts


def test_a_limit_that_is_given_is_used_up_together(tmp_path):
    counts = sent(paces(tmp_path / "limit", 4, rpm=600), 30)
    assert 0.95 * 300 <= sum(counts) <= 302


def test_a_limit_that_headers_declare_is_used_up_together(tmp_path):
    runs = paces(tmp_path / "limit", 4)
    for pace in runs:
        pace.finished(1000.0, 999.0, 1, HEADERS)
    assert 0.95 * 300 <= sum(sent(runs, 30)) <= 302


def test_a_part_keeps_to_its_part_of_what_is_given_and_declared():
    given, declared = Pace(600, None, 10), Pace(None, None, 10)
    for pace in (given, declared):
        pace.divide(4)
    declared.finished(1000.0, 999.0, 1, HEADERS)
    assert 0.95 * 75 <= sent([given], 30)[0] <= 77
    assert 0.95 * 75 <= sent([declared], 30)[0] <= 77


def test_after_a_start_of_the_machine_nothing_is_waited_for(tmp_path):
    [before] = paces(tmp_path / "limit", 1, rpm=1)
    before.take(1000.0, 100, None)
    [after] = [Pace(1, None, 10)]
    after.share(shared_cells(str(tmp_path / "limit"), 5.0))
    assert after.delay(5.0)[0] == 0


def test_a_file_that_holds_something_else_is_left_as_it_is(tmp_path):
    (tmp_path / "rows").write_text("mine\n")
    with pytest.raises(UsageError, match="holds something else"):
        shared_cells(str(tmp_path / "rows"), 0.0)
    assert (tmp_path / "rows").read_text() == "mine\n"
    with pytest.raises(OutputFailure):
        shared_cells(str(tmp_path), 0.0)
