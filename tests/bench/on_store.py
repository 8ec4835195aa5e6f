"""What parts on an object store cost beside parts in a directory, and what memory their merge takes; see machines.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests import object_server


class Cost(NamedTuple):
    """Of one command."""

    seconds: float
    cpu: float
    megabytes: float


def cost(home: Path, env: dict[str, str], *argv: str) -> Cost:
    """What `llmcli batch ARGV` takes; its memory is the most that it had, which of us it had none."""
    began = time.monotonic()
    command = [sys.executable, "-m", "llmcli", "batch", "-q", *argv]
    megabytes = 0.0
    with subprocess.Popen(command, cwd=home, env={**os.environ, **env}) as child:
        while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            megabytes = max(megabytes, most_memory(child.pid))
            time.sleep(0.02)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return Cost(time.monotonic() - began, used.ru_utime + used.ru_stime, megabytes)


def most_memory(pid: int) -> float:
    """The most MB that a process had: `ru_maxrss` would count in what we had as it was begun."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def told(what: str, rows: int, cost: Cost) -> None:
    print(
        f"{what:42} {cost.cpu / rows * 1e6:6.1f} us a row, {cost.megabytes:4.0f} MB, {cost.seconds:5.1f} s",
        flush=True,
    )


def stored(home: Path, rows: int) -> None:
    """Two parts of answers that cost nothing, in a directory and on a store, and their merge."""
    (home / "rows.jsonl").write_text(
        "".join(json.dumps({"prompt": f"{row} please"}) + "\n" for row in range(rows))
    )
    with object_server.serving() as (_objects, env):
        for place in ("parts", "s3://rows/parts"):
            for part in range(2):
                run = cost(home, env, "rows.jsonl", "-m", "offline/echo", "--shard", f"{part}/2", "-O", place)
                told(f"{place}, part {part} of 2", rows // 2, run)
            for out, *more in (("all.jsonl",), ("all.jsonl", "--ordered"), ("all.csv",)):
                merge = cost(home, env, "--merge", place, "-O", out, *more)
                told(f"--merge {place} -O {out}{' --ordered' * bool(more)}", rows, merge)
