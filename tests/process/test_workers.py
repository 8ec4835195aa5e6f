"""Work that processes share: in order, to the same result, and with nobody left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.conftest import status

ROOT = Path(__file__).parents[2]
LINES = b"".join(b"line %d of a long text, don't cut it\n" % number for number in range(150_000))
TOKENS = 1_948_999


def run(code: str) -> subprocess.CompletedProcess[str]:
    """A script that has no threads, as the program has none."""
    argv = [sys.executable, "-c", f"import os, signal\nfrom llmcli.workers import spread\n{code}"]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_results_come_in_the_order_of_the_items():
    code = "print(list(spread(lambda n: (n, os.getpid() != %d) , range(50), 3)) == [(n, True) for n in range(50)])"
    assert run(code.replace("%d", "os.getppid()")).stdout == "True\n"


def test_a_large_item_and_a_large_result_wait_for_nobody():
    assert (
        run("print(sum(map(len, spread(lambda b: b + b, [b'x' * 1_000_000] * 9, 2))))").stdout == "18000000\n"
    )


def test_an_error_comes_at_its_place():
    code = """
seen = []
try:
    for result in spread(lambda n: 10 // (5 - n), range(20), 2):
        seen.append(result)
except ZeroDivisionError:
    print(seen)
"""
    assert run(code).stdout == "[2, 2, 3, 5, 10]\n"


def test_a_worker_that_is_killed_is_an_error_in_plain_words():
    done = run("list(spread(lambda n: os.kill(os.getpid(), signal.SIGKILL), range(9), 2))")
    assert "LlmcliError: a process that shared the work was killed" in done.stderr


def test_nobody_is_left_when_the_results_are_not_wanted_any_more():
    code = """
results = spread(lambda n: os.getpid(), range(100), 2)
pids = {next(results), next(results), next(results)}
results.close()
for pid in pids:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        print("gone")
"""
    assert set(run(code).stdout.split()) == {"gone"}


def test_a_long_text_of_a_pipe_is_counted_as_the_whole(process, tmp_path):
    path = tmp_path / "text"
    path.write_bytes(LINES)
    with path.open("rb") as stdin:
        child = process.start("count", "--raw", stdin=stdin)
        assert child.communicate(timeout=120) == (b"%d\n" % TOKENS, b"")
    named = process.start("count", "--raw", "-f", str(path), "--no-stdin", stdin=subprocess.DEVNULL)
    assert named.communicate(timeout=120) == (b"%d\n" % TOKENS, b"")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda stop: stop.name)
def test_who_shares_the_work_ends_with_us(process, stop):
    """The end of stdout is seen when the last process that has it is gone."""
    with process.start("count", "--raw", stdin=subprocess.PIPE) as child:
        child.stdin.write(LINES * 2)
        child.send_signal(stop)
        assert child.stdout.read() == b""
    assert status(child) == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: 137}[stop]


def test_a_byte_that_is_no_text_is_named_by_its_place(process):
    child = process.start("count", "--raw", stdin=subprocess.PIPE)
    out, err = child.communicate(LINES + b"\xc3\xa9\xff", timeout=120)
    problem = f"stdin is not UTF-8 text: byte 0xff at offset {len(LINES) + 2}; convert it (iconv -t UTF-8)"
    assert (status(child), out, err.decode()) == (2, b"", f"llmcli: usage: {problem}\n")


def test_rows_are_counted_in_their_order_by_all(process, tmp_path):
    path, texts = tmp_path / "rows.jsonl", ["one two three " * n for n in range(1, 100)]
    rows = [{"prompt": texts[n % 99], "custom_id": f"r{n}"} for n in range(3000)]
    rows[1500] = {"prompt": ""}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    child = process.start("count", "--rows", str(path), "-m", "gpt-4o", "-v", "--format", "jsonl")
    out, err = child.communicate(timeout=120)
    found = [json.loads(line) for line in out.splitlines()]
    assert [one["row"] for one in found] == list(range(3000))
    assert found[1500]["error"] == {"code": "invalid_row", "message": "the prompt is empty"}
    assert {one["tokens"] - 3 * (one["row"] % 99 + 1) for one in found if one["row"] != 1500} == {8}
    assert err.decode().splitlines() == [
        "llmcli: row 1500 (line 1501): the prompt is empty",
        "llmcli: 1 of 3000 rows are invalid and not counted (-v names them)",
    ]
