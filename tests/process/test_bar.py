"""The progress of a batch on a real pseudo-terminal: narrow, resized, paused, gone on with, and beside its records."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
from collections.abc import Callable, Iterator

import pexpect
import pyte
import pytest

from tests.process.conftest import Process

LINE = r"[━─]{5,}  \d+/400 .*rows/s  \$[\d.]+ of \$[\d.]+  ETA [\d:]+  (bound )?by requests"
WIDE = r"[━─]{5,}  \d+/400 rows  \d+ ok  [\d.]+ rows/s  \d+ tokens/s  .*  ETA [\d:]+  bound by requests"


class Terminal:
    """What a person sees of a shell's script."""

    def __init__(self, script: str, process: Process, columns: int) -> None:
        self._screen = pyte.Screen(columns, 24)
        self._stream = pyte.ByteStream(self._screen)
        env = {**process.env, "TERM": "xterm"}
        self._child = pexpect.spawn(
            "/bin/bash", ["-c", script], cwd=str(process.home), env=env, timeout=60, dimensions=(24, columns)
        )
        self._child.delaybeforesend = None

    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display if line.strip()]

    def until(self, seen: Callable[[list[str]], bool]) -> list[str]:
        """The lines of the screen once they are as is wished."""
        while not seen(self.lines()):
            self._stream.feed(self._child.read_nonblocking(4096, timeout=60))
        return self.lines()

    def shows(self, pattern: str) -> list[str]:
        """The lines of the screen once the last of them is this."""
        return self.until(lambda lines: bool(lines) and re.fullmatch(pattern, lines[-1]) is not None)

    def resize(self, columns: int) -> None:
        """The program stands still meanwhile: what it has drawn is read at the width that it was drawn for."""
        os.kill(self._child.pid, signal.SIGSTOP)
        os.waitpid(self._child.pid, os.WUNTRACED)
        with contextlib.suppress(pexpect.TIMEOUT):
            while True:
                self._stream.feed(self._child.read_nonblocking(4096, timeout=0))
        self._screen.resize(24, columns)
        self._child.setwinsize(24, columns)
        os.kill(self._child.pid, signal.SIGCONT)

    def press(self, keys: str) -> None:
        self._child.send(keys)

    def close(self) -> None:
        self._child.close(force=True)


@pytest.fixture
def terminal(process: Process) -> Iterator[Callable[..., Terminal]]:
    """Runs a script whose BATCH is a batch of a minute or two."""
    opened = []

    def run(script: str, *more: str, columns: int = 80) -> Terminal:
        rows = "".join(f'{{"prompt": "Say {number}."}}\n' for number in range(400))
        (process.home / "rows.jsonl").write_text(rows)
        batch = shlex.join(
            process.command(
                "batch", "-m", "offline/echo", "--price", "1000,1000", "--rpm", "240", *more, "rows.jsonl"
            )
        )
        opened.append(Terminal(script.replace("BATCH", batch), process, columns))
        return opened[-1]

    yield run
    for one in opened:
        one.close()


def test_80_columns_have_the_whole_line_and_wider_ones_more(terminal):
    screen = terminal("exec BATCH", "-O", "out.jsonl")
    assert len(screen.shows(LINE)) == 1
    screen.resize(160)
    assert len(screen.shows(WIDE)) == 1
    screen.resize(80)
    assert len(screen.shows(LINE)) == 1
    screen.resize(30)
    assert len(screen.shows(r"\d+/400 .*by requests")) == 1


def test_a_batch_that_is_paused_leaves_the_screen_and_goes_on(terminal):
    screen = terminal("set -m; BATCH; echo stopped; read -r; fg >/dev/null; echo over", "-O", "out.jsonl")
    screen.shows(LINE)
    screen.press("\x1a")
    assert not any("rows/s" in line for line in screen.shows("stopped"))
    screen.press("\n")
    screen.shows(LINE)
    screen.press("\x03")
    lines = screen.shows("over")
    assert not any("━" in line or "─" in line for line in lines)
    assert any(line.startswith("rows ") for line in lines)


def test_records_on_the_same_terminal_stand_whole_above_the_line(terminal):
    screen = terminal("exec BATCH", "--format", "text", "--ordered")
    lines = screen.until(lambda lines: len(lines) > 6 and "rows/s" in lines[-1])
    assert lines[:-1] == [f"Say {number}." for number in range(len(lines) - 1)]


def test_a_line_that_nobody_watches_is_not_drawn_in_the_background(terminal):
    screen = terminal(
        "set -m; BATCH & read -r; kill -INT $!; wait; echo over", "-O", "out.jsonl", "--limit", "8"
    )
    lines = screen.until(lambda lines: any(line.startswith("bound by") for line in lines))
    assert not any("rows/s  " in line for line in lines)


def test_in_a_pipe_there_is_no_escape_sequence(terminal):
    screen = terminal("BATCH 2>&1 >/dev/null | cat -v; echo over", "--limit", "8")
    assert not any("^[" in line or "━" in line for line in screen.shows("over"))
