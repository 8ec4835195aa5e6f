"""A hostile or failing world, as the real program meets it: full pipes, few and many files, links, full disks."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from tests import server as wire
from tests.process.conftest import status
from tests.process.test_signals import fill

ROWS = '{"prompt":"a"}\n{"prompt":"b"}\n'


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("command", ["ask", "batch"])
def test_a_second_signal_ends_it_also_where_stderr_is_a_full_pipe(process, server, command, stop, code):
    ours, theirs = os.pipe()
    fill(theirs)
    server.script = wire.hang()
    (process.home / "in.jsonl").write_text(ROWS)
    what = ["in.jsonl", "-O", "o.jsonl", "-j", "1"] if command == "batch" else ["--no-stdin", "-v", "hi"]
    child = process.start(command, "--base-url", server.base_url, "-m", "tiny", *what, stderr=theirs)
    assert server.wait_for(1)
    child.send_signal(stop)
    if command == "batch":  # what is under way is finished first
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(timeout=0.5)
        while child.poll() is None:  # two that come at once are one
            child.send_signal(stop)
            time.sleep(0.2)
    assert status(child) == code
    child.communicate()
    for end in (ours, theirs):
        os.close(end)


@pytest.mark.parametrize("limit", [8, 12, 15])
def test_too_few_open_files_are_exit_74(shell, limit):
    done = shell(
        f"echo '{ROWS}' >in.jsonl; ulimit -n {limit}; llmcli batch -q -m offline/echo in.jsonl -O o.jsonl"
    )
    assert (done.code, done.err) == (74, "llmcli: io: too many open files; raise the limit (ulimit -n)\n")


@pytest.mark.parametrize("limit", [7, 8, 9, 10])
def test_too_few_open_files_for_a_connection_are_no_traceback(shell, server, limit):
    done = shell(f"ulimit -n {limit}; llmcli ask --base-url {server.base_url} -m tiny hi")
    assert (done.code in {0, 74, 75}, "Traceback" in done.err) == (True, False), done.err


def test_more_than_1_024_open_files_do_not_matter(process):
    # A parent's: what it opens has numbers that select() refuses.
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        done = subprocess.run(
            process.command("ask", "-m", "offline/echo", "-O", "out.txt"),
            input=b"hi",
            cwd=process.home,
            env=process.env,
            pass_fds=files,
            capture_output=True,
            check=False,
        )
    finally:
        for descriptor in files:
            os.close(descriptor)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (process.home / "out.txt").read_text() == "hi\n"


def test_a_batch_to_a_closed_stdout_is_exit_74_before_a_row_is_sent(shell, server):
    script = f"echo '{ROWS}' >in.jsonl; llmcli batch -m tiny --base-url {server.base_url} in.jsonl >&-"
    assert shell(script).code == 74
    assert server.requests == []


@pytest.mark.parametrize("link", ["o.jsonl.stdin", "o.jsonl.stdin.part"])
def test_a_link_in_place_of_the_copy_of_stdin_leaves_what_it_leads_to(shell, process, link):
    (process.home / "victim").write_text("precious\n")
    (process.home / link).symlink_to("victim")
    done = shell(f"echo '{ROWS}' | llmcli batch -q -m offline/echo -O o.jsonl; cat victim; wc -l <o.jsonl")
    assert done.out.split() == ["precious", "2"]


# Files of 1 kB at most; Python would keep what it compiles, cut off.
LITTLE = "export PYTHONDONTWRITEBYTECODE=1; ulimit -f 1"


@pytest.mark.parametrize("size", [1000, 900, 1023, 1024])
def test_a_usage_line_is_whole_or_not_there(shell, size):
    done = shell(
        f"head -c {size} /dev/zero | tr '\\0' x >u; {LITTLE}; llmcli ask -m offline/echo --usage-file u hi;"
        " echo $?; wc -c <u"
    )
    assert done.out.split() == ["hi", "74", str(size)]


def test_a_line_of_a_budget_is_whole_or_not_there(shell):
    asked = "llmcli ask -m offline/echo --budget-file b hi"
    done = shell(f"for i in 1 2 3 4 5; do {asked}; done >o; {LITTLE}; {asked}; echo $?; wc -c <b")
    assert done.err == "llmcli: io: cannot write --budget-file b: File too large; check the disk\n"
    assert done.out.split() == ["74", "1000"]
