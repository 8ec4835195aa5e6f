"""What a conversation costs: a turn of a long session, and the rate of piped turns.

    python tests/bench/chat.py            2,000 turns in the session, best of 7

Seconds of the wall; every answer is offline/echo's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEXT = "What is the airspeed velocity of an unladen swallow, and does it matter? " * 4


def session(path: Path, turns: int) -> None:
    """A session of so many turns, none of them counted."""
    lines = [{"llmcli": {"version": 1, "model": "offline/echo", "created": "2026-11-20T12:00:00Z"}}]
    for number in range(turns):
        lines += [{"role": role, "content": f"{number} {TEXT}"} for role in ("user", "assistant")]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def seconds(best_of: int, path: Path, *argv: str, stdin: bytes = b"") -> float:
    """The least time that a command took; the session is the same before each."""
    data = path.read_bytes() if path.exists() else b""
    times = []
    for _ in range(best_of):
        path.write_bytes(data)
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "llmcli", *argv], input=stdin, capture_output=True, check=True)
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    """Print a line for each figure."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--turns", type=int, default=2_000)
    parser.add_argument("--best-of", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        long, short = Path("long.jsonl"), Path("short.jsonl")
        session(long, options.turns)
        session(short, 1)
        size = long.stat().st_size / 1e6

        def say(what: str, value: float, unit: str = "ms") -> None:
            sys.stdout.write(f"{what:<70}{value:9.1f} {unit}\n")

        def ask(path: Path, *more: str) -> float:
            argv = ("ask", "--session", str(path), "--no-stdin", *more, "and?")
            return seconds(options.best_of, path, *argv) * 1000

        read = ("-m", "tiny", "--dry-run")  # a model without a window that is known: nothing is counted
        limit = ("--max-context-tokens", "4000")
        say("read a session of 1 turn, and show the request", ask(short, *read))
        say(
            f"read a session of {options.turns:,} turns, {size:.1f} MB, and show the request",
            ask(long, *read),
        )
        say("a turn over the limit, the first: all is counted", ask(long, *limit))
        subprocess.run(
            [sys.executable, "-m", "llmcli", "ask", "--session", str(long), "--no-stdin", *limit, "and?"],
            capture_output=True,
            check=True,
        )
        say("a turn over the limit, the next: nothing is counted again", ask(long, *limit))
        say("the same of 1 turn", ask(short, *limit))
        turns = b"and?\n" * 500
        new = Path("new.jsonl")
        kept = seconds(3, new, "chat", "-m", "offline/echo", "--session", "new.jsonl", stdin=turns)
        lost = seconds(3, new, "chat", "-m", "offline/echo", stdin=turns)
        say("500 piped turns, kept in a session", 500 / kept, "turns/s")
        say("500 piped turns, kept nowhere", 500 / lost, "turns/s")


if __name__ == "__main__":
    main()
