"""What counting costs: long texts beside tiktoken on one thread, and rows beside one core.

    python tests/bench/count.py [--mb 200] [--rounds 7] [--against CHECKOUT]

Interleaved runs, medians; on a busy machine processes share what one would have, and the ratios are low. CHECKOUT is
another checkout, whose rows are counted on one core, too. The text is the source of Python's own library, over and
over, through a pipe.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.measured import environment, peak_mb, seconds

ENTRY = "from llmcli.__main__ import entry; entry()"
TIKTOKEN = """
import sys
from llmcli.tokens.encodings import load
encoding = load("o200k_base")._tiktoken
print(sum(len(encoding.encode(block.decode(), disallowed_special=())) for block in iter(lambda: b"".join(
    sys.stdin.buffer.readlines(1 << 18)), b"")))
"""
ONE_CORE = (
    "import os, sys; os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}}); sys.path.insert(0, {!r}); "
)


def corpus(size: int) -> bytes:
    """So many bytes of text."""
    files = sorted(Path(os.__file__).parent.glob("*.py"))
    text = b"".join(file.read_bytes() for file in files)
    return (text * (size // len(text) + 1))[:size].decode("utf-8", "ignore").encode()


def rows(path: Path, count: int) -> None:
    text = corpus(4_000_000).decode()
    with path.open("w") as file:
        for number in range(count):
            start = number * 997 % (len(text) - 2000)
            content = text[start : start + 1000 + number * 31 % 1000]
            file.write(
                json.dumps({"custom_id": f"r{number}", "messages": [{"role": "user", "content": content}]})
                + "\n"
            )


def medians(runs: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(run())
    return {name: statistics.median(measured) for name, measured in times.items()}


def main(size: int, rounds: int, count: int, against: str | None) -> None:
    llmcli = [sys.executable, str(Path(sys.executable).with_name("llmcli"))]
    with tempfile.TemporaryDirectory() as folder:
        env, text, table = environment(folder), Path(folder, "text"), Path(folder, "rows.jsonl")
        text.write_bytes(corpus(size))
        rows(table, count)
        raw, one = [*llmcli, "count", "--raw"], [sys.executable, "-c", TIKTOKEN]
        found = medians(
            {"tiktoken": lambda: seconds(one, env, str(text)), "raw": lambda: seconds(raw, env, str(text))},
            rounds,
        )
        mb = text.stat().st_size / 1e6
        print(f"tiktoken, one thread       {mb / found['tiktoken']:6.1f} MB/s")
        print(
            f"count --raw of a pipe      {mb / found['raw']:6.1f} MB/s  {found['tiktoken'] / found['raw']:.2f} times"
        )
        print(f"its memory, all processes  {peak_mb(raw, env, str(text)):6.0f} MB")
        trees = {
            "one core": str(Path(__file__).parents[2]),
            **({"one core of CHECKOUT": against} if against else {}),
        }
        for line in (["count", "--rows", str(table)], ["batch", "--dry-run", str(table)]):
            cores = {
                name: [sys.executable, "-c", ONE_CORE.format(tree) + ENTRY] for name, tree in trees.items()
            }
            runs = {**cores, "all cores": llmcli}
            found = medians(
                {name: partial(seconds, [*run, *line], env) for name, run in runs.items()}, rounds
            )
            for name, took in found.items():
                print(
                    f"{' '.join(line[:2]):17} {name:20} {count / took:7.0f} rows/s, {took / found['all cores']:.2f} times the time"
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--against")
    arguments = parser.parse_args()
    main(arguments.mb * 1_000_000, arguments.rounds, arguments.rows, arguments.against)
