"""Batches on a Ray cluster whose workers, nodes and drivers are killed: each row exactly once."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmcli.batch.cluster.messages import FLUSH
from tests import server as wire
from tests.conftest import Process, part
from tests.process.conftest import status
from tests.ray_cluster import ClusterProcess, cluster_of
from tests.server import Server
from tests.waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
ROWS, CROWD = 2400, 8


@pytest.fixture(scope="module", autouse=True)
def _has_ray() -> None:
    if importlib.util.find_spec("ray") is None:
        part("ray")


@pytest.fixture(scope="session")
def cluster() -> Iterator[ClusterProcess]:
    """A head without a place for workers, and two nodes with two each, whose environment has a key."""
    with cluster_of(nodes=2, cpus=2, OPENAI_API_KEY="the-clusters-own-key") as running:
        yield running


class Asked:
    """What a server was asked, and with which keys."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.keys: set[str | None] = set()
        self.half: wire.Hold | None = (
            None  # what comes behind half of the rows is answered when it is released
        )

    def answer(self, request: wire.Request) -> wire.Scenario:
        self.rows[request.text] += 1
        self.keys.add(request.headers.get("authorization"))
        answer = wire.ok(request.text)
        return answer if self.half is None or self.rows.total() <= ROWS // 2 else wire.held(answer, self.half)


@pytest.fixture
def asked(server: Server) -> Asked:
    asked = Asked()
    server.script = wire.delayed(asked.answer, 0.01)
    return asked


def rows_in(path: Path, count: int = ROWS) -> None:
    path.write_text("".join(json.dumps({"prompt": f"{row}"}) + "\n" for row in range(count)))


def begun(process: Process, server: Server, cluster: ClusterProcess, *more: str) -> object:
    rows_in(process.home / "rows.jsonl")
    argv = [
        "batch",
        "rows.jsonl",
        "--base-url",
        server.base_url,
        "-m",
        "tiny",
        "-j",
        f"{CROWD}",
        "-O",
        "out.jsonl",
    ]
    return process.start(*argv, "--on", "ray", "--workers", "2", *more, env=cluster.env)


def wait_for(child, path: Path, lines: int) -> None:
    """Watch until a file has so many lines."""
    until(lambda: child.poll() is not None or (path.exists() and path.read_bytes().count(b"\n") >= lines))


def final(home: Path) -> list[int]:
    return [json.loads(line)["llmcli"]["row"] for line in (home / "out.jsonl").read_bytes().splitlines()]


@pytest.mark.parametrize("kind", ["worker", "node"])
def test_what_a_killed_worker_had_goes_to_others(kind, process, server, asked, cluster):
    asked.half = wire.Hold()
    child = begun(process, server, cluster)
    wait_for(child, process.home / "out.jsonl", ROWS // 4)
    until(lambda: child.poll() is not None or len(cluster.workers) == 2)
    if kind == "worker":
        os.kill(cluster.workers[0], signal.SIGKILL)
    else:
        cluster.tell("kill")
    asked.half.release()
    out, err = child.communicate()
    if kind == "node":
        cluster.tell("add")
    assert (child.returncode, out) == (0, b""), err
    assert sorted(final(process.home)) == list(range(ROWS))
    assert sum(asked.rows.values()) - ROWS <= CROWD + FLUSH
    assert f"repeats at most the {CROWD} rows under way and {FLUSH} more" in err.decode()
    assert {line.partition(" ")[0] for line in err.decode().splitlines() if "is lost" in line} == {"llmcli:"}


def test_a_driver_that_is_killed_is_typed_again_and_goes_on(process, server, asked, cluster):
    child = begun(process, server, cluster)
    wait_for(child, process.home / "out.jsonl", ROWS // 4)
    child.kill()
    child.communicate()
    again = begun(process, server, cluster)
    out, err = again.communicate()
    assert (again.returncode, out) == (0, b""), err
    assert sorted(final(process.home)) == list(range(ROWS))
    assert sum(asked.rows.values()) - ROWS <= 2 * (CROWD + FLUSH)
    assert asked.keys == {"Bearer the-clusters-own-key"}


def test_ctrl_c_finishes_what_is_under_way_and_says_how_to_go_on(process, server, asked, cluster):
    child = begun(process, server, cluster)
    wait_for(child, process.home / "out.jsonl", ROWS // 4)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate()
    assert (status(child), out) == (130, b"")
    assert "to go on: llmcli batch rows.jsonl" in err.decode()
    assert Counter(final(process.home)) == Counter({int(row): 1 for row in asked.rows})


def test_workers_keep_to_one_limit_together(process, server, asked, cluster):
    argv = [
        "batch",
        "rows.jsonl",
        "--base-url",
        server.base_url,
        "-m",
        "tiny",
        "-O",
        "out.jsonl",
        "--on",
        "ray",
    ]
    rows_in(process.home / "rows.jsonl", 90)
    done = process(*argv, "--workers", "2", "--rpm", "1800", env=cluster.env)
    assert done.code == 0
    seconds = float(done.err.partition("time ")[2].split()[0])
    assert 90 / seconds <= 30
    assert asked.rows.total() == 90


def test_money_is_of_all_workers_together(process, cluster):
    rows_in(process.home / "rows.jsonl", 400)
    argv = ["batch", "rows.jsonl", "-m", "offline/echo", "-O", "out.jsonl", "--on", "ray", "--workers", "2"]
    money = [
        "--price",
        "0,1000",
        "-M",
        "10",
        "--max-cost",
        "0.3",
    ]  # a row costs a tenth of the cent that it may cost
    done = process(*argv, *money, env=cluster.env)
    assert done.code == 6, done.err
    assert "and --max-cost is $0.300000" in done.err
    costs = [
        json.loads(line)["llmcli"]["cost_usd"]
        for line in (process.home / "out.jsonl").read_bytes().splitlines()
    ]
    assert 0.289 <= sum(costs) <= 0.3
    assert process(*argv, *money[:4], env=cluster.env).code == 0
    assert sorted(final(process.home)) == list(range(400))


def test_a_cluster_of_this_machine_is_begun_for_a_run_and_nothing_of_it_is_heard(process):
    rows = b"".join(b'{"prompt":"row %d"}\n' % row for row in range(20))
    argv = [
        "batch",
        "-m",
        "offline/echo",
        "--on",
        "ray",
        "--workers",
        "1",
        "--ordered",
        "--format",
        "text",
        "-q",
    ]
    done = process(*argv, stdin=rows)
    assert (done.code, done.err) == (0, "")
    assert done.out == "".join(f"row {row}\n" for row in range(20))
    assert not [path for path in process.home.rglob("*") if path.is_file()]


def test_nobody_answers_at_the_address(process):
    argv = ["batch", "-m", "offline/echo", "--on", "ray", "-q"]
    done = process(*argv, stdin=b'{"prompt":"x"}\n', env={"RAY_ADDRESS": "127.0.0.1:9"})
    assert done.code == 75
    assert done.err.startswith("llmcli: tempfail: no Ray cluster answers: ")
