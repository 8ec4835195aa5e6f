"""The real program, as a shell runs it and as a person stops it."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Process, Result
from tests.process.served import HI, Got, Serve, serving
from tests.server import Server


def program() -> Path:
    """The console script, as pip installed it beside the interpreter."""
    return Path(sys.executable).with_name("llmcli")


def status(process: subprocess.Popen[bytes]) -> int:
    """The exit status as a shell would show it: 128 and the signal's number for a process that it killed."""
    code = process.wait(timeout=60)
    return code if code >= 0 else 128 - code


@pytest.fixture
def shell(process: Process) -> Callable[..., Result]:
    """Runs a bash script in the scratch directory, with `llmcli` on its PATH."""

    def run(script: str, **env: str) -> Result:
        done = subprocess.run(
            [shutil.which("bash") or "/bin/bash", "-c", script],
            cwd=process.home,
            env={**process.env, "PATH": f"{program().parent}:{os.environ['PATH']}", **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def asking(process: Process, server: Server) -> Callable[..., subprocess.Popen[bytes]]:
    """Starts `llmcli ask` of the misbehaving server."""

    def start(*argv: str, **pipes: object) -> subprocess.Popen[bytes]:
        return process.start("ask", "--base-url", server.base_url, "-m", "tiny", *argv, **pipes)

    return start


@dataclass
class Screen:
    """A pseudo-terminal with the program on it."""

    child: subprocess.Popen[bytes]
    keyboard: int

    def type(self, keys: bytes) -> None:
        os.write(self.keyboard, keys)

    def read(self) -> bytes:
        """All that the program sends to the terminal until it leaves."""
        shown = b""
        while piece := self._piece():
            shown += piece
        return shown

    def _piece(self) -> bytes:
        try:
            return os.read(self.keyboard, 1 << 16)
        except OSError:  # Linux says so when the last writer has left
            return b""


@pytest.fixture
def terminal(process: Process):
    """Starts the program with a pseudo-terminal as stdin, stdout and stderr."""
    opened: list[Screen] = []

    def start(*argv: str, **pipes: object) -> Screen:
        ours, theirs = pty.openpty()
        pipes = {"stdin": theirs, "stdout": theirs, "stderr": theirs, **pipes}
        opened.append(Screen(process.start(*argv, **pipes), ours))
        os.close(theirs)
        return opened[-1]

    yield start
    for screen in opened:
        screen.child.wait(timeout=60)
        for pipe in (screen.child.stdout, screen.child.stderr):
            if pipe:
                pipe.close()
        os.close(screen.keyboard)


@pytest.fixture
def serve(process: Process) -> Iterator[Serve]:
    """Starts a `serve` that is stopped at the end of the test."""
    with ExitStack() as stack:
        yield lambda *argv, **env: stack.enter_context(serving(process, *argv, **env))


@pytest.fixture
def through(serve: Serve, server: Server) -> Callable[..., Got]:
    """Asks the misbehaving server by way of a `serve`."""
    running = serve("-m", "tiny", "--base-url", server.base_url, "--retries", "0")
    token = running.child.stderr.readline().decode().split()[-1]

    def ask(path: str = "/chat/completions", **fields: object) -> Got:
        return running.send("POST", path, {"messages": HI, **fields}, Authorization=f"Bearer {token}")

    return ask
