"""Ctrl-C and SIGTERM, at every moment of a program's life."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests import server as wire
from tests.process.conftest import program, status
from tests.waiting import until

STOPS = {
    signal.SIGINT: (130, b"llmcli: interrupted: SIGINT arrived\n"),
    signal.SIGTERM: (143, b"llmcli: terminated: SIGTERM arrived\n"),
}

stops = pytest.mark.parametrize("stop", STOPS, ids=lambda stop: stop.name)


def ended(child: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    out, err = child.communicate(timeout=60)
    return status(child), out, err


@stops
def test_while_streaming_keeps_what_came(asking, server, stop):
    hold = wire.Hold()
    server.script = wire.ok("Hello there", hold=hold, after=2)
    child = asking("hi")
    first = child.stdout.read(8)
    child.send_signal(stop)
    code, rest, err = ended(child)
    assert (code, first + rest, err) == (STOPS[stop][0], b"Hello th\n", STOPS[stop][1])
    assert server.requests[0].finished.wait(10)
    assert server.requests[0].gone


@stops
def test_while_the_answer_is_awaited(asking, server, stop):
    hold = wire.Hold()
    server.script = wire.held(wire.ok("Hello"), hold)
    child = asking("hi")
    assert hold.reached.wait(30)
    child.send_signal(stop)
    assert ended(child) == (STOPS[stop][0], b"", STOPS[stop][1])


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc to know when")
@stops
def test_while_connecting(process, stop):
    # A listener whose queue is full answers no connection: the program is connecting for ever.
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        first.connect(listener.getsockname())
        second.setblocking(False)
        second.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        child = process.start("ask", "--base-url", url, "-m", "tiny", "hi")
        connecting(child.pid, listener.getsockname()[1])
        child.send_signal(stop)
        assert ended(child) == (STOPS[stop][0], b"", STOPS[stop][1])


def connecting(pid: int, port: int) -> None:
    """Return when the process has a socket that has sent SYN to the port."""
    wanted = f":{port:04X} 02 "
    until(lambda: wanted in mine(pid))


def mine(pid: int) -> str:
    """The lines of /proc/net/tcp that are about sockets of this process."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            inodes.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
    table = Path("/proc/net/tcp").read_text().splitlines()
    return "\n".join(line for line in table if line.split()[9] in inodes)


@stops
def test_while_backing_off(asking, server, stop):
    server.script = wire.status(429, headers={"retry-after": "300"})
    child = asking("hi")
    notice = child.stderr.readline()
    assert notice.startswith(b"llmcli: attempt 1 failed: ")
    child.send_signal(stop)
    assert ended(child) == (STOPS[stop][0], b"", STOPS[stop][1])


@stops
def test_while_stdin_is_awaited(process, stop):
    child = process.start("ask", "-m", "offline/echo", stdin=subprocess.PIPE)
    assert child.stderr.readline() == b"llmcli: waiting for stdin (--no-stdin to ignore it)\n"
    child.send_signal(stop)
    assert ended(child) == (STOPS[stop][0], b"", STOPS[stop][1])


@stops
def test_a_file_being_written_is_left_as_it_was(asking, server, process, stop):
    (process.home / "out.txt").write_text("old")
    hold = wire.Hold()
    server.script = wire.ok("Hello there", hold=hold, after=2)
    child = asking("-O", "out.txt", "hi")
    assert hold.reached.wait(30)
    child.send_signal(stop)
    assert ended(child) == (STOPS[stop][0], b"", STOPS[stop][1])
    assert contents(process.home) == {"out.txt": "old"}


def test_a_kill_leaves_the_old_file_and_at_most_one_other(asking, server, process):
    (process.home / "out.txt").write_text("old")
    hold = wire.Hold()
    server.script = wire.ok("Hello there", hold=hold, after=2)
    child = asking("-O", "out.txt", "hi")
    assert hold.reached.wait(30)
    child.kill()
    assert ended(child) == (137, b"", b"")
    left = contents(process.home)
    assert left.pop("out.txt") == "old"
    assert len(left) <= 1
    assert all(name.startswith(".out.txt.") for name in left)


def contents(directory) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir() if path.is_file()}


def test_ctrl_c_until_it_ends_works_even_where_stderr_is_stuck(process):
    ours, theirs = os.pipe()
    child = process.start("ask", "-m", "offline/echo", stdin=subprocess.PIPE, stderr=theirs)
    assert os.read(ours, 1 << 16) == b"llmcli: waiting for stdin (--no-stdin to ignore it)\n"
    fill(theirs)
    until(lambda: child.send_signal(signal.SIGINT) or child.poll() is not None)
    assert (status(child), child.communicate()[0]) == (130, b"")
    os.close(theirs)
    os.close(ours)


def fill(descriptor: int) -> None:
    """Write to a pipe until not one byte more fits."""
    room = fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
    assert os.write(descriptor, b"x" * room) == room


@stops
def test_a_closed_stderr_does_not_keep_it_alive(process, stop):
    # Where stderr is closed, its number may be that of another file, or of none.
    script = f"import os; os.close(2); from llmcli.__main__ import _leave; _leave({stop.value}, None)"
    done = subprocess.run([sys.executable, "-c", script], env=process.env, check=False)
    assert done.returncode == STOPS[stop][0]


def test_a_command_gives_the_signal_back_as_it_found_it(cli):
    def handler(_number, _frame):
        pass

    before = signal.signal(signal.SIGTERM, handler)
    try:
        assert cli("ask", "-m", "offline/echo", "hello").out == "hello\n"
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


# --- Start-up: -X importtime says on stderr how far the program is -------------------------------------------

MARKS = 8


def importing(process, *argv: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-X", "importtime", str(program()), *argv]
    child = subprocess.Popen(
        command,
        cwd=process.home,
        env=process.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # a short pipe: the program cannot run far ahead of who reads it
        fcntl.fcntl(child.stderr, fcntl.F_SETPIPE_SZ, 4096)
    return child


def is_import(line: bytes) -> bool:
    return line.startswith(b"import time:")


@pytest.mark.parametrize(
    "argv",
    [["--version"], ["count", "hello"], ["ask", "-m", "offline/echo", "hello"]],
    ids=lambda argv: argv[0],
)
@stops
def test_while_starting_up(process, stop, argv):
    lines = importing(process, *argv).communicate(timeout=60)[1].splitlines()
    first = next(number for number, line in enumerate(lines) if line.endswith(b" llmcli.__main__")) + 2
    seen = set()
    for mark in range(first, len(lines), max(1, (len(lines) - first) // MARKS)):
        child = importing(process, *argv)
        for _ in range(mark):
            child.stderr.readline()
        child.send_signal(stop)
        code, _, err = ended(child)
        said = b"".join(line for line in err.splitlines(keepends=True) if not is_import(line))
        # Near its end the program may have done its work before the signal came.
        if code == 0:
            assert mark > first + (len(lines) - first) * 3 // 4, f"at import {mark}: {lines[mark - 1]}"
            assert said == b""
        else:
            assert (code, said) == STOPS[stop], f"at import {mark}: {lines[mark - 1]}"
        seen.add(code)
    assert STOPS[stop][0] in seen
