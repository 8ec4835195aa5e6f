"""Kills at random moments, with MCP servers that do not want to end: no process may be left behind.

    python -m tests.bench.mcp_kills --kills 200

A server ignores the end of its stdin and SIGTERM, and has a child, every other time in a session of its own. The
command is killed while it starts, in a call of a tool, or idle in a chat, by SIGINT, SIGTERM, SIGHUP or SIGKILL.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

RAW = Path(__file__).parents[1] / "mcp" / "raw.py"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
MOMENTS = ("start", "call", "idle")
PATIENCE = 15.0  # seconds until all must have ended
SLOW = 10.0  # seconds that are worth a line


def _hear() -> None:
    """Ignore no signal, although whoever started us may have some ignored, as nohup has SIGHUP."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@dataclass(frozen=True)
class Kill:
    """One kill: when, and by what."""

    moment: str
    number: signal.Signals
    child: str
    seconds: float

    def left(self) -> tuple[list[int], float]:
        """(the processes that are left behind, the seconds until the last ended) of one command that is killed so."""
        mark = f"LLMCLI_KILL_{uuid.uuid4().hex}"
        with tempfile.TemporaryDirectory() as folder:
            started = Path(folder) / "pids"
            command = self._start(mark, started)
            self._wait(command, started)
            if command.poll() is not None:
                raise RuntimeError(f"it ended by itself before {self}: is the extra mcp installed?")
            command.send_signal(self.number)
            began = time.monotonic()
            command.communicate()
            while (pids := marked(mark)) and time.monotonic() - began < PATIENCE:
                time.sleep(0.01)
            return pids, time.monotonic() - began

    def _start(self, mark: str, started: Path) -> subprocess.Popen[bytes]:
        how = {"started": str(started), "child": self.child, "deaf": True, "hang": "echo"}
        server = shlex.join([sys.executable, "-S", str(RAW), json.dumps(how)])
        verb = ["chat"] if self.moment == "idle" else ["ask", "--no-stdin", "--tool-choice", "required"]
        words = [] if self.moment == "idle" else ["hi"]
        return subprocess.Popen(
            [sys.executable, "-m", "llmcli", *verb, "-m", "offline/echo", "--mcp", server, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, mark: "1"},
            preexec_fn=_hear,  # noqa: PLW1509 - no other thread of ours is at work
        )

    def _wait(self, command: subprocess.Popen[bytes], started: Path) -> None:
        """Wait for the moment."""
        ends = time.monotonic() + (self.seconds if self.moment == "start" else 30.0)
        while time.monotonic() < ends and command.poll() is None:
            if self.moment != "start" and started.exists():
                time.sleep(1.0 + self.seconds)  # until the tool is called, or the chat waits
                return
            time.sleep(0.005)


def marked(mark: str) -> list[int]:
    """The processes that have a variable in their environment: all that a command started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    for number in SIGNALS[:-1]:  # what started this may ignore them (nohup), and what is ignored is inherited
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    draw = random.Random(told.seed)
    left, longest, done = 0, 0.0, Counter[str]()
    for _ in range(told.kills):
        moment, number = draw.choice(MOMENTS), draw.choice(SIGNALS)
        kill = Kill(moment, number, draw.choice(("near", "away")), draw.uniform(0.0, 1.5))
        pids, seconds = kill.left()
        done[f"{moment} {number.name}"] += 1
        longest = max(longest, seconds)
        if seconds > SLOW:
            print(f"{seconds:.1f} s: {kill}", flush=True)
        if pids:
            left += 1
            print(f"LEFT {pids}: {kill}", flush=True)
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
    print(", ".join(f"{name} {count}" for name, count in sorted(done.items())))
    print(f"{told.kills} kills, {left} left something behind, the last ended after {longest:.1f} s")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
