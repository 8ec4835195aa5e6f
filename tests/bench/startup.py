"""What a start costs: CPU time of whole processes, beside the floors that Python and the SDK set.

    python tests/bench/startup.py [ROUNDS]

The programs take turns, so that a busy minute is everybody's. Times are user + system, in milliseconds.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.server import Server, ok

PYTHON = [sys.executable]
LLMCLI = [sys.executable, str(Path(sys.executable).with_name("llmcli"))]
FLOORS = ("python -c pass", 'python -c "import openai"')


def programs(server: Server, cache: str) -> dict[str, list[str]]:
    """What is measured, by the name that the table shows. The first run with --cache fills the cache."""
    os.environ["LLMCLI_CACHE"] = cache
    asked = f"--base-url {server.base_url} -m tiny hi"
    lines = {
        "llmcli --version": "--version",
        "llmcli --help": "--help",
        "llmcli ask --help": "ask --help",
        "llmcli models gpt-4o": "models gpt-4o",
        "llmcli count hi (o200k)": "count hi",
        "llmcli count -m gpt-4 hi (cl100k)": "count -m gpt-4 hi",
        "llmcli count -m offline/echo hi": "count -m offline/echo hi",
        "llmcli ask --dry-run hi": "ask --dry-run hi",
        "llmcli ask -m offline/echo hi": "ask -m offline/echo hi",
        "llmcli ask of a loopback server": f"ask {asked}",
        "llmcli ask --cache hi (a hit)": f"ask --cache {asked}",
        "llmcli ask --replay DIR hi": f"ask --replay {cache} {asked}",
    }
    return {
        FLOORS[0]: [*PYTHON, "-c", "pass"],
        FLOORS[1]: [*PYTHON, "-c", "import openai"],
        **{name: [*LLMCLI, *line.split()] for name, line in lines.items()},
    }


def cpu_ms(command: list[str]) -> float:
    """Milliseconds of CPU that one run takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def main(rounds: int = 9) -> None:
    with Server(record=False) as server, tempfile.TemporaryDirectory() as cache:
        server.script = ok("Hello")
        commands = programs(server, cache)
        times: dict[str, list[float]] = {name: [] for name in commands}
        for command in commands.values():
            cpu_ms(command)  # caches are warm
        for _ in range(rounds):
            for name, command in commands.items():
                times[name].append(cpu_ms(command))
    bare, sdk = (statistics.median(times[name]) for name in FLOORS)
    say(f"{'CPU ms':34} {'median':>7} {'min':>7} {'x python':>9} {'x openai':>9}")
    for name, measured in times.items():
        median = statistics.median(measured)
        say(f"{name:34} {median:7.0f} {min(measured):7.0f} {median / bare:9.1f} {median / sdk:9.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
