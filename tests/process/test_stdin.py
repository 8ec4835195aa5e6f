"""stdin as shells give it: closed, silent, shared with a loop."""

from __future__ import annotations

import json
import os
import pty
import subprocess

import pytest

from tests.conftest import Result
from tests.process.conftest import status

NOTICE = b"llmcli: waiting for stdin (--no-stdin to ignore it)\n"


def test_a_closed_stdin_with_a_prompt(shell):
    assert shell("llmcli ask -m offline/echo hello <&-") == Result(0, "hello\n", "")
    assert shell("llmcli count hello <&-").code == 0


def test_a_closed_stdin_without_a_prompt_is_exit_2(shell):
    done = shell("llmcli ask -m offline/echo <&-")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("llmcli: usage: the prompt is empty; ")


@pytest.mark.parametrize("stdin", ["0> written", "0>/dev/null", "0>>written"])
def test_a_stdin_that_cannot_be_read_holds_nothing(shell, stdin):
    assert shell(f"llmcli ask -m offline/echo hello {stdin}") == Result(0, "hello\n", "")
    assert shell(f"llmcli count --raw hello {stdin}") == Result(0, "1\n", "")


@pytest.mark.parametrize("command", ["ask", "count", "batch"])
def test_without_a_prompt_a_stdin_that_cannot_be_read_is_the_ordinary_usage_error(shell, command):
    closed = shell(f"llmcli {command} -m offline/echo <&-")
    assert closed.code == 2
    assert shell(f"llmcli {command} -m offline/echo 0>/dev/null") == closed


def test_chat_takes_no_turn_from_a_stdin_that_cannot_be_read(shell):
    closed = shell("llmcli chat -m offline/echo <&-")
    assert shell("llmcli chat -m offline/echo 0>/dev/null") == closed


def test_under_nohup_at_a_terminal_a_prompt_is_enough(process):
    """GNU nohup gives what it starts a stdin that can only be written to, where it was a terminal."""
    ours, theirs = pty.openpty()
    done = subprocess.run(
        ["/usr/bin/env", "nohup", *process.command("ask", "-m", "offline/echo", "hello")],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=process.home,
        env=process.env,
        timeout=60,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert (done.returncode, done.stdout) == (0, b"hello\n")


def test_nothing_on_stdin_is_exit_2(shell):
    assert shell("llmcli ask -m offline/echo </dev/null").code == 2


def test_prompt_and_stdin_are_one_message_to_the_byte(shell):
    done = shell("printf ' a\\r\\n\\n\\tb \\n\\n' | llmcli ask -m offline/echo -0 'Read this:' | od -c -An")
    expected = shell("printf 'Read this:\\n\\n a\\r\\n\\n\\tb \\n\\0' | od -c -An")
    assert done == expected


def test_a_silent_fifo_is_spoken_of_once_and_what_comes_later_is_read(process):
    fifo = process.home / "fifo"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(fifo, os.O_WRONLY)
    os.set_blocking(reading, True)
    child = process.start("ask", "-m", "offline/echo", stdin=reading)
    os.close(reading)
    assert child.stderr.readline() == NOTICE
    os.write(writing, b"late, ")
    os.write(writing, b"but not lost\n")
    os.close(writing)
    out, err = child.communicate(timeout=60)
    assert (status(child), out, err) == (0, b"late, but not lost\n", b"")


def test_quiet_does_without_the_notice(process):
    child = process.start("ask", "-q", "-m", "offline/echo", "--deadline", "2.5", stdin=subprocess.PIPE)
    assert status(child) == 124
    out, err = child.communicate()
    assert (out, err.count(b"\n"), err[:17]) == (b"", 1, b"llmcli: deadline:")


def test_no_stdin_leaves_a_loop_its_lines(shell):
    loop = "printf 'one\\ntwo\\nthree\\n' | while read -r x; do llmcli ask -m offline/echo {} \"$x\"; done"
    assert shell(loop.format("--no-stdin")) == Result(0, "one\ntwo\nthree\n", "")
    assert shell(loop.format(""), LLMCLI_NO_STDIN="1") == Result(0, "one\ntwo\nthree\n", "")
    assert shell(loop.format("")) == Result(0, "one\n\ntwo\nthree\n", "")  # else the first takes the rest


def test_many_at_once_under_xargs(shell):
    done = shell("seq 24 | xargs -P8 -I{} llmcli ask -m offline/echo --no-stdin -u --format jsonl {}")
    assert done.code == 0
    answers = [json.loads(line)["choices"][0]["message"]["content"] for line in done.out.splitlines()]
    assert sorted(map(int, answers)) == list(range(1, 25))
    assert done.err.count("usage: ") == len(done.err.splitlines()) == 24


def test_many_at_once_append_whole_lines_to_one_usage_file(shell, process):
    done = shell("seq 16 | xargs -P8 -I{} llmcli ask -m offline/echo --no-stdin --usage-file log.jsonl {}")
    assert done.code == 0
    lines = (process.home / "log.jsonl").read_text().splitlines()
    assert len(lines) == 16
    assert all(line.startswith('{"provider":"offline"') and line.endswith("}") for line in lines)
