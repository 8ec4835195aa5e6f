"""Tables: 100,000 rows of CSV beside the same rows as JSONL, and the memory of a large one.

python tests/bench/tables.py [--quick]

All ratios are of one run: CPU seconds of the whole process, the kinds interleaved, medians.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

WORDS = [
    "where",
    "the",
    "river",
    "bends,",
    "a",
    "town",
    "of",
    "old",
    "stone",
    "keeps",
    "its",
    "market",
    "on",
    "the",
    "square",
]


def fields(number: int) -> dict[str, str]:
    """A row of some 160 bytes, with commas and now and then a quote or a line's end."""
    text = " ".join(WORDS[(number + place) % len(WORDS)] for place in range(14))
    odd = ' "so"\n' if number % 10 == 0 else ""
    return {
        "id": f"{number:07d}",
        "city": f"Town {number}",
        "prompt": f"{text}{odd}",
        "note": "n/a",
        "label": str(number % 97),
    }


def write(path: Path, rows: Iterator[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        if path.suffix == ".csv":
            writer = csv.DictWriter(file, list(fields(0)))
            writer.writeheader()
            writer.writerows(rows)
        elif path.suffix == ".tsv":
            file.write("\t".join(fields(0)) + "\n")
            file.writelines(
                "\t".join(value.replace("\n", "\\n") for value in row.values()) + "\n" for row in rows
            )
        elif path.suffix == ".json":
            file.write("[" + ",\n".join(map(json.dumps, rows)) + "]")
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def cost(*argv: str) -> tuple[float, float]:
    """CPU seconds and MB at most of a command line."""
    child = subprocess.Popen(
        [sys.executable, "-m", "llmcli", *argv], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert child.stderr is not None
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{argv}: {said.decode()}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def kinds(folder: Path, rows: int, runs: int) -> None:
    paths = [folder / f"rows.{kind}" for kind in ("jsonl", "csv", "tsv", "json")]
    for path in paths:
        write(path, map(fields, range(rows)))
    ways = {
        "batch": lambda path: (
            "batch",
            "-q",
            "-m",
            "offline/echo",
            str(path),
            "-O",
            str(folder / "out.jsonl"),
            "--fresh",
        ),
        "batch, 1 of 100,000 rows": lambda path: (
            "batch",
            "-q",
            "-m",
            "offline/echo",
            str(path),
            "--id",
            "id",
            "--limit",
            "1",
        ),
    }
    for name, argv in ways.items():
        found: dict[str, list[float]] = {}
        for _ in range(runs):
            for path in paths:
                found.setdefault(path.suffix, []).append(cost(*argv(path))[0])
        base = median(found[".jsonl"])
        for kind, seconds in found.items():
            print(
                f"{name:28} {kind:6} {median(seconds):6.2f} s CPU, {1e6 * median(seconds) / rows:6.1f} us a row, {median(seconds) / base:5.2f} of JSONL"
            )


def memory(folder: Path, rows: int) -> None:
    """Wide rows, so that 100,000 of them are 1 GB, of which a prompt takes little."""

    def wide(number: int) -> dict[str, str]:
        return {**fields(number), "note": f"{number} and more\n" * 700}

    paths = [folder / "small.csv", folder / "large.csv"]
    write(paths[0], map(wide, range(500)))
    write(paths[1], map(wide, range(rows)))
    size = paths[1].stat().st_size / 1e6
    for name, more in (("by number", ()), ("--id", ("--id", "id"))):
        given = ("-t", "{{ city }}", *more)
        argv = ("batch", "-q", "-m", "offline/echo", "-j64", "-O", str(folder / "m.jsonl"), "--fresh", *given)
        (_, least), (seconds, most) = (cost(*argv, str(path)) for path in paths)
        print(
            f"{name:28} {size:,.0f} MB in {rows:,} rows: {most:.0f} MB at most, {least:.0f} MB with 500 rows;"
            f" {seconds:.0f} s CPU"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rows and runs")
    parser.add_argument("--memory", type=int, metavar="ROWS", help="only the memory of so many rows")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.memory is None:
            kinds(folder, *(20_000, 3) if options.quick else (100_000, 7))
        memory(folder, options.memory or (10_000 if options.quick else 100_000))


if __name__ == "__main__":
    main()
