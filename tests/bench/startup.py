"""What a start costs: CPU time of whole processes, in T, the time of `python -c "import typer"` beside them.

    python tests/bench/startup.py [ROUNDS] [--against CHECKOUT]

The programs take turns, so that a busy minute is everybody's; a median is of ROUNDS (at least 7). CHECKOUT is another
checkout of llmcli. `llm` and `curl` ask the same loopback server where they are installed.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.measured import cpu_ms, environment
from tests.server import Server, ok

T = 'python -c "import typer"'
LINES = {
    "llmcli --version": "--version",
    "llmcli --help": "--help",
    "llmcli ask --help": "ask --help",
    "llmcli batch --help": "batch --help",
    "llmcli models gpt-4o": "models gpt-4o",
    "llmcli count hi (o200k)": "count hi",
    "llmcli count -m gpt-4 hi (cl100k)": "count -m gpt-4 hi",
    "llmcli ask --dry-run hi": "ask --dry-run hi",
    "llmcli ask -m offline/echo hi": "ask -m offline/echo hi",
    "llmcli ask of a loopback server": "ask {asked}",
    "llmcli batch of one row": "batch {rows} {where} -O {rows}.out.jsonl --fresh -q -j 10",
    "llmcli ask --cache hi (a hit)": "ask --cache {asked}",
    "llmcli ask --replay DIR hi": "ask --replay {cache} {asked}",
}
MOST = {
    "--help": 1.3,
    "batch --help": 1.3,
    "count hi": 1.8,
    "count -m gpt-4 hi": 1.8,
    "ask -m offline/echo hi": 2.0,
    "ask --help": 1.3,
}  # T


def programs(server: Server, cache: str, against: str | None) -> dict[str, list[str]]:
    """What is measured, by the name that the table shows. The first run with --cache fills the cache."""
    code = "from llmcli.__main__ import entry; entry()"
    where, rows = f"--base-url {server.base_url} -m tiny", Path(cache, "rows.jsonl")
    rows.write_text('{"prompt": "hi"}\n')
    words = {"asked": f"{where} hi", "where": where, "rows": str(rows), "cache": cache}
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        T: [sys.executable, "-c", "import typer"],
        'python -c "import openai"': [sys.executable, "-c", "import openai"],
    }
    for name, line in LINES.items():
        argv = line.format(**words).split()
        commands[name] = [sys.executable, str(Path(sys.executable).with_name("llmcli")), *argv]
        if against is not None:
            there = f"import sys; sys.path.insert(0, {against!r}); {code}"
            commands[f"{name}, CHECKOUT"] = [sys.executable, "-c", there, *argv]
    return commands | others(server, cache)


def others(server: Server, folder: str) -> dict[str, list[str]]:
    """The same question in other programs, where they are installed."""
    found = {}
    if curl := shutil.which("curl"):
        body = '{"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}'
        url = f"{server.base_url}/chat/completions"
        found["curl of the same server"] = [
            curl,
            "-sS",
            url,
            "-H",
            "Content-Type: application/json",
            "-d",
            body,
        ]
    if llm := shutil.which("llm"):
        Path(folder, "extra-openai-models.yaml").write_text(
            f"- model_id: tiny\n  model_name: tiny\n  api_base: {server.base_url}\n"
        )
        found["llm of the same server"] = [llm, "-m", "tiny", "--key", "sk-test", "--no-log", "hi"]
    return found


def main(rounds: int, against: str | None) -> None:
    with Server(record=False) as server, tempfile.TemporaryDirectory() as folder:
        server.script = ok("Hello")
        env = {**environment(folder), "LLMCLI_CACHE": folder, "LLM_USER_PATH": folder}
        commands = programs(server, folder, against)
        for command in commands.values():
            cpu_ms(command, env)  # caches are warm
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                times[name].append(cpu_ms(command, env))
    unit = statistics.median(times[T])
    print(f"{'CPU':44} {'ms':>6} {'min':>6} {'T':>6} {'at most':>8}")
    for name, measured in times.items():
        median = statistics.median(measured)
        most = MOST.get(LINES.get(name, ""), "")
        print(f"{name:44} {median:6.0f} {min(measured):6.0f} {median / unit:6.2f} {most:>8}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("rounds", nargs="?", type=int, default=9)
    parser.add_argument("--against")
    arguments = parser.parse_args()
    main(arguments.rounds, arguments.against)
