"""The clients that people have, each in an environment of its own, against `llmcli serve`: what works, a line each.

    python tests/bench/served_clients.py [DIRECTORY]

Environments are made below DIRECTORY (a new one) with pip and, where node is here, npm. A proxy that nobody is behind
and a wrong OPENAI_API_BASE are in the environment: `serve --` has to keep the clients from both.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent / "served"
PYTHON = {
    "try_pydantic_ai.py": ["pydantic-ai-slim[openai]"],
    "try_langchain.py": ["langchain-openai"],
    "try_agents.py": ["openai-agents"],
    "try_llm.py": ["llm"],
    "try_litellm_instructor.py": ["litellm", "instructor"],
}
NODE = ["openai", "ai@5", "@ai-sdk/openai@2", "@ai-sdk/openai-compatible@1", "zod@3"]
NOWHERE = "http://127.0.0.1:9"
WRONG = {"HTTP_PROXY": NOWHERE, "http_proxy": NOWHERE, "OPENAI_API_BASE": NOWHERE}


def served(directory: Path, *command: str) -> int:
    """How many clients failed."""
    serve = [sys.executable, "-m", "llmcli", "serve", "-q", "-m", "offline/echo?tools=each", "--", *command]
    env = {**os.environ, **WRONG, "LLM_USER_PATH": str(directory)}
    done = subprocess.run(serve, cwd=directory, env=env, capture_output=True, text=True, check=False)
    print(done.stdout, end="", flush=True)
    if done.returncode:
        print(f"FAILED with {done.returncode}: {done.stderr.strip()[-300:]}", flush=True)
    return done.stdout.count(" FAILED ") + bool(done.returncode)


def main() -> int:
    top = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()).resolve()
    failed = 0
    for name, packages in PYTHON.items():
        place = top / name.removesuffix(".py")
        if not place.exists():
            subprocess.run([sys.executable, "-m", "venv", place], check=True)
            subprocess.run([place / "bin/pip", "install", "-q", *packages], check=True)
        failed += served(place, str(place / "bin/python"), "-W", "ignore", str(HERE / name))
    if shutil.which("npm"):
        place = top / "node"
        if not place.exists():
            place.mkdir(parents=True)
            subprocess.run(["npm", "install", "--silent", *NODE], cwd=place, check=True)
        shutil.copy(HERE / "node.mjs", place)
        failed += served(place, "node", "node.mjs")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
