"""What a row of `llmcli batch` costs, beside bare aiohttp, libcurl alone and the tutorials' AsyncOpenAI, in one run.

    python tests/bench/batch.py [--quick] [--only PART ...] [--against CHECKOUT]

The server is pinned to one core, the client to another. CPU is the client's, user and system, from rusage, its start
included. The clients take turns, seven times (--quick: twice), and what is compared is the median of the ratios of
each turn. CHECKOUT is an older one of llmcli, which runs in this environment.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.clients import BARE, LIBCURL, TUTORIAL
from tests.bench.loopback import CORES, serving
from tests.bench.measured import environment

COMPILED = tempfile.TemporaryDirectory(prefix="bench-")  # modules, as pip leaves them
SCAN = """
import sys, time
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from llmcli.batch.ledger.ledger import Ledger
def cpu():
    return sum(used.ru_utime + used.ru_stime for used in map(getrusage, (RUSAGE_SELF, RUSAGE_CHILDREN)))
used, began = cpu(), time.perf_counter()
Ledger(sys.argv[1], fresh=False).recover()
print(cpu() - used, time.perf_counter() - began, file=sys.stderr)
"""


@dataclass
class Run:
    """What a client took: seconds on the clock, CPU seconds, peak memory in MB, stderr."""

    wall: float
    cpu: float
    peak: float
    err: str


@dataclass
class Bench:
    """Where the files are, how many turns there are, and an older checkout, if one is given."""

    folder: Path
    turns: int
    older: str | None

    @property
    def out(self) -> Path:
        """Where records go."""
        return self.folder / "out.jsonl"

    def rows(self, rows: int, words: int = 400) -> Path:
        """A file of so many rows: 400 words are 2 kB."""
        path = self.folder / f"rows-{rows}-{words}.jsonl"
        if not path.exists():
            with path.open("w") as stream:
                for number in range(rows):
                    stream.write(json.dumps({"prompt": f"Row {number}: " + "word " * words}) + "\n")
        return path


def stats(base: str) -> dict[str, float]:
    with urllib.request.urlopen(base.removesuffix("/v1") + "/stats") as reply:  # noqa: S310 - loopback
        return json.load(reply)


def measure(*command: str, code: int = 0, tree: str | None = None, cores: str = str(CORES[-1])) -> Run:
    """Run a client on the last core, or on others; `tree`: with the llmcli that is there."""
    env = environment(COMPILED.name) | {"OPENAI_API_KEY": "sk-test"} | ({"PYTHONPATH": tree} if tree else {})
    began = time.perf_counter()
    with tempfile.TemporaryFile() as err, Path(os.devnull).open("wb") as out:
        pid = os.posix_spawnp(
            "taskset",
            ["taskset", "-c", cores, *command],
            env,
            file_actions=[(os.POSIX_SPAWN_DUP2, err.fileno(), 2), (os.POSIX_SPAWN_DUP2, out.fileno(), 1)],
        )
        _, status, used = os.wait4(pid, 0)
        wall = time.perf_counter() - began
        err.seek(0)
        text = err.read().decode()
    assert os.waitstatus_to_exitcode(status) == code, (command, status, text)
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, text)


def ours(base: str, rows: Path, out: Path, *options: str) -> list[str]:
    where = ["--base-url", base, "-m", "tiny", "-O", str(out), "--fresh", "-q"]
    return [sys.executable, "-P", "-m", "llmcli", "batch", str(rows), *where, *options]


def in_turns(turns: int, clients: dict[str, Callable[[], Run]]) -> dict[str, list[Run]]:
    """The runs of each client: one after the other, so that a busy minute is everybody's."""
    runs: dict[str, list[Run]] = {name: [] for name in clients}
    for _ in range(turns):
        for name, run in clients.items():
            runs[name].append(run())
    return runs


def ratio(runs: list[Run], others: list[Run], what: str) -> float:
    """The median of the ratios of each turn."""
    return median(getattr(a, what) / getattr(b, what) for a, b in zip(runs, others, strict=True))


def beside(bench: Bench, rows: int) -> None:
    """CPU and speed beside the floors and the tutorial, and beside an older build."""
    path, few = bench.rows(rows), bench.rows(rows // 10)
    print(
        "| in flight | client | rows/s | CPU us/row | CPU to bare | rows/s to older |\n|---|---|---|---|---|---|"
    )
    for limit in (10, 100, 500):
        with serving("cheap.py") as base:
            where = [base, str(path), str(bench.folder / "other"), str(limit)]
            mine = ours(base, path, bench.out, "-j", str(limit))
            clients: dict[str, Callable[[], Run]] = {
                "bare aiohttp": lambda where=where: measure(sys.executable, "-c", BARE, *where),
                "libcurl alone": lambda where=where: measure(sys.executable, "-c", LIBCURL, *where),
                "llmcli batch": lambda mine=mine: measure(*mine),
            }
            if bench.older is not None:
                clients["older llmcli"] = lambda mine=mine: measure(*mine, tree=bench.older)
            runs = in_turns(bench.turns, clients)
            tutorial = measure(sys.executable, "-c", TUTORIAL, base, str(few), *where[2:])
        for name, each in runs.items():
            speed = rows / median(run.wall for run in each)
            cpu = median(run.cpu for run in each) / rows * 1e6
            bare = ratio(each, runs["bare aiohttp"], "cpu")
            older = f"{1 / ratio(each, runs['older llmcli'], 'wall'):.1f}" if bench.older else ""
            print(f"| {limit} | {name} | {speed:,.0f} | {cpu:.0f} | {bare:.2f} | {older} |")
        cpu, speed = tutorial.cpu / (rows // 10) * 1e6, rows // 10 / tutorial.wall
        print(f"| {limit} | AsyncOpenAI | {speed:,.0f} | {cpu:.0f} | | |", flush=True)
    nothing = ours("http://127.0.0.1:9/v1", bench.rows(0), bench.out)
    start = median(measure(*nothing).cpu for _ in range(bench.turns))
    print(
        f"\nStart and end of `llmcli batch` without rows: {start * 1000:.0f} ms CPU (in the figures above)\n"
    )


def memory(bench: Bench, sizes: list[int], crowds: list[int]) -> None:
    """Peak memory by rows, and by rows in flight of 2 kB at a server that takes its time."""
    print("| rows | in flight | peak MB |\n|---|---|---|")
    for rows in sizes:
        with serving("cheap.py", "--bytes", "100") as base:
            run = measure(*ours(base, bench.rows(rows, 20), bench.out, "-j", "100"))
        print(f"| {rows:,} | 100 | {run.peak:.0f} |", flush=True)
    for crowd in crowds:
        with serving("cheap.py", "--delay", "4") as base:
            run = measure(*ours(base, bench.rows(2 * crowd), bench.out, "-j", str(crowd)))
        print(f"| {2 * crowd:,} | {crowd:,} | {run.peak:.0f} |", flush=True)
    print()


def resume(bench: Bench, rows: int) -> None:
    """How fast a finished output is read again, beside a count of its lines: CPU on one core, the clock on all."""
    with serving("cheap.py") as base:
        measure(*ours(base, bench.rows(rows), bench.out, "-j", "100"))
    scan, count = [sys.executable, "-c", SCAN, str(bench.out)], ["wc", "-l", str(bench.out)]
    scans, walls, counts = list[float](), list[float](), list[float]()
    for _ in range(bench.turns):
        counts.append(measure(*count).cpu)
        scans.append(float(measure(*scan).err.split()[0]))
        walls.append(float(measure(*scan, cores=",".join(map(str, CORES))).err.split()[1]))
    one, every = (
        median(each / count for each, count in zip(some, counts, strict=True)) for some in (scans, walls)
    )
    print(
        f"\nResume scan: {rows:,} rows, {bench.out.stat().st_size / 1e6:.0f} MB, {median(scans) / rows * 1e6:.2f} us a row;"
        f" 1/{one:.1f} of the speed of `wc -l` on one core, 1/{every:.1f} on {len(CORES)}\n"
    )


def limited(bench: Bench, rates: list[float], seconds: float) -> None:
    """Servers that allow so many requests a second, told by headers or not."""
    print("| requests/s | | seconds | ideal | share of limit | 429s |\n|---|---|---|---|---|---|")
    for rate in rates:
        for name, options in (("with headers", []), ("without", ["--silent"])):
            rows = int(rate * seconds)
            with serving("cheap.py", "--rps", str(rate), "--delay", "0.2", *options) as base:
                run = measure(*ours(base, bench.rows(rows), bench.out))
                seen = stats(base)
            share, refused = seconds / run.wall, seen["refused"] / seen["requests"]
            print(
                f"| {rate:g} | {name} | {run.wall:.1f} | {seconds:.1f} | {share:.0%} | {refused:.1%} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--against", metavar="CHECKOUT")
    parser.add_argument("--only", nargs="+", choices=("beside", "memory", "resume", "limited"))
    options = parser.parse_args()
    quick = options.quick
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), 2 if quick else 7, options.against)
        parts: dict[str, Callable[[], None]] = {
            "beside": lambda: beside(bench, 5_000 if quick else 20_000),
            "memory": lambda: memory(
                bench, [2_000, 20_000] if quick else [20_000, 1_000_000], [] if quick else [8_000]
            ),
            "resume": lambda: resume(bench, 5_000 if quick else 50_000),
            "limited": lambda: limited(bench, [50] if quick else [50, 600], 20 if quick else 60),
        }
        for part in options.only or parts:
            parts[part]()


if __name__ == "__main__":
    main()
