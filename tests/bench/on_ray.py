"""What a run on a Ray cluster costs beside a run of one process, and what kills do to its rows; see machines.py."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.ray_cluster import ClusterProcess, cluster_of, descendants

CHEAP = Path(__file__).with_name("cheap.py")
TICK = os.sysconf("SC_CLK_TCK")
FEW = 256  # rows of a run that is all start-up


@contextmanager
def served(*argv: str):
    with subprocess.Popen([sys.executable, CHEAP, *argv], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def stats_of(base_url: str) -> dict[str, float]:
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/stats") as reply:  # noqa: S310 - loopback
        return dict(json.load(reply))


def write_rows(home: Path, rows: int) -> None:
    (home / "rows.jsonl").write_text(
        "".join(json.dumps({"prompt": f"{row} please"}) + "\n" for row in range(rows))
    )


def started(
    home: Path, base_url: str, *more: str, env: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "llmcli", "batch", "rows.jsonl", "-O", "out.jsonl", "-m", "tiny"]
    place = {**os.environ, "OPENAI_API_KEY": "", **(env or {})}
    return subprocess.Popen(
        [*command, "--base-url", base_url, *more], cwd=home, env=place, stderr=subprocess.PIPE
    )


def children_seconds() -> float:
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Tree:
    """CPU seconds of a process and of all that it began; Ray does not wait for those that end, so they are watched."""

    def __init__(self, ancestor: int) -> None:
        self._ancestor = ancestor
        self._seconds: dict[int, float] = {}
        self.look()
        self._before = sum(self._seconds.values())

    def look(self) -> None:
        for pid in descendants(self._ancestor):
            with suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                self._seconds[pid] = sum(map(int, fields[11:13])) / TICK

    @property
    def used(self) -> float:
        return sum(self._seconds.values()) - self._before


class Used:
    """CPU seconds of a run: of the process that was started, and of the cluster."""

    def __init__(
        self, home: Path, rows: int, base_url: str, *more: str, cluster: ClusterProcess | None = None
    ) -> None:
        for old in home.glob("out*"):
            old.unlink()
        env = None if cluster is None else cluster.env
        tree = None if cluster is None else Tree(cluster.child.pid)
        own = children_seconds()
        child = started(home, base_url, "-q", "--limit", str(rows), *more, env=env)
        while child.poll() is None:
            time.sleep(0.05)
            if tree is not None:
                tree.look()
        assert child.returncode == 0, child.stderr.read() if child.stderr else b""
        self.own = children_seconds() - own
        self.all = self.own + (0.0 if tree is None else tree.used)


def per_row(home: Path, rows: int, *more: str, cluster: ClusterProcess | None = None) -> tuple[float, float]:
    """(us of the process that was started, us of all) a row, start-up left out."""
    with served() as base_url:
        few = Used(home, FEW, base_url, *more, cluster=cluster)
        many = Used(home, rows, base_url, *more, cluster=cluster)
    count = (rows - FEW) / 1e6
    return (many.own - few.own) / count, (many.all - few.all) / count


def rate(home: Path, rows: int, *more: str, cluster: ClusterProcess | None = None) -> float:
    """Rows a second at a server of 200 ms latency, start-up left out."""
    for old in home.glob("out*"):
        old.unlink()
    with served("--delay", "0.2") as base_url:
        env = None if cluster is None else cluster.env
        child = started(home, base_url, "-q", "-j", "200", "--limit", str(rows), *more, env=env)
        assert child.wait() == 0
        return rows / stats_of(base_url)["seconds"]


IDLE = """
import asyncio, os, resource, sys, time
import ray
from llmcli.batch.cluster.messages import Lent, Orders, ToldRecord, WorkReport
from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.readers.entry import Placed

rows, size = int(sys.argv[1]), int(sys.argv[2])
ray.init(address=os.environ["RAY_ADDRESS"], log_to_driver=False, configure_logging=False)

@ray.remote(num_cpus=1)
class Idle:
    def __init__(self):
        self.report = WorkReport([ToldRecord(n, b"x" * size, False) for n in range(128)], Stats(began=0.0))
    async def turn(self, orders):
        return self.report

async def talk(actor, turns):
    for turn in range(turns):
        lent = [Lent(Placed(b'{"prompt":"%d please"}' % n, n), None) for n in range(128)]
        await actor.turn.remote(Orders(rows=lent))

async def main():
    actors = [Idle.remote(), Idle.remote()]
    await asyncio.gather(*(talk(actor, 4) for actor in actors))
    before = resource.getrusage(resource.RUSAGE_SELF)
    await asyncio.gather(*(talk(actor, rows // 256) for actor in actors))
    after = resource.getrusage(resource.RUSAGE_SELF)
    print((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / (rows // 256 * 256) * 1e6)

asyncio.run(main())
"""


def idle_call(rows: int, size: int, cluster: ClusterProcess) -> float:
    """us a row of a driver whose workers take as many bytes, bring as many, and do nothing."""
    env = {**os.environ, **cluster.env}
    done = subprocess.run(
        [sys.executable, "-c", IDLE, str(rows), str(size)],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


def speed(home: Path, rows: int, runs: int) -> None:
    """Rows a second and CPU a row, beside one process; medians of runs that take turns."""
    write_rows(home, rows)
    ray = ("--on", "ray", "--workers", "2")
    with cluster_of(nodes=1, cpus=4) as cluster:
        one = [rate(home, min(rows, 20_000)) for _ in range(runs)]
        two = [rate(home, min(rows, 20_000), *ray, cluster=cluster) for _ in range(runs)]
        print(
            f"200 ms, -j 200: {middle(one):,.0f} rows/s alone, {middle(two):,.0f} on two workers:"
            f" {middle(two) / middle(one):.2f} times (at least 1.9)",
            flush=True,
        )
        alone, spread, desk, idle = [], [], [], []
        for _ in range(runs):
            alone.append(per_row(home, rows, "-j", "200")[1])
            own, every = per_row(home, rows, "-j", "200", *ray, cluster=cluster)
            size = (home / "out.jsonl").stat().st_size // rows
            spread.append(every)
            desk.append(own)
            idle.append(idle_call(rows, size, cluster))
            print(
                f"  a row: {alone[-1]:.0f} us alone; {every:.0f} us of all, {own:.1f} us of the dispatcher; {idle[-1]:.1f} us where nothing is done",
                flush=True,
            )
    print(
        f"CPU a row, {rows:,} rows: {middle(alone):.0f} us alone, {middle(spread):.0f} us of the whole tree:"
        f" {middle(spread) / middle(alone):.2f} times (at most 1.8)"
    )
    print(
        f"dispatcher: {middle(desk):.1f} us a row, {middle(idle):.1f} us where nothing is done:"
        f" {middle(desk) / middle(idle):.2f} times (at most 3)",
        flush=True,
    )


def middle(numbers: list[float]) -> float:
    return sorted(numbers)[len(numbers) // 2]


KINDS = ("worker", "driver", "node", "stopped")


class Killed:
    """One run that loses something at a random moment; what it was asked too often."""

    def __init__(
        self, home: Path, rows: int, kind: str, cluster: ClusterProcess, draw: random.Random
    ) -> None:
        for old in home.glob("out*"):
            old.unlink()
        with served("--delay", "0.02") as base_url:
            more = ("--on", "ray", "--workers", "2", "-j", "50")
            child = started(home, base_url, *more, env=cluster.env)
            until = draw.randrange(1, rows // 2)
            while child.poll() is None and lines_of(home) < until:
                time.sleep(0.005)
            self._strike(kind, child, cluster, draw)
            if kind == "driver":
                child = started(home, base_url, *more, env=cluster.env)
            _, err = child.communicate()
            assert child.returncode == 0, err
            bound = int(err.decode().partition("at most the ")[2].split()[0].replace(",", "")) + 512
            self.bound = bound * (2 if kind == "driver" else 1)
            self.repeats = int(stats_of(base_url)["requests"]) - rows
        found = Counter(json.loads(line)["llmcli"]["row"] for line in (home / "out.jsonl").open("rb"))
        self.is_whole = found == Counter(range(rows))

    @staticmethod
    def _strike(
        kind: str, child: subprocess.Popen[bytes], cluster: ClusterProcess, draw: random.Random
    ) -> None:
        if kind == "driver":
            child.kill()
            child.communicate()
            return
        if kind == "node":
            cluster.tell("kill")
            cluster.tell("add")
            return
        victim = draw.choice(cluster.workers)
        if kind == "worker":
            os.kill(victim, signal.SIGKILL)
            return
        os.kill(victim, signal.SIGSTOP)
        time.sleep(16)  # longer than its silence is borne
        os.kill(victim, signal.SIGCONT)


def lines_of(home: Path) -> int:
    path = home / "out.jsonl"
    return path.stat().st_size // 700 if path.exists() else 0


def kills(home: Path, rows: int, times: int, kinds: Sequence[str] = KINDS) -> None:
    """Kill each kind of thing so many times."""
    write_rows(home, rows)
    draw = random.Random(27)
    for kind in kinds:
        with cluster_of(nodes=2, cpus=2) as cluster:
            runs = [Killed(home, rows, kind, cluster, draw) for _ in range(times)]
        whole = sum(run.is_whole for run in runs)
        within = sum(run.repeats <= run.bound for run in runs)
        most = max(run.repeats for run in runs)
        print(
            f"{kind:8} {times} times: rows exactly once {whole}, repeats within the bound {within}"
            f" (most {most}, bound {runs[0].bound})",
            flush=True,
        )
