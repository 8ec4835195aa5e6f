"""Runs through a Batch API killed at any moment, and typed again until they are done: each row once, and paid once.

LLMCLI_KILLS multiplies the number of kills.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator

import pytest

from tests.conftest import Process
from tests.process.conftest import status
from tests.server.batch_provider import BatchDoor, FakeBatches, Script
from tests.waiting import until

KILLS = 3 * int(os.environ.get("LLMCLI_KILLS", "1"))
ROWS = 60
MODELS = 3  # each is a file and a batch


@pytest.fixture
def door() -> Iterator[BatchDoor]:
    script = Script(ends=["completed", "expired", "completed"], dwell=0.05, lose={"create": {1}})
    with BatchDoor(FakeBatches(time.time, script)) as running:
        yield running


def command(process: Process, door: BatchDoor, *more: str) -> tuple[str, ...]:
    where = ("--base-url", door.base_url, "-m", "tiny", "--poll", "0.02")
    return (
        "batch",
        str(process.home / "rows.jsonl"),
        "-O",
        str(process.home / "out.jsonl"),
        "--via",
        "batch",
        *where,
        *more,
    )


def write(process: Process) -> None:
    rows = [{"prompt": f"row {n}", "custom_id": f"c{n}", "model": f"m{n % MODELS}"} for n in range(ROWS)]
    (process.home / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def is_whole(process: Process, door: BatchDoor) -> None:
    lines = (process.home / "out.jsonl").read_bytes().splitlines()
    assert sorted(json.loads(line)["custom_id"] for line in lines) == sorted(f"c{n}" for n in range(ROWS))
    assert door.provider.billed <= ROWS + door.provider.unfinished
    assert not door.provider.left
    assert not (process.home / "out.batches.jsonl").exists()


def test_killed_and_typed_again_each_row_is_there_once_and_paid_once(process, door):
    write(process)
    calls = iter(sorted(random.Random(7).sample(range(1, 40), KILLS)) if KILLS < 40 else range(1, 40))
    for at in calls:
        child = process.start(*command(process, door))
        until(lambda: child.poll() is not None or door.provider.calls.total() >= at)  # noqa: B023 - at once
        child.kill()
        child.wait()
        child.stderr.close()
        child.stdout.close()
    done = process.start(*command(process, door, "-q"))
    _, said = done.communicate(timeout=120)
    assert done.returncode == 0, said
    is_whole(process, door)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_a_signal_ends_the_wait_and_no_batch(process, door, number, code):
    door.provider.script = Script(dwell=3600.0)
    write(process)
    child = process.start(*command(process, door))
    until(lambda: door.provider.calls["batch"] >= MODELS)
    child.send_signal(number)
    _, said = child.communicate(timeout=60)
    assert child.returncode == code, said
    assert b"3 batches go on at the provider; to go on: llmcli batch" in said
    assert not door.provider.calls["cancel"]
    door.provider.script = Script()
    for batch in door.provider.batches.values():
        batch["until"] = 0.0
    again = process.start(*command(process, door, "-q"))
    assert status(again) == 0
    again.stderr.close()
    again.stdout.close()
    is_whole(process, door)


def test_a_deadline_ends_the_wait_and_no_batch(process, door):
    door.provider.script = Script(dwell=3600.0)
    write(process)
    sent = process.start(*command(process, door, "--no-wait"))
    sent.communicate(timeout=60)
    assert sent.returncode == 75
    for deadline in ("2", "8", "32"):  # one that is longer than it takes here to begin to wait
        child = process.start(*command(process, door, "--deadline", deadline))
        _, said = child.communicate(timeout=60)
        assert child.returncode == 124, said
        if door.provider.calls["batch"] >= 2 * MODELS:
            break
    assert b"3 batches go on at the provider" in said
    assert not door.provider.calls["cancel"]
