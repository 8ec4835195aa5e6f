"""--deadline holds for everything: the wait for stdin, for an answer, for the next attempt; --timeout for a server."""

from __future__ import annotations

import subprocess

from tests import server as wire
from tests.process.conftest import status


def ended(child: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    out, err = child.communicate(timeout=60)
    return status(child), out, err


def passed(waiting: str) -> bytes:
    return f"llmcli: deadline: --deadline passed while waiting for {waiting}; raise it, or ask for less\n".encode()


def test_a_server_that_hangs(asking, server):
    server.script = wire.hang()
    assert ended(asking("--deadline", "3", "hi")) == (
        124,
        b"",
        passed(f"the answer (openai/tiny at {server.base_url})"),
    )


def test_a_stream_that_hangs_keeps_what_came(asking, server):
    server.script = wire.ok("Hello there", hold=wire.Hold(), after=2)
    child = asking("--deadline", "5", "hi")
    where = f"openai/tiny at {server.base_url}"
    assert ended(child) == (124, b"Hello th\n", passed(f"the rest of the answer ({where})"))


def test_a_tool_that_does_not_end(asking, server):
    server.script = wire.ok(tool_calls=[wire.call("wait", {})])
    tools = '[{"type": "function", "function": {"name": "wait"}}]'
    child = asking("--deadline", "10", "--tools", tools, "--exec", "wait=sleep 60", "hi")
    assert ended(child) == (124, b"", passed("the tool wait"))


def test_a_deadline_shorter_than_start_up(asking):
    assert ended(asking("--deadline", "0.001", "hi"))[:2] == (124, b"")


def test_a_retry_after_beyond_it_is_not_waited_for(asking, server):
    server.script = wire.status(429, headers={"retry-after": "3600"})
    code, out, err = ended(asking("--deadline", "3000", "hi"))
    assert (code, out) == (124, b"")
    assert err.startswith(b"llmcli: deadline: the next attempt, in 3600.0 s, would be past --deadline; ")
    assert err.count(b"\n") == 1
    assert len(server.requests) == 1


def test_a_silent_stdin(process):
    child = process.start("ask", "-m", "offline/echo", "--deadline", "0.5", stdin=subprocess.PIPE)
    code = status(child)  # before anything closes the pipe
    out, err = child.communicate()
    assert (code, out) == (124, b"")
    assert err == (
        b"llmcli: deadline: stdin did not end before --deadline; raise --deadline or use --no-stdin\n"
    )


def test_an_stdin_that_falls_silent(process):
    child = process.start("ask", "-m", "offline/echo", "--deadline", "1", stdin=subprocess.PIPE)
    child.stdin.write(b"so far")
    child.stdin.flush()
    code = status(child)
    out, err = child.communicate()
    assert (code, out) == (124, b"")
    assert err.startswith(b"llmcli: deadline: stdin did not end")


def test_a_timeout_does_not_run_while_the_program_starts(asking, server):
    server.script = wire.hang()
    code, out, err = ended(asking("--timeout", "0.2", "--retries", "0", "hi"))
    assert (code, out) == (75, b"")
    assert err.startswith(b"llmcli: tempfail: no answer within 0.2 s ")
    assert len(server.requests) == 1
