"""What two clients' own packages ship, against `llmcli serve`: recorded once, replayed ten times without a network.

    python tests/bench/served_packages.py [DIRECTORY] [--times 10]

OpenAI's client brings examples, langchain-openai tests of its own: both are in what is packed for its users (sdist).
Each is run once with `--record`, and then with `--replay` where there is nothing but loopback (unshare, where that may
be used). The replays have to say what the recording said: the examples' output to the letter, each test's outcome.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MODEL = "offline/echo?tools=each"
EXAMPLES = (
    *(
        "demo",
        "async_demo",
        "parsing",
        "parsing_stream",
        "parsing_tools",
        "parsing_tools_stream",
        "streaming",
    ),
    *(
        f"responses/{name}"
        for name in ("streaming", "streaming_tools", "structured_outputs", "structured_outputs_tools")
    ),
)
ALONE = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
LEFT_OUT = "pdf or image or anthropic_inputs or stream_time or few_shot"  # fetch pages, take the time, ask each time anew
PYTEST = [
    "-p",
    "no:cacheprovider",
    "-o",
    "addopts=",
    "-o",
    "asyncio_default_test_loop_scope=session",
    "--tb=no",
    "-rA",
    "-q",
    "-W",
    "ignore",
]


@dataclass(frozen=True)
class Package:
    """A package, what is needed beside it, what is run below its folder, and what is compared of the output."""

    name: str
    beside: tuple[str, ...]
    folder: str
    run: list[str]
    seen: Callable[[str], list[str]]


def outcomes(output: str) -> list[str]:
    """The outcome of each test."""
    words = ("PASSED", "FAILED", "ERROR")
    return sorted(line.partition(" - ")[0] for line in output.splitlines() if line.startswith(words))


PACKAGES = (
    Package(
        "openai",
        ("rich",),
        "examples",
        [
            "sh",
            "-c",
            f"for name in {' '.join(EXAMPLES)}; do echo == $name; python $name.py || echo failed; done",
        ],
        str.splitlines,
    ),
    Package(
        "langchain-openai",
        ("langchain-tests", "pytest-timeout", "pytest-retry"),
        ".",
        [
            *(
                "python",
                "-m",
                "pytest",
                *PYTEST,
                "--timeout",
                "60",
                "-k",
                f"TestOpenAIStandard and not ({LEFT_OUT})",
            ),
            "tests/integration_tests/chat_models/test_base_standard.py",
        ],
        outcomes,
    ),
)


def unpacked(package: Package, top: Path) -> tuple[Path, Path]:
    """The environment of a package, and where its files are."""
    place = top / package.name
    pip = place / "venv/bin/pip"
    if not place.exists():
        subprocess.run([sys.executable, "-m", "venv", place / "venv"], check=True)
        subprocess.run([pip, "install", "-qq", package.name, *package.beside], check=True)
        sdist = [pip, "download", "-qq", "--no-deps", "--no-binary", package.name, "-d", place / "sdist"]
        subprocess.run([*sdist, package.name], check=True)
        [archive] = (place / "sdist").iterdir()
        with tarfile.open(archive) as files:
            files.extractall(place / "files", filter="data")
    [files_] = (place / "files").iterdir()
    return place / "venv/bin", files_ / package.folder


def output(package: Package, top: Path, how: list[str], before: list[str]) -> list[str]:
    programs, folder = unpacked(package, top)
    serve = [*before, sys.executable, "-m", "llmcli", "serve", "-m", MODEL, *how, "--", *package.run]
    env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        serve, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=900
    )
    print(f"{package.name:18} {how[0]:9} {done.stderr.splitlines()[-1]}", flush=True)
    return package.seen(done.stdout)


def alone() -> list[str]:
    """What runs a command where there is nothing but loopback; nothing, where that may not be done."""
    able = (
        shutil.which("unshare")
        and subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0
    )
    return ALONE if able else []


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", nargs="?")
    parser.add_argument("--times", type=int, default=10)
    options = parser.parse_args()
    top = Path(options.directory or tempfile.mkdtemp()).resolve()
    before, wrong = alone(), 0
    for package in PACKAGES:
        unpacked(package, top)
        calls = str(top / f"{package.name}.calls")
        shutil.rmtree(calls, ignore_errors=True)
        recorded = output(package, top, ["--record", calls], [])
        replayed = [output(package, top, ["--replay", calls], before) for _ in range(options.times)]
        same = sum(lines == recorded for lines in replayed)
        passed, failed = (
            sum(line.startswith(word) for line in recorded) for word in ("PASSED", ("FAILED", "failed"))
        )
        print(f"{package.name:18} {same} of {len(replayed)} replays the same, {len(recorded)} lines", end="")
        print(f", {passed} passed, {failed} failed{'' if before else ', with a network'}")
        wrong += same != len(replayed) or not recorded
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
