"""`--deadline` beside `--via batch`: rows that are not back in time go live where that is wanted, and none twice."""

from __future__ import annotations

from tests.command.test_via_batch import away, expected
from tests.server.batch_provider import Script

__all__ = ["away"]  # the fixture


def test_rows_are_called_back_and_go_live_before_a_deadline(away, clock):
    away.provider.script = Script(dwell=50_000.0, cancelling=60.0, share=0.5, shuffled=False)
    away.rows(*"abcd")
    done = away("--finish", "live", "--deadline", "7200")
    assert done.code == 0, done.err
    assert "the deadline is near: 4 rows called back, to go live" in done.err
    assert away.answers == expected(*"abcd")
    assert (away.provider.billed, away.provider.calls["live"]) == (2, 2)
    assert 7200 - 910 < clock.now - 1000.0 < 7200
    assert away.is_swept()


def test_a_batch_that_is_back_in_time_is_not_called_back(away):
    away.provider.script = Script(dwell=3000.0)
    away.rows("a", "b")
    assert away("--finish", "live", "--deadline", "7200").code == 0
    assert (away.provider.billed, away.provider.calls["cancel"], away.provider.calls["live"]) == (2, 0, 0)


def test_many_rows_leave_more_time_for_live(away, clock):
    away.provider.script = Script(dwell=50_000.0, cancelling=1.0, share=0.0)
    away.rows(*(f"row {n}" for n in range(600)))
    assert away("--finish", "live", "--deadline", "7200").code == 0
    assert 7200 - 900 - 120 - 10 < clock.now - 1000.0 < 7200 - 900
    assert (away.provider.billed, away.provider.calls["live"]) == (0, 600)


def test_a_cancel_that_never_ends_is_taken_for_one_also_by_the_next_run(away, clock):
    away.provider.script = Script(dwell=50_000.0, cancelling=1e9)
    away.rows("a", "b")
    away("--no-wait")
    for batch in away.provider.batches.values():
        batch["status"], batch["until"] = "cancelling", 1e12
    assert away("--no-wait").code == 75
    clock.now += 901
    away.provider.script = Script(dwell=0.0)
    done = away("--no-wait")
    assert (done.code, away.provider.created) == (75, 2), done.err
    assert away().code == 0
    assert away.answers == expected("a", "b")
