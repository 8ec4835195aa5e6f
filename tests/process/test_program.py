"""The two names of the program, and a real terminal."""

from __future__ import annotations

import subprocess
import sys

import pytest

from llmcli import __version__
from tests.conftest import Result
from tests.process.conftest import program


@pytest.mark.parametrize("argv", ["--version", "--help", "ask --help", "models o3-pro", "ask", "nonsense"])
def test_python_m_and_the_console_script_are_the_same(process, argv):
    script = subprocess.run(
        [program(), *argv.split()], env=process.env, input=b"", capture_output=True, timeout=60, check=False
    )
    assert process(*argv.split()) == Result(script.returncode, script.stdout.decode(), script.stderr.decode())


def test_version(process):
    assert process("--version") == Result(0, f"llmcli {__version__}\n", "")


def test_no_control_character_of_an_answer_reaches_a_terminal(terminal):
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m red\r over \u202e tfel\x7f\ttab"
    screen = terminal("ask", "-m", "offline/echo", "--no-stdin", evil)
    assert screen.read().decode() == ("^[]0;owned^G^[[2J<U+009B>31m red^M over <U+202E> tfel^?\ttab\r\n")


def test_a_pipe_gets_every_byte(process):
    evil = "\x1b]0;owned\x07\x1b[2J red\r over"
    assert process("ask", "-m", "offline/echo", "-0", stdin=evil.encode()) == Result(0, evil + "\0", "")


def test_no_control_character_of_a_record_reaches_a_terminal(terminal):
    screen = terminal("ask", "-m", "offline/echo", "--no-stdin", "--format", "jsonl", "\x1b[2J\x7f\x9b")
    assert not set(screen.read().decode()) & {"\x1b", "\x7f", "\x9b"}


def test_no_control_character_of_an_error_reaches_a_terminal(terminal):
    screen = terminal("ask", "-m", "offline/\x1b[2J", "--no-stdin", "hi")
    assert b"\x1b" not in screen.read()


def test_a_prompt_is_typed_at_a_terminal_only_when_asked_for(terminal):
    screen = terminal("ask", "-m", "offline/echo", "-", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    screen.type(b"typed\n\x04")
    assert screen.child.communicate(timeout=60) == (b"typed\n", b"")
    screen = terminal("ask", "-m", "offline/echo", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert screen.child.communicate(timeout=60)[1].startswith(b"llmcli: usage: the prompt is empty; ")
    assert screen.child.returncode == 2


def test_version_imports_no_command(process):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", program(), "--version"],
        env=process.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "llmcli.cli.main" in done.stderr
    assert "llmcli.cli.ask" not in done.stderr
