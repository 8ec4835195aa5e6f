"""Rows that are away: whatever the provider does, whenever the process is killed, each row once, and paid once."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmcli.batch.away.manifest import Manifest
from llmcli.errors import LlmcliError
from tests.server.batch_provider import Script
from tests.unit.away_lab import Killed, Knife, Lab

ROWS = [f"row {number}" for number in range(7)]


def carried(lab: Lab, **how: object) -> int:
    """Run until the end is no kill; how many processes that took."""
    for number in range(1, 60):
        try:
            lab.run(**how)
        except Killed:
            continue
        except LlmcliError as error:
            if error.exit_code == 7:
                return number
            raise
        return number
    raise AssertionError("it comes to no end")


def is_whole(lab: Lab, texts: list[str]) -> None:
    found = sorted(name for name, _ in lab.records())
    assert found == sorted(texts)
    assert lab.provider.billed <= len(texts) + lab.provider.unfinished
    assert lab.provider.left == 0
    assert not (lab.home / "out.batches.jsonl").exists()
    assert not (lab.home / "out.batches").exists()


@pytest.mark.parametrize(("lag", "stride"), [(0.0, 1), (30.0, 4)], ids=["at once", "lagging"])
def test_killed_at_every_step_no_batch_is_made_twice(tmp_path, lag, stride):
    """A run of two portions, of two rows and of one, killed at its first step, its second, and so on."""
    at, finished = 1, False
    while not finished:
        home = tmp_path / str(at)
        home.mkdir()
        lab = Lab(home, Script(list_lag=lag), rows=2, knife=Knife(at))
        lab.write(ROWS[:3])
        finished = carried(lab) == 1
        is_whole(lab, ROWS[:3])
        assert (lab.provider.created, lab.provider.billed) == (2, 3), at
        at += stride
    assert at > 60


def test_a_file_whose_upload_was_killed_goes_with_a_recall(tmp_path):
    lab = Lab(tmp_path, Script(), knife=Knife())
    lab.write(ROWS[:1])
    lab.knife.at = next(
        at for at in range(1, 60) if _leaves_a_file(Lab(tmp_path / str(at), Script(), knife=Knife(at)))
    )
    with pytest.raises(Killed):
        lab.run()
    assert (lab.provider.calls["upload"], lab.provider.left > 0, lab.provider.created) == (1, True, 0)
    with pytest.raises(LlmcliError):
        lab.run(recall=True)
    assert lab.provider.left == 0


def _leaves_a_file(lab: Lab) -> bool:
    """Whether the process dies when its file is there, and it does not know that yet."""
    lab.home.mkdir()
    lab.write(ROWS[:1])
    with suppress(Killed):
        lab.run()
    manifest = lab.home / "out.batches.jsonl"
    return bool(lab.provider.files) and manifest.exists() and b'"file"' not in manifest.read_bytes()


scripts = st.builds(
    Script,
    ends=st.lists(
        st.sampled_from(["completed", "completed", "expired", "cancelled", "lines"]), min_size=1, max_size=5
    ).map(lambda ends: [*ends, "completed"]),
    share=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    dwell=st.sampled_from([0.0, 5.0, 600.0]),
    list_lag=st.sampled_from([0.0, 1.0, 45.0]),
    file_lag=st.sampled_from([0.0, 1.0]),
    lose=st.dictionaries(
        st.sampled_from(["upload", "create", "batch", "batches", "files", "delete", "content"]),
        st.sets(st.integers(0, 3), max_size=2),
        max_size=3,
    ),
    refuse=st.dictionaries(
        st.sampled_from(["upload", "create", "batch", "batches", "content"]),
        st.dictionaries(st.integers(0, 3), st.sampled_from([429, 500, 503, 408]), max_size=2),
        max_size=2,
    ),
    dress=st.frozensets(
        st.sampled_from(["string", "bare", "unended", "empty", "twice", "strange", "zero", "plain"])
    ),
    missing=st.sampled_from([0, 0, 0, 2]),
    cut=st.sampled_from([None, 150, 700]),
    cuts=st.integers(0, 3),
)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(
    script=scripts,
    kills=st.lists(st.integers(1, 60), max_size=4),
    rows=st.sampled_from([1, 2, 4, 100]),
    keyed=st.booleans(),
    bad=st.booleans(),
)
def test_whatever_happens_each_row_is_there_once_and_nothing_is_left(script, kills, rows, keyed, bad):
    with tempfile.TemporaryDirectory() as home:
        lab = Lab(Path(home), script, rows=rows, keyed=keyed)
        texts = [*ROWS, *(["status 400", "status 500"] if bad else [])]
        lab.write(texts)
        for kill in kills:
            lab.knife.at = lab.knife.steps + kill
            try:
                lab.run()
            except Killed:
                continue
            except LlmcliError as error:
                if error.exit_code not in {7, 75}:
                    raise
        lab.knife.at = None
        carried(lab)
        is_whole(lab, texts)


def test_a_batch_that_never_ends_is_cancelled_an_hour_after_its_time_and_its_rows_go_again(tmp_path):
    lab = Lab(tmp_path, Script(ends=["hangs", "completed"]))
    lab.write(ROWS)
    lab.run()
    assert sorted(lab.records()) == [(row, "ok") for row in ROWS]
    assert any("should have ended an hour ago" in words for words in lab.said)
    assert lab.provider.calls["cancel"] == 1
    assert lab.provider.left == 0


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(
    script=scripts,
    acts=st.lists(st.sampled_from(["look", "recall", "wait", "night"]), max_size=6),
    kills=st.lists(st.integers(1, 60), max_size=2),
    limit=st.sampled_from([None, 5]),
)
def test_looked_at_recalled_and_waited_for_in_any_order(script, acts, kills, limit):
    script.limit = limit
    with tempfile.TemporaryDirectory() as home:
        lab = Lab(Path(home), script, rows=3)
        lab.write(ROWS)
        for number, act in enumerate(acts):
            lab.clock.now += 90_000.0 if act == "night" else 60.0
            lab.knife.at = lab.knife.steps + kills[number] if number < len(kills) else None
            try:
                lab.run(wait=act in {"wait", "night"}, recall=act == "recall")
            except Killed:
                continue
            except LlmcliError as error:
                if error.exit_code not in {7, 75}:
                    raise
        lab.knife.at = None
        carried(lab)
        is_whole(lab, ROWS)


def test_what_a_full_disk_left_half_written_goes_with_the_rest(tmp_path):
    manifest = Manifest(str(tmp_path / "out.jsonl"))
    manifest.begin()
    manifest.folder.mkdir()
    (manifest.folder / "x-0.rows.jsonl.part").touch()
    manifest.close()
    assert not list(tmp_path.iterdir())
