"""What tests share: a command line in, the whole stdout, stderr and exit code out; servers to talk to."""

from __future__ import annotations

import gc
import importlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings
from pytest_recording.network import uninstall_pycurl_wrapper

from llmcli.cli.main import main
from llmcli.world import World
from tests import llama as llama_cpp
from tests.server import Server

TODAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
LONGEST_BYTES_IN_A_NAME = 20


pytest.register_assert_rewrite("tests.unit.conformance.asking")  # whoever imports it first
settings.register_profile("busy", deadline=None)  # a machine that does more than this is no fault
settings.load_profile("busy")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-docs", action="store_true", help="write README, guide and completions anew")


def pytest_sessionstart() -> None:
    """pytest-recording puts an imitation of pycurl in its place, whose handles no multi handle takes."""
    uninstall_pycurl_wrapper()


def pytest_collection() -> None:
    """A million objects are made that all stay: looking through them for garbage takes a quarter of the time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What was collected is looked through no more."""
    gc.freeze()
    gc.enable()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are no name of a test: what gzip packs holds the second, and two workers collect in two seconds."""
    return argname if isinstance(val, bytes) and len(val) > LONGEST_BYTES_IN_A_NAME else None


@dataclass(frozen=True)
class Result:
    """What a command line left behind."""

    code: int
    out: str
    err: str


class Terminal(io.BytesIO):
    """A stream of memory that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that only sleeping moves: back-off takes no time, and its length can be read."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Cli:
    """Runs command lines in this process, in a world of its own: its environment is `env`, its stdin what is given."""

    env: dict[str, str]
    clock: Clock
    moving: bool = False  # whether the date moves with the clock

    def __call__(
        self,
        *argv: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        terminal: bool = False,
        uniform: Callable[[float, float], float] = lambda _low, high: high,
    ) -> Result:
        """`stdin` None: a terminal that nobody types at. `terminal`: stdout and stderr are one."""
        kind = Terminal if terminal else io.BytesIO
        out, err = kind(), kind()
        world = World(
            Terminal() if stdin is None else io.BytesIO(stdin),
            out,
            err,
            {**self.env, **(env or {})},
            clock=self.clock,
            today=lambda: TODAY,
            now=lambda: NOW + timedelta(seconds=self.clock.now - 1000.0 if self.moving else 0.0),
            sleep=self.clock.sleep,
            uniform=uniform,
        )
        code = main(argv, world)
        return Result(code, out.getvalue().decode(), err.getvalue().decode())


@pytest.fixture
def clock() -> Clock:
    return Clock()


def part(name: str) -> ModuleType:
    """A package of the extra `test-all`: without it its tests are skipped, or fail under CI=true."""
    return importlib.import_module(name) if os.environ.get("CI") == "true" else pytest.importorskip(name)


@pytest.fixture
def cli(tmp_path: Path, clock: Clock) -> Cli:
    config = tmp_path / "config.toml"
    config.touch()
    places = {"LLMCLI_CACHE": tmp_path / "cache", "LLMCLI_STATE": tmp_path / "state"}
    return Cli({"LLMCLI_CONFIG": str(config), **{name: str(path) for name, path in places.items()}}, clock)


KEY = {"OPENAI_API_KEY": "sk-test"}  # for a model that the provider's table knows


@pytest.fixture
def config(cli: Cli) -> Path:
    """The config file that `cli` reads."""
    return Path(cli.env["LLMCLI_CONFIG"])


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def ask(cli: Cli, server: Server) -> Callable[..., Result]:
    """`llmcli ask` of the misbehaving server."""

    def run(*argv: str, **more: object) -> Result:
        return cli("ask", "--base-url", server.base_url, "-m", "tiny", *argv, **more)

    return run


@pytest.fixture
def chat(cli: Cli, server: Server) -> Callable[..., Result]:
    """`llmcli chat` with the misbehaving server."""

    def run(*argv: str, **more: object) -> Result:
        return cli("chat", "--base-url", server.base_url, "-m", "tiny", *argv, **more)

    return run


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A file for a conversation."""
    return tmp_path / "s.jsonl"


@pytest.fixture(scope="session")
def llama() -> Iterator[str]:
    """The base URL of a real llama.cpp server with the tiny model, which wants the key sk-test."""
    if not llama_cpp.available():
        pytest.skip("xllamacpp is not installed")
    with llama_cpp.llama(api_key="sk-test") as base_url:
        yield base_url


@dataclass
class Process:
    """Runs the real program, in a scratch directory, with an environment of its own."""

    home: Path

    @property
    def env(self) -> dict[str, str]:
        kept = {
            name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "VIRTUAL_ENV") if name in os.environ
        }
        return {**kept, "HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / ".config")}

    def command(self, *argv: str) -> list[str]:
        return [sys.executable, "-m", "llmcli", *argv]

    def __call__(self, *argv: str, stdin: bytes | None = b"", env: Mapping[str, str] | None = None) -> Result:
        done = subprocess.run(
            self.command(*argv),
            input=stdin,
            capture_output=True,
            cwd=self.home,
            env={**self.env, **(env or {})},
            timeout=60,
            check=False,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(
        self, *argv: str, env: Mapping[str, str] | None = None, **pipes: object
    ) -> subprocess.Popen[bytes]:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **pipes}
        return subprocess.Popen(self.command(*argv), cwd=self.home, env={**self.env, **(env or {})}, **pipes)


@pytest.fixture
def process(tmp_path: Path) -> Process:
    return Process(tmp_path)
