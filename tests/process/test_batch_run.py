"""Batches as a shell runs them: signals, pipes that break, disks that are full, a terminal to look at."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pexpect
import pytest

from tests import llama as llama_cpp
from tests import server as wire
from tests.conftest import Process, Result
from tests.process.conftest import status
from tests.server import Hold, Server
from tests.waiting import until


def write_rows(path: Path, count: int) -> Path:
    path.write_text("".join(json.dumps({"prompt": f"{row}"}) + "\n" for row in range(count)))
    return path


def rows_in(*paths: Path) -> Counter[int]:
    return Counter(
        json.loads(line)["llmcli"]["row"] for path in paths for line in path.read_bytes().splitlines()
    )


@pytest.fixture
def rows(tmp_path) -> Path:
    return write_rows(tmp_path / "rows.jsonl", 20)


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out.jsonl"


@pytest.fixture
def holding(server: Server) -> Hold:
    """The server answers rows 0 to 3 and holds all others back."""
    hold = Hold()

    def answer(request: wire.Request) -> wire.Scenario:
        return wire.echo if int(request.text) < 4 else wire.held(wire.echo, hold)

    server.script = answer
    return hold


def command(server: Server, rows: Path, out: Path, *more: str) -> tuple[str, ...]:
    return ("batch", "--base-url", server.base_url, "-m", "tiny", "-j", "4", str(rows), "-O", str(out), *more)


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_lets_what_is_under_way_finish(
    process: Process, server, holding, rows, out, number, code, word
):
    child = process.start(*command(server, rows, out))
    assert server.wait_for(8)
    child.send_signal(number)
    noted = b"".join(iter(lambda: child.stderr.read(1), b"\n"))
    name = signal.Signals(number).name
    assert noted == f"llmcli: {name} arrived: finishing 4 requests; once more to stop at once".encode()
    holding.release()
    _, err = child.communicate()
    assert status(child) == code
    assert err.decode().splitlines()[-1] == (
        f"llmcli: {word}: {name} arrived; to go on: llmcli {' '.join(command(server, rows, out))}"
    )
    assert rows_in(out) == Counter(range(8))
    assert process(*command(server, rows, out, "-q")).code == 0
    assert rows_in(out) == Counter(range(20))
    assert len(server.requests) == 20


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.usefixtures("holding")
def test_a_second_signal_stops_at_once(process: Process, server, rows, out, number, code):
    child = process.start(*command(server, rows, out))
    assert server.wait_for(8)
    child.send_signal(number)
    while child.stderr.readline().find(b"once more to stop at once") < 0:
        pass
    child.send_signal(number)
    child.communicate()
    assert status(child) == code
    assert rows_in(out) == Counter(range(4))


def test_a_second_run_on_the_same_output(process: Process, server, holding, rows, out):
    child = process.start(*command(server, rows, out))
    assert server.wait_for(8)
    second = process(*command(server, rows, out, "-q"))
    assert (second.code, second.err) == (
        75,
        f"llmcli: tempfail: another run holds {out}; wait for it to end, or choose another -O\n",
    )
    counted = process(*command(server, rows, out, "--dry-run"))
    assert (counted.code, counted.out[:13], counted.err) == (0, "rows      20\n", "")
    holding.release()
    child.communicate()
    assert status(child) == 0
    assert rows_in(out) == Counter(range(20))


def test_a_reader_who_leaves_ends_the_run_without_a_word(process: Process, server, rows):
    child = process.start("batch", "--base-url", server.base_url, "-m", "tiny", "-j", "1", str(rows))
    child.stdout.readline()
    child.stdout.close()
    child.stdout = None
    _, err = child.communicate()
    assert (status(child), err) == (141, b"")
    assert len(server.requests) < 20


def test_a_full_device_is_an_io_error(process: Process, rows):
    with Path("/dev/full").open("wb") as full:
        child = process.start("batch", "-q", "-m", "offline/echo", str(rows), stdout=full)
        _, err = child.communicate()
    assert (status(child), err) == (74, b"llmcli: io: cannot write stdout: No space left on device\n")


def limited(process: Process, limit: str, *argv: str) -> subprocess.Popen[bytes]:
    """The program under a `ulimit`."""
    script = f"ulimit {limit}; exec {shlex.join(process.command(*argv))}"
    return subprocess.Popen(
        ["/bin/bash", "-c", script], cwd=process.home, env=process.env, stderr=subprocess.PIPE
    )


def test_a_full_disk_stops_the_run_which_goes_on_when_there_is_room(process: Process, server, rows, out):
    server.script = wire.ok("x" * 1000)
    child = limited(process, "-f 10", *command(server, rows, out, "-q"))
    _, err = child.communicate()
    assert status(child) == 74
    assert err.decode() == (
        f"llmcli: io: cannot write {out}: File too large; make room, then type the same command again;"
        f" to go on: llmcli {' '.join(command(server, rows, out, '-q'))}\n"
    )
    written = rows_in(out)
    assert 4 < sum(written.values()) < 10
    assert process(*command(server, rows, out, "-q")).code == 0
    assert rows_in(out) == Counter(range(20))
    assert len(server.requests) <= 20 + 4


def mount_tmpfs(folder: Path) -> bool:
    folder.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        return subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def test_a_file_system_that_is_full(process: Process, server, rows, tmp_path):
    folder = tmp_path / "small"
    if not mount_tmpfs(folder):
        pytest.skip("no file system can be mounted here")
    try:
        out = folder / "out.jsonl"
        server.script = wire.ok("x" * 5000)
        assert process(*command(server, rows, out, "-q")).code == 74
        content = out.read_bytes()
        assert content.endswith(b"\n")
        assert 4 < sum(rows_in(out).values()) < 20
        subprocess.run(["/bin/mount", "-o", "remount,size=1m", str(folder)], check=True)
        assert process(*command(server, rows, out, "-q")).code == 0
        assert rows_in(out) == Counter(range(20))
    finally:
        subprocess.run(["/bin/umount", str(folder)], check=True)


def test_a_silent_pipe_ends_with_the_deadline(process: Process, out):
    child = process.start(
        "batch", "-q", "-m", "offline/echo", "-O", str(out), "--deadline", "0.5", stdin=subprocess.PIPE
    )
    assert child.wait(timeout=30) == 124
    child.communicate()


def test_rows_are_answered_while_the_pipe_is_open(process: Process):
    child = process.start("batch", "-q", "-m", "offline/echo", stdin=subprocess.PIPE)
    child.stdin.write(b'{"prompt":"a"}\n')
    child.stdin.flush()
    assert json.loads(child.stdout.readline())["custom_id"] == "row-0"
    child.stdin.write(b'{"prompt":"b"}')
    out, _ = child.communicate()
    assert json.loads(out)["custom_id"] == "row-1"


def test_a_named_pipe_is_read_as_it_comes(process: Process, tmp_path, out):
    os.mkfifo(tmp_path / "fifo")
    child = process.start("batch", "-q", "-m", "offline/echo", str(tmp_path / "fifo"), "-O", str(out))
    with (tmp_path / "fifo").open("wb") as pipe:
        pipe.write(b'{"prompt":"a"}\n{"prompt":"b"}')
    child.communicate()
    assert status(child) == 0
    assert rows_in(out) == Counter([0, 1])


ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def test_a_bar_on_a_terminal_which_is_left_clean(process: Process, server, holding, rows, out):
    argv = process.command(*command(server, rows, out))
    child = pexpect.spawn(
        argv[0], argv[1:], cwd=str(process.home), env=process.env, dimensions=(24, 200), timeout=120
    )
    child.expect("4/20 rows +4 ok")
    child.expect("bound by concurrency")
    holding.release()
    child.expect("rows +20 done: 20 ok, 0 failed\r\n")
    rest = child.read().decode()
    child.close()
    assert child.exitstatus == 0
    assert not ESCAPES.search(rest)
    assert rest.splitlines()[-1].startswith("bound by  ")


def test_a_bar_says_how_long_the_server_has_all_rows_wait(process: Process, server, rows, out):
    server.script = wire.status(429, headers={"Retry-After": "58"})
    argv = process.command(*command(server, rows, out))
    child = pexpect.spawn(
        argv[0], argv[1:], cwd=str(process.home), env=process.env, dimensions=(24, 200), timeout=120
    )
    child.expect("0/20 rows .*nothing gets through: waiting since")
    child.sendintr()
    child.expect("interrupted: SIGINT arrived")
    child.close()


@pytest.mark.parametrize("width", [40, 200])
@pytest.mark.usefixtures("holding")
def test_ctrl_c_on_a_terminal(process: Process, server, rows, out, width):
    argv = process.command(*command(server, rows, out))
    child = pexpect.spawn(
        argv[0], argv[1:], cwd=str(process.home), env=process.env, dimensions=(24, width), timeout=120
    )
    child.expect("4/20")
    child.sendintr()
    child.expect("llmcli: SIGINT arrived: finishing 4 requests; once more to stop at once")
    child.sendintr()
    shown = child.read().decode()
    child.close()
    assert child.exitstatus == 130
    assert "to go on: llmcli batch" in re.sub(r"\s+", " ", shown)


SHAPES = (
    lambda row: {"prompt": f"row {row}"},
    lambda row: {"custom_id": f"c{row}", "prompt": f"row {row}", "max_tokens": 3},
    lambda row: {"messages": [{"role": "user", "content": f"row {row}"}], "temperature": 0},
    lambda row: {
        "custom_id": f"b{row}",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "tiny-bigram", "messages": [{"role": "user", "content": f"row {row}"}], "max_tokens": 2},
    },
    lambda row: {"prompt": row},
)  # fmt: skip


def write_mixed(path: Path, count: int) -> None:
    with path.open("wb") as stream:
        for row in range(count):
            end = b"\r\n" if row % 3 else b"\n\n"
            stream.write((b"bad" if row % 50 == 7 else json.dumps(SHAPES[row % 5](row)).encode()) + end)


def run_until_done(process: Process, argv: tuple[str, ...], out: Path, kills: int, enough: int) -> int:
    """Kill the command whenever `enough` more bytes are there, so many times, then let it finish: its exit code."""
    errors = out.with_suffix(".errors.jsonl")

    def size() -> int:
        return sum(path.stat().st_size for path in (out, errors) if path.exists())

    for _ in range(kills):
        goal = size() + enough
        child = process.start(*argv)
        until(lambda: child.poll() is not None or size() >= goal)  # noqa: B023 - at once
        child.kill()
        child.communicate()
    return process(*argv).code


def check_mixed(out: Path, count: int) -> None:
    errors = out.with_suffix(".errors.jsonl")
    assert rows_in(out, errors) == Counter(range(count))
    bad = {row for row in range(count) if row % 50 == 7}  # a prompt that is a number is its text
    assert set(rows_in(errors)) == bad


def test_a_thousand_rows_of_mixed_shapes_against_a_server_that_misbehaves(
    process: Process, server, tmp_path, out
):
    odd = [
        wire.status(500),
        wire.drop(),
        wire.reset(),
        wire.cut(wire.echo, 5),
        wire.status(503, "<html>busy</html>"),
    ]

    def answer(request: wire.Request) -> wire.Scenario:
        return odd[request.number // 40 % len(odd)] if request.number % 40 == 0 else wire.echo

    server.script = answer
    write_mixed(tmp_path / "rows.jsonl", 1000)
    argv = command(server, tmp_path / "rows.jsonl", out, "-q", "-j", "16", "--ok", "incomplete")
    assert run_until_done(process, argv, out, kills=3, enough=60_000) == 7
    check_mixed(out, 1000)


@pytest.mark.skipif(not llama_cpp.available(), reason="xllamacpp is not installed")
def test_a_thousand_rows_of_mixed_shapes_against_llama_cpp(process: Process, llama, tmp_path, out):
    write_mixed(tmp_path / "rows.jsonl", 1000)
    key = tmp_path / "key"
    key.write_text("sk-test")
    argv = ("batch", "-q", "--base-url", llama, "-m", "tiny-bigram", "-M", "4", "--api-key-file", str(key))
    argv = (*argv, "--ok", "incomplete", str(tmp_path / "rows.jsonl"), "-O", str(out))
    assert run_until_done(process, argv, out, kills=3, enough=100_000) == 7
    check_mixed(out, 1000)


def test_answers_of_the_cache_are_not_held_to_the_rate(process: Process, server, rows, out):
    assert process(*command(server, rows, out, "--cache")).code == 0
    sent = len(server.requests)
    again = process(*command(server, rows, out, "--cache", "--fresh", "--rpm", "6"))  # ends it after a minute
    assert (again.code, len(server.requests)) == (0, sent)


def test_a_run_needs_no_more_than_the_files_that_it_may_open(process: Process, server, rows, out):
    child = limited(process, "-n 64", *command(server, rows, out, "-q"))
    child.communicate()
    assert status(child) == 0
    assert rows_in(out) == Counter(range(20))


def test_rows_are_not_read_from_where_records_go(shell, process: Process):
    row = '{"prompt":"x"}\n'
    (process.home / "rows.jsonl").write_text(row)
    assert shell("llmcli batch -m offline/echo -O rows.jsonl --fresh < rows.jsonl") == Result(
        2, "", "llmcli: usage: INPUT is rows.jsonl, where records are written; choose another -O\n"
    )
    assert (process.home / "rows.jsonl").read_text() == row


def test_the_command_to_go_on_is_the_command(shell, process: Process):
    system = "line one\n  it's \\ two\t\u2028three"
    (process.home / "rows.jsonl").write_text('{"prompt":"x"}\n')
    (process.home / "system").write_text(system)
    asked = 'llmcli batch -q -m "offline/flaky?rate=1&status=401" -s "$(cat system)" rows.jsonl -O out.jsonl'
    done = shell(asked)
    assert done.code == 77
    again = done.err.partition("to go on: ")[2]
    done = shell(
        again.replace("batch -q", "ask --dry-run --no-stdin x").replace("rows.jsonl -O out.jsonl", "")
    )
    assert json.loads(done.out)["messages"][0]["content"] == system


def test_open_files_that_bind_are_said(process: Process, server, holding, rows, out):
    """100 open files, 64 of which the program has for itself."""
    write_rows(rows, 60)
    words = shlex.join(process.command(*command(server, rows, out, "-j", "500")))
    child = pexpect.spawn(
        "/bin/sh",
        ["-c", f"ulimit -n 100; exec {words}"],
        cwd=str(process.home),
        env=process.env,
        dimensions=(24, 200),
        timeout=30,
    )
    child.expect(r"llmcli: -j 500: at most 36 requests at once, as open files allow \(ulimit -n\)\r\n")
    child.expect(r"bound by connections \(ulimit -n\)")
    holding.release()
    child.expect("rows +60 done: 60 ok, 0 failed\r\n")
    child.close()


def test_a_soft_limit_of_open_files_is_raised(process: Process, server, rows, out):
    words = shlex.join(process.command(*command(server, rows, out, "-j", "500")))
    script = f"ulimit -Sn 100; exec {words}"
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=process.home,
        env=process.env,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert b"open files" not in done.stderr
