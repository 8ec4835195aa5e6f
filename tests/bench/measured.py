"""What the benches measure of a process: its CPU time, its wall time, and the memory of all that it starts."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from pathlib import Path


def environment(folder: str) -> dict[str, str]:
    """The environment of a program whose modules are compiled, as pip leaves them; they are kept in `folder`."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**env, "PYTHONPYCACHEPREFIX": str(Path(folder, "pycache"))}


def cpu_ms(command: list[str], env: dict[str, str]) -> float:
    """Milliseconds of CPU that one run takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, (command, done.stderr)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def seconds(command: list[str], env: dict[str, str], stdin: str | None = None) -> float:
    """Seconds of wall time that one run takes; `stdin`: a file whose content comes through a pipe."""
    began = time.perf_counter()
    source = subprocess.Popen(["cat", stdin or "/dev/null"], stdout=subprocess.PIPE)
    done = subprocess.run(command, env=env, stdin=source.stdout, capture_output=True, check=False)
    source.wait()
    assert done.returncode == 0, (command, done.stderr)
    return time.perf_counter() - began


def peak_mb(command: list[str], env: dict[str, str], stdin: str) -> float:
    """The most memory that a process and its children have at a time, in MB: the sum of their PSS."""
    with (
        subprocess.Popen(["cat", stdin], stdout=subprocess.PIPE) as source,
        subprocess.Popen(command, env=env, stdin=source.stdout, stdout=subprocess.DEVNULL) as process,
    ):
        peak = 0
        while process.poll() is None:
            peak = max(peak, sum(map(_pss_kb, _family(process.pid))))
            time.sleep(0.05)
    return peak / 1024


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(one for child in children for one in _family(int(child)))]


def _pss_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
