"""How `--via batch` looks at what is away: with few calls, and saying so where nothing is new for long."""

from __future__ import annotations

import json

import pytest

from tests.command.test_via_batch import Away, away, expected
from tests.server.batch_provider import Script

__all__ = ["away"]  # the fixture


def models(away: Away, number: int) -> None:
    rows = [{"prompt": f"row {n}", "custom_id": f"id of row {n}", "model": f"m{n}"} for n in range(number)]
    away.input.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_many_batches_are_looked_at_with_one_call(away):
    away.provider.script = Script(dwell=100.0)
    models(away, 12)
    assert away().code == 0
    looks = away.provider.calls["batches"]
    assert looks in range(2, 9), "after 10 s, 25 s, 47 s, ..."
    assert away.provider.calls["batch"] == 12, "once each, when it has ended"
    assert away.answers == expected(*(f"row {n}" for n in range(12)))
    assert away.is_swept()


@pytest.mark.parametrize(
    ("others", "pages"), [(150, 2), (450, 2)], ids=["on the second page", "too far back"]
)
def test_those_that_stand_behind_others_in_the_list_are_looked_at_too(away, others, pages):
    models(away, 12)
    assert away("--no-wait").code == 75
    file = away.provider.upload("theirs.jsonl", b"")["id"]
    for _ in range(others):
        away.provider.create(file)
    away.provider.delete(file)
    away.provider.calls.clear()
    assert away("--no-wait").code == 75
    assert away.provider.calls["batches"] == pages
    assert away.provider.calls["batch"] == (0 if others == 150 else 12)


def test_a_provider_that_lists_no_batches_is_asked_for_each(away):
    away.provider.script = Script(refuse={"batches": dict.fromkeys(range(100), 405)})
    models(away, 7)
    assert away().code == 0
    assert away.provider.calls["batches"] == 1
    assert away.answers == expected(*(f"row {n}" for n in range(7)))


def test_a_batch_of_which_nothing_is_new_for_long_is_named_once(away):
    away.provider.script = Script(dwell=20_000.0)
    away.rows("a", "b")
    done = away()
    assert done.code == 0
    words = "batch batch_2 (2 rows of openai/tiny): nothing new for 2 h (in_progress, 0 rows done)"
    assert done.err.count("nothing new for") == done.err.count(words) == 1
    assert "--recall gives it up and keeps what it has done" in done.err


def test_a_run_that_looks_now_and_then_names_it_by_when_it_was_made(away, clock):
    away.provider.script = Script(dwell=20_000.0)
    away.rows("a")
    assert "nothing new" not in away("--no-wait").err
    clock.now += 7300
    assert "nothing new for 2 h (in_progress, 0 rows done)" in away("--no-wait").err


def test_a_batch_that_goes_on_is_not_named(away):
    away.provider.script = Script(dwell=20_000.0, steady=True)
    away.rows(*(f"row {n}" for n in range(100)))
    done = away()
    assert (done.code, "nothing new" in done.err) == (0, False)


def test_a_share_of_work_is_shown_where_only_that_is_told(away):
    away.provider.script = Script(dwell=4_000.0, steady=True, dress=frozenset({"wrapped"}))
    away.rows(*(f"row {n}" for n in range(10)))
    done = away("--poll", "100")
    assert done.code == 0
    assert "0 of 1 batch done, 5 of 10 rows, 1 in_progress, " in done.err  # now and then
