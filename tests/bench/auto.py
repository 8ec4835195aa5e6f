"""`batch -j auto` beside fixed numbers, against servers of four load shapes, in one run.

    python tests/bench/auto.py [constant growing queue limit] [--begin S] [--end S] [--fixed N,N...]

`constant`: 2 s of latency. `growing`: 1.1 s + 0.27 s x sqrt(in flight), a server that batches. `queue`: two slots of
0.45 s, first in, first out, `--timeout 4`, 400 rows. `limit`: 50 and 600 requests a second, 60 s, with headers and
without. Rows/s are taken from second `--begin` to `--end` (90 to 240), by the server's own count of its answers.
The server is pinned to one core, the client to another.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.loopback import CORES, serving

MODEL = ["-m", "tiny", "-q"]


def stats(base: str) -> dict[str, list[int]]:
    """Answers and refusals, by the second since the first request."""
    with urllib.request.urlopen(base.removesuffix("/v1") + "/stats") as reply:  # noqa: S310 - loopback
        return json.load(reply)


def client(base: str, rows: Path, out: Path, *options: str) -> subprocess.Popen[bytes]:
    """A batch on the last core."""
    where = [str(rows), "--base-url", base, "-O", str(out), "--fresh", *MODEL, *options]
    command = ["taskset", "-c", str(CORES[-1]), sys.executable, "-m", "llmcli", "batch", *where]
    return subprocess.Popen(command, env={**os.environ, "OPENAI_API_KEY": "sk-test"})


def rows_file(folder: Path, count: int) -> Path:
    path = folder / f"rows-{count}.jsonl"
    if not path.exists():
        with path.open("w") as stream:
            stream.writelines(f'{{"prompt":"Row {number}: {"word " * 20}"}}\n' for number in range(count))
    return path


def throughput(folder: Path, shape: str, crowd: str, begin: int, end: int) -> tuple[float, str]:
    """(rows/s from one second to another, rows/s each ten seconds of a run)."""
    rows, out = rows_file(folder, 3_000_000), folder / "out.jsonl"
    with serving("shapes.py", shape) as base:
        run = client(base, rows, out, "-j", crowd)
        time.sleep(end + 3)
        answers = stats(base)["answers"]
        run.send_signal(signal.SIGKILL)
        run.wait()
    tens = [f"{sum(answers[at : at + 10]) / 10:.0f}" for at in range(0, end, 10)]
    return sum(answers[begin:end]) / (end - begin), " ".join(tens)


def beside(folder: Path, shape: str, fixed: list[str], begin: int, end: int) -> None:
    """Auto, and fixed numbers."""
    print(f"\n| {shape}, s {begin} to {end} | rows/s | each 10 s |\n|---|---|---|", flush=True)
    rates = {}
    for crowd in ("auto", *fixed):
        rates[crowd], tens = throughput(folder, shape, crowd, begin, end)
        print(f"| -j {crowd} | {rates[crowd]:.1f} | {tens} |", flush=True)
    best = max(rates[crowd] for crowd in fixed)
    print(f"auto to the best of the others: {rates['auto'] / best:.2f}", flush=True)


def queue(folder: Path) -> None:
    """Two slots behind a queue."""
    print("\n| queue | rows/s | failed | p95 after 30 | sent |\n|---|---|---|---|---|", flush=True)
    for crowd in ("auto", "4"):
        with serving("shapes.py", "queue") as base:
            out, began = folder / f"queue-{crowd}.jsonl", time.perf_counter()
            run = client(base, rows_file(folder, 400), out, "-j", crowd, "--timeout", "4")
            run.wait()
            seconds = time.perf_counter() - began
            requests = sum(stats(base)["answers"])
        took = sorted(json.loads(line)["llmcli"]["latency_ms"] for line in out.read_bytes().splitlines()[30:])
        failed = len(out.with_suffix(".errors.jsonl").read_bytes().splitlines())
        p95 = took[int(0.95 * len(took))]
        print(f"| -j {crowd} | {400 / seconds:.2f} | {failed} | {p95:.0f} ms | {requests} |", flush=True)


def limit(folder: Path, seconds: int) -> None:
    """A rate that is learned."""
    print("\n| limit | share of it | by the clock | 429s |\n|---|---|---|---|", flush=True)
    for rate in (50, 600):
        for name, more in (("headers", ()), ("no headers", ("--silent",))):
            with serving("shapes.py", "limit", "--rps", str(rate), *more) as base:
                began = time.perf_counter()
                client(base, rows_file(folder, rate * seconds), folder / "limit.jsonl").wait()
                wall = time.perf_counter() - began
                seen = stats(base)
            answers, refused = sum(seen["answers"]), sum(seen["refused"])
            share = answers / rate / seen["seconds"]
            print(
                f"| {rate}/s, {name} | {share:.1%} | {answers / rate / wall:.1%} | {refused / (answers + refused):.2%} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("shapes", nargs="*", default=["constant", "growing", "queue", "limit"])
    parser.add_argument("--begin", type=int, default=90)
    parser.add_argument("--end", type=int, default=240)
    parser.add_argument("--seconds", type=int, default=60, help="of `limit`")
    parser.add_argument("--fixed", help="instead of 8000, or 64,256,1000,4000")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    fixed = {"constant": ["8000"], "growing": ["64", "256", "1000", "4000"]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for shape in options.shapes:
            if shape == "queue":
                queue(folder)
            elif shape == "limit":
                limit(folder, options.seconds)
            else:
                numbers = options.fixed.split(",") if options.fixed else fixed[shape]
                beside(folder, shape, numbers, options.begin, options.end)


if __name__ == "__main__":
    main()
