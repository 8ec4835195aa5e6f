"""Whether the lighter import of the SDK holds for the lowest and the newest openai that pyproject allows.

    python tests/bench/sdk_bounds.py

Each is installed into a folder that stands before all others, so the tests of this environment run over it. What is
asked of a loopback server with it is answered, streamed and unstreamed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.server import Server, ok

ROOT = Path(__file__).parents[2]


def bounds() -> dict[str, str]:
    """What pip is asked for: the lowest release, and the newest."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    allowed = next(line for line in project["dependencies"] if re.match(r"openai\b", line))
    lowest = re.search(r">=([\d.]+)", allowed)
    assert lowest is not None, allowed
    return {"lowest": f"openai=={lowest[1]}.*", "newest": allowed}


def run(argv: list[str], env: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *argv], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check(wanted: str, folder: Path) -> str:
    """Install, test, ask; the version."""
    pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--upgrade", "--target", str(folder)]
    run([*pip, wanted], dict(os.environ))
    env = {**os.environ, "PYTHONPATH": str(folder), "OPENAI_API_KEY": "sk-test"}
    where, version = run(["-c", "import openai; print(openai.__file__, openai.__version__)"], env).split()
    assert Path(where).is_relative_to(folder), where
    run(["-m", "pytest", "-q", "tests/unit/test_lazy.py"], env)
    with Server() as server:
        server.script = ok("Hello there")
        for shape in ("--stream", "--no-stream"):
            asked = [
                "-m",
                "llmcli",
                "ask",
                "--base-url",
                server.base_url,
                "-m",
                "tiny",
                "--no-stdin",
                shape,
                "hi",
            ]
            assert run(asked, env) == "Hello there\n"
    return version


def main() -> None:
    for name, wanted in bounds().items():
        with tempfile.TemporaryDirectory() as folder:
            print(f"{name}: openai {check(wanted, Path(folder).resolve())} is fine", flush=True)


if __name__ == "__main__":
    main()
