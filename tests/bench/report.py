"""A record of `llmcli report` beside `orjson.loads` of its line, and the page of many rows beside that of few.

python tests/bench/report.py [--rows 1000000]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests import chromium

CHILD = """
import gc, resource, sys
gc.set_threshold(50_000)  # as in a real start
from llmcli.cli.main import main
main(["report", *sys.argv[1:]])
usage = resource.getrusage(resource.RUSAGE_SELF)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, file=sys.stderr)
"""
SEARCH = """(async () => {
  document.getElementById("search").value = "WORDS";
  const begun = performance.now();
  const done = filter();
  while (found === null) await new Promise((r) => setTimeout(r, 1));
  if (found.length) return performance.now() - begun + 120;
  await done;
  return performance.now() - begun + 120;
})()"""  # 120 ms is what it waits for another key


def write(path: Path, rows: int, letters: int) -> None:
    text = ("rome paris oslo " * (letters // 16 + 1))[:letters]
    with path.open("wb") as file:
        for row in range(rows):
            choice = {
                "index": 0,
                "message": {"role": "assistant", "content": f"{text} {row}"},
                "finish_reason": "stop",
            }
            usage = {
                "prompt_tokens": 500,
                "completion_tokens": 300,
                "total_tokens": 800,
                "prompt_tokens_details": {"cached_tokens": 0},
            }
            body = {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "model": "m",
                "choices": [choice],
                "usage": usage,
            }
            at = f"2026-11-27T{row // 360000:02d}:{row // 6000 % 60:02d}:{row // 100 % 60:02d}.000Z"
            about = {
                "input": {"prompt": f"{text[:200]} {row}"},
                "row": row,
                "attempts": 1,
                "latency_ms": 800.5 + row % 997,
                "cost_usd": 0.00012,
                "model": "openai/m",
                "at": at,
            }
            line = {"id": f"batch_req_{row:06d}_{row:016x}", "custom_id": f"row-{row}"}
            line |= {
                "response": {"status_code": 200, "request_id": "r", "body": body},
                "error": None,
                "llmcli": about,
            }
            file.write(orjson.dumps(line) + b"\n")


def reported(*argv: str) -> tuple[float, float]:
    """CPU seconds and MB of a report."""
    done = subprocess.run([sys.executable, "-c", CHILD, *argv], capture_output=True, text=True, check=True)
    cpu, memory = done.stderr.split()[-2:]
    return float(cpu), float(memory)


def records(folder: Path, rows: int, letters: int) -> None:
    path = folder / "many.jsonl"
    write(path, rows, letters)
    ratios, memory = [], 0.0
    for _ in range(7):
        begun = time.process_time()
        with path.open("rb") as file:
            for line in file:
                orjson.loads(line)
        floor = time.process_time() - begun
        cpu, memory = reported(str(path))
        ratios.append(cpu / floor)
    print(
        f"{rows:,} records with answers of {letters:,} bytes: {statistics.median(ratios):.2f} times orjson.loads of every"
        f" line ({min(ratios):.2f} to {max(ratios):.2f}), {memory:.0f} MB at most"
    )


def pages(folder: Path) -> None:
    if chromium.PROGRAM is None:
        print("no Chromium: the page is not measured")
        return
    for rows in (2_000, 200_000):
        write(folder / f"{rows}.jsonl", rows, 200)
        reported(str(folder / f"{rows}.jsonl"), "--html", str(folder / f"{rows}.html"))
        print(f"page of {rows:,} rows: {(folder / f'{rows}.html').stat().st_size / 1e6:.1f} MB")
    taken: dict[tuple[int, str], list[float]] = {}
    with chromium.chromium() as page:
        for _ in range(7):
            for rows in (2_000, 200_000):
                for what, words in (
                    ("all rows match", "oslo rome"),
                    ("the last row matches", f"row-{rows - 1}"),
                ):
                    first, found = opened_and_searched(page, folder / f"{rows}.html", words)
                    taken.setdefault((rows, "it is opened"), []).append(first)
                    taken.setdefault((rows, what), []).append(found)
                assert page.read("document.querySelector('.row').firstChild.textContent") == f"row-{rows - 1}"
    for what in ("it is opened", "all rows match", "the last row matches"):
        few, many = (statistics.median(taken[rows, what]) for rows in (2_000, 200_000))
        print(f"until the first rows can be read where {what}, 200,000 rows beside 2,000: {many / few:.2f}")
    print(json.dumps({str(key): statistics.median(value) for key, value in taken.items()}))


def opened_and_searched(page: chromium.Page, path: Path, words: str) -> tuple[float, float]:
    """Seconds until its rows can be read, and ms until those can that have these words."""
    begun = time.perf_counter()
    page.go(path)
    page.until(f"location.pathname.endsWith('/{path.name}') && document.querySelectorAll('.row').length > 5")
    opened = time.perf_counter() - begun
    page.until("document.documentElement.dataset.ready === 'all'")
    return opened, page.read(SEARCH.replace("WORDS", words))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for letters in (1600, 600, 50):
            records(Path(folder), args.rows, letters)
        pages(Path(folder))


if __name__ == "__main__":
    main()
