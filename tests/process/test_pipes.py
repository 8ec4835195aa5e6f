"""stdout and stderr as a shell can bend them: readers that leave, full disks, closed descriptors."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests import server as wire
from tests.conftest import Process, Result
from tests.process.conftest import status

LINES = 200_000

WRITERS = {
    "ask": "llmcli ask -m offline/echo hello",
    "ask --json": "llmcli ask -m offline/echo --json hello",
    "ask --dry-run": "llmcli ask -m offline/echo --dry-run hello",
    "ask --curl": "llmcli ask -m gpt-4o --curl hello",
    "count": "llmcli count hello",
    "count --split": "llmcli count --split 1 hello there",
    "models": "llmcli models",
    "--help": "llmcli --help",
    "--version": "llmcli --version",
    "ask --help": "llmcli ask --help",
}

writers = pytest.mark.parametrize("command", WRITERS.values(), ids=WRITERS.keys())


def test_a_reader_that_leaves_is_exit_141_and_no_word(shell):
    done = shell(f"seq {LINES} | llmcli ask -m offline/echo | head -1; echo ${{PIPESTATUS[1]}}")
    assert done == Result(0, "1\n141\n", "")


def test_a_reader_that_leaves_fails_a_pipeline_under_pipefail(shell):
    done = shell(f"set -o pipefail; seq {LINES} | llmcli count --split 5 | head -1")
    assert done == Result(141, '{"index":0,"tokens":5,"text":"1\\n2\\n3"}\n', "")


@writers
def test_a_reader_that_was_never_there_is_exit_141(shell, command):
    # `true` may leave before or after the program writes: both must be quiet.
    done = shell(f"exec 3> >(exec true); wait $!; {command} >&3")
    assert done == Result(141, "", "")


@writers
def test_a_full_disk_is_exit_74(shell, command):
    done = shell(f"{command} > /dev/full")
    assert (done.code, done.out) == (74, "")
    assert done.err == "llmcli: io: cannot write stdout: No space left on device\n"


@writers
def test_a_closed_stdout_is_exit_74(shell, command):
    done = shell(f"{command} >&-")
    assert (done.code, done.out) == (74, "")
    assert done.err == "llmcli: io: stdout is closed; give the program a stdout, or use -O FILE\n"


def test_a_closed_stdout_does_not_matter_to_an_output_file(shell, process):
    assert shell("llmcli ask -m offline/echo -O out.txt hello >&-") == Result(0, "", "")
    assert (process.home / "out.txt").read_text() == "hello\n"


@writers
def test_a_closed_stderr_does_not_matter(shell, command):
    done = shell(f"{command} 2>&-")
    assert done.code == 0
    assert done.out


def test_a_closed_stderr_keeps_the_exit_code(shell):
    assert shell("llmcli ask -m offline/echo '' 2>&-") == Result(2, "", "")
    assert shell("llmcli ask -m offline/echo -u hello 2>&-") == Result(0, "hello\n", "")


def test_a_full_stderr_does_not_matter(shell):
    assert shell("llmcli ask -m offline/echo -u hello 2>/dev/full") == Result(0, "hello\n", "")


def test_everything_closed_is_still_exit_74(shell):
    assert shell("llmcli ask -m offline/echo hello <&- >&- 2>&-") == Result(74, "", "")


def test_an_output_file_may_be_a_device_or_a_pipe(shell):
    assert shell("llmcli ask -m offline/echo -O /dev/null hello") == Result(0, "", "")
    assert shell("llmcli ask -m offline/echo -O /dev/stdout hello | cat") == Result(0, "hello\n", "")
    assert shell("llmcli ask -m offline/echo -O /dev/full hello").code == 74
    into = "{ echo one; llmcli ask -m offline/echo -O /dev/stdout hello; echo two; } > file && cat file"
    assert shell(into) == Result(0, "one\nhello\ntwo\n", "")
    assert shell("llmcli ask -m offline/echo -O /dev/fd/3 hello 3> file && cat file") == Result(
        0, "hello\n", ""
    )


def test_a_disk_that_is_full_for_the_usage_file_is_exit_74(shell):
    done = shell("llmcli ask -m offline/echo --usage-file /dev/full hello")
    assert done.code == 74
    assert done.err.startswith("llmcli: io: cannot write /dev/full: No space left on device")


def test_reasoning_ends_its_line_before_the_answer_begins(asking, server):
    server.script = wire.events([wire.chunk(reasoning="Hm"), wire.chunk("H"), wire.chunk("i"), wire.DONE])
    child = asking("--reasoning", "x", stderr=subprocess.STDOUT)
    assert child.communicate(timeout=60) == (b"Hm\nHi\n", None)


# --- Readers and writers that keep us waiting ---------------------------------------------------------------


@pytest.fixture
def long_prompt(tmp_path: Path) -> Path:
    path = tmp_path / "long"
    path.write_text("word " * LINES)
    return path


STUCK = {
    "ask": ["ask", "-m", "offline/echo", "--no-stdin", "-f"],
    "ask --no-stream": ["ask", "-m", "offline/echo", "--no-stdin", "--no-stream", "-f"],
    "ask --json": ["ask", "-m", "offline/echo", "--no-stdin", "--json", "-f"],
    "ask --dry-run": ["ask", "-m", "offline/echo", "--no-stdin", "--dry-run", "-f"],
}


@pytest.mark.parametrize("argv", STUCK.values(), ids=STUCK.keys())
@pytest.mark.parametrize(("stop", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_what_waits_for_its_reader(process: Process, long_prompt, argv, stop, code):
    with process.start(*argv, str(long_prompt)) as child:
        assert child.stdout.read(1)
        child.send_signal(stop)
        assert status(child) == code


def test_the_deadline_ends_what_waits_for_its_reader(process: Process, long_prompt):
    with process.start(*STUCK["ask"], str(long_prompt), "--deadline", "3") as child:
        assert status(child) == 124


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_ends_a_batch_that_waits_for_its_reader(process: Process, tmp_path, stop, code):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt":"%s"}\n' % ("word " * 50_000) * 10)
    with process.start("batch", "-q", "-m", "offline/echo", str(rows)) as child:
        assert child.stdout.read(1)
        child.send_signal(stop)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(timeout=1)  # it still waits for the reader
        child.send_signal(stop)
        assert status(child) == code


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_all_is_written_to_a_pipe_that_does_not_wait(process: Process, long_prompt, unbuffered):
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETFL, os.O_NONBLOCK)
    unbuffered_or_not = {"PYTHONUNBUFFERED": unbuffered}
    with process.start(*STUCK["ask"], str(long_prompt), stdout=writing, env=unbuffered_or_not) as child:
        os.close(writing)
        with os.fdopen(reading, "rb") as stream:
            assert stream.read() == b"word " * LINES + b"\n"
        assert status(child) == 0


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_file_that_may_grow_no_more_is_exit_74(shell, long_prompt, unbuffered):
    asked = f"llmcli ask -m offline/echo --no-stdin --no-stream -f {long_prompt}"
    done = shell(f"trap '' XFSZ; ulimit -f 100; {asked} > out", PYTHONUNBUFFERED=unbuffered)
    assert (done.code, done.err) == (74, "llmcli: io: cannot write stdout: File too large\n")


@pytest.mark.parametrize(
    ("argv", "out"),
    [
        (["batch", "-q", "-m", "offline/echo", "-O", "out.jsonl"], b""),
        (["count", "--rows", "-", "-m", "gpt-4o"], b"160\n"),
        (["ask", "-m", "offline/echo"], b'{"prompt":"x"}\n' * 20),
    ],
    ids=["batch", "count", "ask"],
)
def test_nothing_is_lost_of_an_stdin_that_does_not_wait(process: Process, argv, out):
    reading, writing = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETFL, os.O_NONBLOCK)
    child = process.start(*argv, stdin=reading)
    os.close(reading)

    def write() -> None:
        for _ in range(20):
            os.write(writing, b'{"prompt":"x"}\n')
            threading.Event().wait(0.1)  # the pace of a writer, which the test is about
        os.close(writing)

    threading.Thread(target=write).start()
    assert (child.communicate(timeout=60)[0], status(child)) == (out, 0)
    if argv[0] == "batch":
        assert (process.home / "out.jsonl").read_bytes().count(b"\n") == 20
