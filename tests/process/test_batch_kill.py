"""Batches killed at any moment, and typed again until they are done: each row exactly once.

LLMCLI_KILLS multiplies the number of kills.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmcli.settings.batch.run import errors_path
from tests import server as wire
from tests.conftest import Process
from tests.server import Server
from tests.waiting import until

KILLS = 4 * int(os.environ.get("LLMCLI_KILLS", "1"))
CROWD = 8


@contextlib.contextmanager
def sending(size: int) -> Iterator[Server]:
    """A server that answers with `size` characters; with 400 to every 17th row, with 500 to row 13 at first."""
    stumbled: set[int] = set()

    def answer(request: wire.Request) -> wire.Scenario:
        number = int(request.text.split()[0])
        if number % 17 == 0:
            return wire.status(400)
        if number == 13 and number not in stumbled:
            stumbled.add(number)
            return wire.status(500)
        return wire.ok(f"{number} " + "x" * size)

    with Server() as server:
        server.script = wire.delayed(answer, 0.01)
        yield server


def write_rows(path: Path, rows: int) -> None:
    path.write_text("".join(json.dumps({"prompt": f"{row} please"}) + "\n" for row in range(rows)))


def records(out: Path) -> list[dict]:
    """The records of both files; each line must be whole."""
    return [*lines(out), *lines(errors_path(out))]


def lines(path: Path) -> list[dict]:
    content = path.read_bytes()
    assert not content or content.endswith(b"\n")
    return [json.loads(line) for line in content.splitlines()]


def size_of(*files: Path) -> int:
    return sum(file.stat().st_size for file in files if file.exists())


def wait_until(moment, child: subprocess.Popen[bytes]) -> None:
    """Watch for a moment, or the child's end."""
    until(lambda: child.poll() is not None or moment())


def start_with(process: Process, command: tuple[str, ...], rows: bytes) -> subprocess.Popen[bytes]:
    child = process.start(*command, stdin=subprocess.PIPE)
    child.stdin.write(rows)
    child.stdin.close()
    child.stdin = None
    return child


def kill(child: subprocess.Popen[bytes]) -> bool:
    """Kill it; whether it was still alive."""
    alive = child.poll() is None
    child.kill()
    child.communicate()
    return alive


@pytest.mark.parametrize(("size", "rows"), [(1_000, 400), (30_000, 200), (300_000, 60)])
def test_killed_at_any_byte_each_row_is_there_once(process: Process, tmp_path, size, rows):
    chance = random.Random(size)
    source, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    write_rows(source, rows)
    with sending(size) as server:
        command = ("batch", "--base-url", server.base_url, "-m", "tiny", "-q", "-j", str(CROWD), "--ordered")
        command = (*command, str(source), "-O", str(out))
        kills = 0
        for _ in range(KILLS):
            goal = size_of(out, errors_path(out)) + chance.uniform(0, 2 * size * rows / KILLS)
            child = process.start(*command)
            wait_until(lambda goal=goal: size_of(out, errors_path(out)) > goal, child)
            kills += kill(child)
        done = process(*command)
        sent = len(server.requests)
        assert process(*command).code == done.code == 7
        assert len(server.requests) == sent, "a run that is over sends nothing"
    assert kills
    assert rows <= sent <= rows + 1 + CROWD * kills
    assert Counter(record["llmcli"]["row"] for record in records(out)) == Counter(range(rows))
    answered, failed = ([row["llmcli"]["row"] for row in lines(path)] for path in (out, errors_path(out)))
    assert failed == list(range(0, rows, 17))
    assert answered == sorted(set(range(rows)) - set(failed))


@pytest.mark.parametrize("again", [("--retry-failed",), ("--on-change", "rerun")])
def test_killed_while_rows_are_asked_again_each_row_is_there_once(process: Process, tmp_path, again):
    """Failures become answers or failures; answers to a changed request become new ones, or failures."""
    chance = random.Random(len(again))
    source, out, rows = tmp_path / "rows.jsonl", tmp_path / "out.jsonl", 120
    write_rows(source, rows)
    with Server() as server:
        command = (
            "batch",
            "--base-url",
            server.base_url,
            "-m",
            "tiny",
            "-q",
            "-j",
            str(CROWD),
            "--retries",
            "0",
        )
        command = (*command, str(source), "-O", str(out), "--price", "0,1000000")

        def answer(request: wire.Request) -> wire.Scenario:
            luck = chance.random()
            if luck < 0.3:
                return wire.status(400 if luck < 0.2 else 500)
            return wire.ok(f"{request.fields['seed']} " + "x" * 2_000, usage=wire.usage(1, 1))

        server.script = wire.delayed(answer, 0.002)
        assert process(*command, "--seed", "0").code == 7
        for run in range(1, KILLS + 1):
            wishes = (*again, "--seed", str(run if "rerun" in again else 0))
            child = process.start(*command, *wishes)
            goal = len(server.requests) + chance.randrange(rows)
            wait_until(lambda goal=goal: len(server.requests) > goal, child)
            kill(child)
            ever = {record["llmcli"]["row"] for record in [*whole(out), *whole(errors_path(out))]}
            assert ever == set(range(rows)), "each row keeps a record"
            assert process(*command, *wishes, "--limit", "0").code == 0
            assert Counter(record["llmcli"]["row"] for record in records(out)) == Counter(range(rows))
        server.script = wire.delayed(lambda request: wire.ok(str(request.fields["seed"])), 0.002)
        assert process(*command, *wishes, *({"--retry-failed"} - set(again))).code == 0
    assert Counter(record["llmcli"]["row"] for record in lines(out)) == Counter(range(rows))
    assert errors_path(out).read_bytes() == b""


def whole(path: Path) -> list[dict]:
    """The records of a file that may be torn at its end."""
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def test_rows_of_a_pipe_are_there_after_a_kill(process: Process, tmp_path):
    """The pipe is read to its end into the spool; the run goes on by the same pipe again, or by none."""
    out, spool = tmp_path / "out.jsonl", tmp_path / "out.jsonl.stdin"
    rows = b"".join(b'{"prompt":"%d please"}\n' % row for row in range(300))
    with sending(10) as server:
        command = ("batch", "--base-url", server.base_url, "-m", "tiny", "-q", "-j", "4", "-O", str(out))
        child = start_with(process, command, rows)
        wait_until(lambda: size_of(out) > 5_000 and spool.exists(), child)
        assert kill(child)
        assert spool.stat().st_mode & 0o777 == 0o600
        goal = size_of(out) + 5_000
        child = start_with(process, command, rows)
        wait_until(lambda: size_of(out) > goal, child)
        assert kill(child)
        assert process(*command, stdin=b"").code == 7
        assert Counter(record["llmcli"]["row"] for record in records(out)) == Counter(range(300))
        assert len(server.requests) <= 300 + 1 + 2 * 4
