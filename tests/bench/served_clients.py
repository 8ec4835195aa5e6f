"""The clients that people have, each in an environment of its own, against `llmcli serve`: a table of what works.

    python tests/bench/served_clients.py [DIRECTORY] [--only NAME...] [-v]

Environments are made below DIRECTORY (a new one, else what is there is used again) with pip and, where npm is here,
with that, which brings a node of its own. A proxy that nobody is behind and a wrong OPENAI_API_BASE are in the environment: `serve --` has to keep the
clients from both. What is asked for has four parts, each served in its own way: what works, a 429 with Retry-After,
streams that break off, and answers that do not come, of which the client has enough: it has to leave them, and so do we.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests import server as wire

HERE = Path(__file__).parent / "served"
PYTHON = {
    "openai": ["openai", "pydantic"],
    "llm": ["llm"],
    "pydantic_ai": ["pydantic-ai-slim[openai]"],
    "langchain": ["langchain-openai"],
    "agents": ["openai-agents"],
    "instructor": ["instructor"],
    "litellm": ["litellm"],
}
NODE = {
    "node": ["openai", "ai", "@ai-sdk/openai", "@ai-sdk/openai-compatible", "zod", "wait-on"],
    "node_ai5": ["openai@6", "ai@5", "@ai-sdk/openai@2", "@ai-sdk/openai-compatible@1", "zod@3", "wait-on"],
}
RUNTIME = "node@22"  # the least that today's packages run on, whatever is on this machine
NOWHERE = "http://127.0.0.1:9"
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY")
PROXIED = ["env", *(f"{name}={NOWHERE}" for name in PROXIES), "NODE_USE_ENV_PROXY=1"]
CASES = ("answer", "stream", "tools", "structured", "429", "broken", "cancel")
PARTS = ("works", "limited", "broken", "slow")


@contextmanager
def upstream(part: str) -> Iterator[tuple[list[str], wire.Server | None]]:
    """What `serve` is to be told, and who stands behind it."""
    if part in {"works", "limited"}:
        yield ["-m", "offline/echo?tools=each" if part == "works" else "offline/flaky?rate=1"], None
        return
    with wire.Server() as server:
        server.script = (
            wire.cut(wire.ok("Hello there, you"), -60)
            if part == "broken"
            else wire.ok("Hello there, you", hold=wire.Hold(), after=2)
        )
        yield ["-m", "tiny", "--base-url", server.base_url, "--retries", "0"], server


def served(directory: Path, part: str, command: list[str]) -> list[dict[str, Any]]:
    """The lines of a client."""
    with upstream(part) as (flags, server):
        serve = [sys.executable, "-m", "llmcli", "serve", "-q", *flags, "--", *PROXIED, *command]
        env = {**os.environ, "OPENAI_API_BASE": NOWHERE, "LLM_USER_PATH": str(directory), "PART": part}
        done = subprocess.run(
            serve, cwd=directory, env=env, capture_output=True, text=True, check=False, timeout=900
        )
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode:
            lines.append(
                {
                    "client": command[-1],
                    "api": part,
                    "case": "answer",
                    "ok": False,
                    "came": done.stderr[-300:],
                }
            )
        if server is not None and part == "slow":
            for request in server.requests:
                request.finished.wait(10)
            if not all(request.gone for request in server.requests) or len(server.requests) < len(lines):
                lines.append(
                    {"client": command[-1], "api": part, "case": "cancel", "ok": False, "came": "not left"}
                )
    return lines


def environments(top: Path, only: list[str]) -> Iterator[tuple[Path, list[str]]]:
    """Where each client is, and how it is run."""
    for name, packages in PYTHON.items():
        place = top / f"try_{name}"
        if name not in only:
            continue
        if not place.exists():
            subprocess.run([sys.executable, "-m", "venv", place], check=True)
            subprocess.run([place / "bin/pip", "install", "-qq", *packages], check=True)
        yield place, [str(place / "bin/python"), "-W", "ignore", str(HERE / f"try_{name}.py")]
    if "curl" in only:
        yield top, ["sh", str(HERE / "try_curl.sh")]
    for name, packages in NODE.items() if shutil.which("npm") else ():
        place = top / name
        if name not in only:
            continue
        runtime = place / "node_modules/.bin"
        if not place.exists():
            place.mkdir(parents=True)
            env = {**os.environ, "PATH": f"{runtime}{os.pathsep}{os.environ['PATH']}"}
            for wanted in ([RUNTIME], packages):  # npm takes what runs on the node that runs npm
                subprocess.run(["npm", "install", "--silent", *wanted], cwd=place, env=env, check=True)
        shutil.copy(HERE / "node.mjs", place)
        yield place, [str(runtime / "node"), "node.mjs"]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", nargs="?")
    parser.add_argument("--only", nargs="*", default=[*PYTHON, "curl", *NODE])
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    top = Path(options.directory or tempfile.mkdtemp()).resolve()
    top.mkdir(parents=True, exist_ok=True)
    lines = [
        line
        for place, command in environments(top, options.only)
        for part in PARTS
        for line in served(place, part, command)
    ]
    table: dict[tuple[str, str], dict[str, bool]] = {}
    for line in lines:
        row = table.setdefault((line["client"], line["api"]), {})
        row[line["case"]] = row.get(line["case"], True) and line["ok"]
    print(f"{'client':28} {'API':10}", *(f"{name:10}" for name in CASES))
    for (client, api), row in table.items():
        cells = ["-" if name not in row else "ok" if row[name] else "FAILED" for name in CASES]
        print(f"{client[-28:]:28} {api:10}", *(f"{cell:10}" for cell in cells))
    for line in lines if options.verbose else ():
        print(json.dumps(line))
    wrong = [line for line in lines if not line["ok"]]
    for line in wrong:
        print(json.dumps(line))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
