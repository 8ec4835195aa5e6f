"""MCP servers end with the program, whatever ends it; other calls pay nothing for them."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys

import pytest

from tests.bench.mcp_kills import RAW, Kill, marked
from tests.conftest import part

part("mcp")


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("start", signal.SIGKILL),
        ("call", signal.SIGKILL),
        ("call", signal.SIGTERM),
        ("call", signal.SIGINT),
        ("call", signal.SIGHUP),
        ("idle", signal.SIGINT),
    ],
    ids=str,
)
def test_no_process_is_left_behind(moment, number):
    left, _ = Kill(moment, number, "away", 0.3).left()
    assert left == []


def test_a_reader_that_goes_away_ends_the_servers(tmp_path):
    how = {"started": str(tmp_path / "pids"), "child": "away", "deaf": True}
    server = shlex.join([sys.executable, "-S", str(RAW), json.dumps(how)])
    argv = [sys.executable, "-m", "llmcli", "ask", "--no-stdin", "-m", "offline/echo", "--mcp", server, "hi"]
    env = {**os.environ, "LLMCLI_READER_TEST": "1"}
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 141
    assert marked("LLMCLI_READER_TEST") == []


def test_a_deadline_in_a_call_ends_the_servers(process, tmp_path):
    how = {"started": str(tmp_path / "pids"), "child": "near", "deaf": True, "hang": "echo"}
    server = shlex.join([sys.executable, "-S", str(RAW), json.dumps(how)])
    argv = [
        "ask",
        "-m",
        "offline/echo",
        "--deadline",
        "6",
        "--mcp",
        server,
        "--tool-choice",
        "required",
        "hi",
    ]
    result = process(*argv, env={"LLMCLI_DEADLINE_TEST": "1"})
    assert result.code == 124
    assert result.err.startswith("llmcli: deadline: --deadline passed while waiting for ")
    assert marked("LLMCLI_DEADLINE_TEST") == []
