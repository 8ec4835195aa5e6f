"""Torture: kills, full disks, and fuzz of argv, replies, files and stdin, for some minutes; prints figures.

    python -m tests.bench.torture [--minutes 3] [--seed N] [--only kills,disks,tables,argv,replies,files,stdin]

It fails on a traceback or an abort, a hang, a row that is lost or doubled, and a key in an output.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.torture.argv import argv
from tests.bench.torture.disks import disks
from tests.bench.torture.files import files
from tests.bench.torture.kills import kills
from tests.bench.torture.replies import replies
from tests.bench.torture.stdin import stdin
from tests.bench.torture.subject import Subject
from tests.bench.torture.tables import tables

CAMPAIGNS = {each.__name__: each for each in (kills, disks, tables, argv, replies, files, stdin)}


def main() -> int:
    """Take turns until the time is up; 1 where there was a fault."""
    parser = argparse.ArgumentParser(description="Kill, starve and fuzz the program.")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--only", default=",".join(CAMPAIGNS), metavar="NAME,...")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="torture.") as work:
        subject = Subject(Path(work), given.seed)
        ends = time.monotonic() + 60 * given.minutes
        with subject.server:
            while time.monotonic() < ends:
                CAMPAIGNS[subject.random.choice(given.only.split(","))](subject)
    print(f"seed {given.seed}; {figures(subject)}")
    return 1 if subject.faults else 0


def figures(subject: Subject) -> str:
    """How often each campaign ran the program, how it ended, and how many faults there were."""
    runs = ", ".join(f"{count} {name}" for name, count in sorted(subject.runs.items()))
    codes = ", ".join(f"{code}: {count}" for code, count in sorted(subject.codes.items()))
    return f"runs: {runs}; exits: {codes}; faults: {len(subject.faults)}"


if __name__ == "__main__":
    sys.exit(main())
