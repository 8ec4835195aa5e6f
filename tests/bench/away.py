"""What `batch --via batch` costs: preparing beside `--dry-run`, fetching beside a live run of the same answers, memory.

    python tests/bench/away.py [--rows 20000] [--runs 3] [--memory 1000000]

The provider is the fake of `tests/server/batch_provider.py` in a process of its own; CPU is that of llmcli alone.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.server.batch_provider import BatchDoor, FakeBatches, Script

WORDS = "the quick brown fox jumps over the lazy dog and on it goes " * 8
MOST_PREPARING, MOST_FETCHING = 1.3, 0.6


def answer(body: dict) -> tuple[int, dict]:
    message = {"role": "assistant", "content": body["messages"][-1]["content"]}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 100, "total_tokens": 200}
    return 200, {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "tiny", "choices": [choice], "usage": usage}  # fmt: skip


def provider(told: Connection) -> None:
    fake = FakeBatches(time.time, Script(dwell=0.0, answer=answer))
    with BatchDoor(fake) as door:
        told.send(door.base_url)
        told.recv()


@contextmanager
def serving() -> Iterator[str]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=provider, args=(there,))
    process.start()
    try:
        yield here.recv()
    finally:
        here.send("end")
        process.join()


def cost(*argv: str, code: int = 0) -> tuple[float, float]:
    """(seconds of CPU, MB at most) of one run."""
    with subprocess.Popen(
        [sys.executable, "-m", "llmcli", *argv], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:  # fmt: skip
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == code, said.decode()
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def write(path: Path, rows: int) -> None:
    with path.open("w") as stream:
        for number in range(rows):
            stream.write(json.dumps({"prompt": f"{number} {WORDS}", "custom_id": f"id-{number}"}) + "\n")


def ratios(home: Path, base: str, rows: int, runs: int) -> None:
    source = home / "rows.jsonl"
    write(source, rows)
    common = ["batch", "-q", str(source), "-m", "tiny", "--base-url", base, "--price", "1,1", "-M", "100"]
    preparing, fetching = [], []
    for run in range(runs):
        out = str(home / f"out{run}.jsonl")
        dry, _ = cost(*common, "--dry-run")
        prepared, _ = cost(*common, "-O", out, "--via", "batch", "--no-wait", code=75)
        fetched, _ = cost(*common, "-O", out, "--via", "batch")
        live, _ = cost(*common, "-O", str(home / f"live{run}.jsonl"), "-j", "16")
        preparing.append(prepared / dry)
        fetching.append(fetched / live)
        print(
            f"dry-run {dry:.2f} s, preparing {prepared:.2f} s, fetching {fetched:.2f} s, live {live:.2f} s of CPU"
        )
    for name, found, most in (
        ("preparing", preparing, MOST_PREPARING),
        ("fetching", fetching, MOST_FETCHING),
    ):
        ratio = statistics.median(found)
        print(f"{name}: {ratio:.2f} (at most {most}) {'ok' if ratio <= most else 'TOO DEAR'}")


def memory(home: Path, base: str, rows: int) -> None:
    for number in (rows // 10, rows):
        source, out = home / "many.jsonl", str(home / f"many{number}.jsonl")
        with source.open("w") as stream:
            stream.writelines(f'{{"prompt":"{n}"}}\n' for n in range(number))
        common = ["batch", "-q", str(source), "-m", "tiny", "--base-url", base, "-O", out, "--via", "batch"]
        _, sent = cost(*common, "--no-wait", code=75)
        _, fetched = cost(*common)
        print(f"{number:,} rows: {sent:.0f} MB to send, {fetched:.0f} MB to fetch")


def large_files(home: Path, base: str) -> None:
    """Rows of 30 kB: files of 64 MB go up, and come back, in the memory that small ones take."""
    for number in (20, 8_000):
        source, out = home / "large.jsonl", str(home / f"large{number}.jsonl")
        with source.open("w") as stream:
            stream.writelines(f'{{"prompt":"{n} {"word " * 6_000}"}}\n' for n in range(number))
        common = ["batch", "-q", str(source), "-m", "tiny", "--base-url", base, "-O", out, "--via", "batch"]
        _, sent = cost(*common, "--no-wait", code=75)
        _, fetched = cost(*common)
        print(f"{number:,} rows of 30 kB: {sent:.0f} MB to send, {fetched:.0f} MB to fetch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--large", action="store_true", help="memory of files that are as large as may be")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with tempfile.TemporaryDirectory() as home, serving() as base:
        if options.runs:
            ratios(Path(home), base, options.rows, options.runs)
        if options.memory:
            memory(Path(home), base, options.memory)
        if options.large:
            large_files(Path(home), base)


if __name__ == "__main__":
    main()
