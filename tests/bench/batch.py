"""What a row of `llmcli batch` costs, beside bare aiohttp and the tutorials' AsyncOpenAI, in one run.

    python tests/bench/batch.py [--quick]

The server is pinned to one core, the client to another. CPU is the client's, user and system, from rusage.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
CORES = sorted(os.sched_getaffinity(0))

BARE = r"""
import asyncio, sys, aiohttp, orjson, uvloop
base, rows, out, limit = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
async def main():
    source = enumerate(open(rows, "rb"))
    sink = open(out, "wb", buffering=0)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()) as session:
        async def work():
            for number, line in source:
                row = orjson.loads(line)
                body = orjson.dumps({"model": "tiny", "messages": [{"role": "user", "content": row["prompt"]}]})
                headers = {"content-type": "application/json", "authorization": "Bearer sk-test"}
                async with session.post(base + "/chat/completions", data=body, headers=headers) as reply:
                    answer = orjson.loads(await reply.read())
                sink.write(orjson.dumps({"custom_id": f"row-{number}", "response": {"status_code": 200, "body": answer}}) + b"\n")
        await asyncio.gather(*(work() for _ in range(limit)))
uvloop.run(main())
"""

TUTORIAL = r"""
import asyncio, json, sys, openai
base, rows, out, limit = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
async def main():
    client = openai.AsyncOpenAI(base_url=base, api_key="sk-test")
    semaphore = asyncio.Semaphore(limit)
    async def one(prompt):
        async with semaphore:
            return await client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": prompt}])
    answers = await asyncio.gather(*(one(json.loads(line)["prompt"]) for line in open(rows)))
    with open(out, "w") as sink:
        for answer in answers:
            sink.write(json.dumps(answer.model_dump()) + "\n")
asyncio.run(main())
"""


@dataclass
class Run:
    """What a client took: seconds on the clock, CPU seconds, peak memory in MB, stderr."""

    wall: float
    cpu: float
    peak: float
    err: str


@contextmanager
def serving(*options: str) -> Iterator[str]:
    """The cheap server on the first core."""
    command = ["taskset", "-c", str(CORES[0]), sys.executable, str(HERE / "cheap.py"), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def stats(base: str) -> dict[str, float]:
    with urllib.request.urlopen(base.removesuffix("/v1") + "/stats") as reply:  # noqa: S310 - loopback
        return json.load(reply)


def measure(*command: str, code: int = 0) -> Run:
    """Run a client on the last core."""
    env = {**os.environ, "OPENAI_API_KEY": "sk-test"}
    began = time.perf_counter()
    with tempfile.TemporaryFile() as err:
        pid = os.posix_spawnp(
            "taskset",
            ["taskset", "-c", str(CORES[-1]), *command],
            env,
            file_actions=[(os.POSIX_SPAWN_DUP2, err.fileno(), 2)],
        )
        _, status, used = os.wait4(pid, 0)
        wall = time.perf_counter() - began
        err.seek(0)
        text = err.read().decode()
    assert os.waitstatus_to_exitcode(status) == code, (command, status, text)
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, text)


def rows_file(folder: Path, rows: int) -> Path:
    path = folder / f"rows-{rows}.jsonl"
    if not path.exists():
        with path.open("w") as stream:
            for number in range(rows):
                stream.write(json.dumps({"prompt": f"Row {number}: " + "word " * 400}) + "\n")
    return path


def ours(base: str, rows: Path, out: Path, *options: str) -> list[str]:
    where = ["--base-url", base, "-m", "tiny", "-O", str(out), "-q"]
    return [sys.executable, "-m", "llmcli", "batch", str(rows), *where, *options]


def beside(folder: Path, rows: int, limits: list[int]) -> None:
    """CPU and speed beside the floor and the tutorial."""
    print(
        "| in flight | client | rows/s | CPU us/row | CPU to bare | rows/s to tutorial |\n|---|---|---|---|---|---|"
    )
    path, few = rows_file(folder, rows), rows_file(folder, rows // 10)
    start = min(
        measure(*ours("http://127.0.0.1:9/v1", rows_file(folder, 0), folder / "o.jsonl", "--fresh")).cpu
        for _ in range(3)
    )
    for limit in limits:
        with serving() as base:
            bare = min(
                (
                    measure(sys.executable, "-c", BARE, base, str(path), str(folder / "b"), str(limit))
                    for _ in range(3)
                ),
                key=lambda r: r.cpu,
            )
            mine = min(
                (
                    measure(*ours(base, path, folder / "o.jsonl", "--fresh", "-j", str(limit)))
                    for _ in range(3)
                ),
                key=lambda r: r.cpu,
            )
            tutorial = measure(sys.executable, "-c", TUTORIAL, base, str(few), str(folder / "t"), str(limit))
        floor = bare.cpu / rows
        speed = len(few.read_bytes().splitlines()) / tutorial.wall
        for name, run, count in (
            ("bare aiohttp", bare, rows),
            ("llmcli batch", mine, rows),
            ("AsyncOpenAI", tutorial, rows // 10),
        ):
            print(
                f"| {limit} | {name} | {count / run.wall:,.0f} | {run.cpu / count * 1e6:.0f} | {run.cpu / count / floor:.2f} | {count / run.wall / speed:.1f} |"
            )
    print(
        f"\nStart and end of `llmcli batch` without rows: {start * 1000:.0f} ms CPU (in the figures above)\n"
    )


def memory(folder: Path, sizes: list[int]) -> None:
    """Peak memory by rows."""
    print("| rows | peak MB |\n|---|---|")
    for rows in sizes:
        with serving("--bytes", "100") as base:
            run = measure(*ours(base, rows_file(folder, rows), folder / "o.jsonl", "--fresh", "-j", "100"))
        print(f"| {rows:,} | {run.peak:.0f} |")


def resume(folder: Path, rows: int) -> None:
    """How fast a finished output is read again."""
    out = folder / "o.jsonl"
    with serving() as base:
        measure(*ours(base, rows_file(folder, rows), out, "--fresh", "-j", "100"))
    size = out.stat().st_size / 1e6
    code = (
        "import sys,time; from llmcli.batch.ledger.ledger import Ledger; t=time.process_time();"
        "d=Ledger(sys.argv[1], fresh=False).recover(retry_failed=False); print(d.count, time.process_time()-t, file=sys.stderr)"
    )
    count, seconds = measure(sys.executable, "-c", code, str(out)).err.split()
    print(
        f"\nResume scan: {count} rows, {size:.0f} MB in {float(seconds):.2f} s CPU = {size / float(seconds):.0f} MB/s\n"
    )


def limited(folder: Path, rows: int, rps: float) -> None:
    """A server that allows `rps` requests a second, told by headers or not."""
    print("| 50 requests/s | seconds | ideal | share of limit | 429s |\n|---|---|---|---|---|")
    for name, options in (("with headers", []), ("without", ["--silent"])):
        with serving("--rps", str(rps), "--delay", "0.2", *options) as base:
            run = measure(*ours(base, rows_file(folder, rows), folder / "o.jsonl", "--fresh"))
            seen = stats(base)
        ideal = rows / rps
        print(
            f"| {name} | {run.wall:.1f} | {ideal:.1f} | {ideal / run.wall:.0%} | {seen['refused'] / seen['requests']:.1%} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        beside(folder, 5_000 if quick else 20_000, [10, 100, 500])
        memory(folder, [2_000, 20_000] if quick else [2_000, 20_000, 200_000])
        resume(folder, 5_000 if quick else 50_000)
        limited(folder, 1_000 if quick else 3_000, 50)


if __name__ == "__main__":
    main()
