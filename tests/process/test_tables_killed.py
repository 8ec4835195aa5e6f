"""A table whose run is killed at each thing that it writes: typed again, it is as it would have been."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests import server as wire

CITIES = ['Foo, "Bar"\nBaz', "00123", ""]
ROOT = Path(__file__).parents[2]


def answered(request: wire.Request) -> object:
    """The prompt; one row is a failure that no run asks again."""
    return wire.status(400) if request.text == "About 00123" else wire.ok(request.text)


@pytest.fixture
def home(tmp_path):
    text = io.StringIO()
    csv.writer(text).writerows([["city"], *([city] for city in CITIES)])
    (tmp_path / "in.csv").write_bytes(text.getvalue().encode())
    return tmp_path


@pytest.fixture
def argv(server):
    server.script = answered
    words = [
        "batch",
        "-q",
        "in.csv",
        "-t",
        "About {{ city }}",
        "--base-url",
        server.base_url,
        "-m",
        "tiny",
        "-j",
        "1",
    ]
    return [*words, "-O", "out.csv", "--write-each", "each/{{ custom_id }}"]


def dying(process, when, number, argv):
    """The exit of the program, which is killed at the N-th thing that it writes."""
    words = [sys.executable, "-m", "tests.dying", when, str(number), *argv]
    env = {**process.env, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        words, cwd=process.home, env=env, capture_output=True, check=False, timeout=60
    ).returncode


def state(home):
    """What a run leaves: the table, the rows that have a record, the files."""
    files = {
        path.name: path.read_text() for path in (home / "each").iterdir() if not path.name.startswith(".")
    }
    records = [
        json.loads(line)
        for name in ("out.csv.jsonl", "out.csv.errors.jsonl")
        for line in (home / name).read_text().splitlines()
    ]
    return (home / "out.csv").read_text(), Counter(record["custom_id"] for record in records), files


def cleared(home):
    for path in home.iterdir():
        if path.name.startswith(("out", ".out")):
            path.unlink()
    for path in (home / "each").iterdir() if (home / "each").exists() else ():
        path.unlink()


@pytest.mark.parametrize(
    "earlier", [[], ["--limit", "2"]], ids=["the first run", "a run over an earlier table"]
)
@pytest.mark.parametrize(
    "when", ["half", "after"]
)  # before one is after the one before, or in the middle of none
def test_killed_at_each_write_and_typed_again(cli, process, server, home, monkeypatch, argv, when, earlier):
    monkeypatch.chdir(home)
    assert cli(*argv).code == 7
    whole = state(home)
    assert whole[1] == Counter({f"row-{row}": 1 for row in range(len(CITIES))})
    number, code = 0, -9
    while code == -9:
        number += 1
        cleared(home)
        if earlier:
            cli(*argv, *earlier)
        server.requests.clear()
        code = dying(process, when, number, argv)
        assert code in {-9, 7}
        assert cli(*argv).code == 7
        assert state(home) == whole, f"killed {when} write {number}"
        asked = Counter(request.text for request in server.requests)
        assert sum(asked.values()) <= len(CITIES) + 1, f"killed {when} write {number}: {asked}"
        before = len(server.requests)
        assert cli(*argv).code == 7
        assert state(home) == whole
        assert len(server.requests) == before
    assert number > 6


def counted(home):
    """How many records each row has in both files; a line that is torn is none."""
    names = [home / "out.csv.jsonl", home / "out.csv.errors.jsonl"]
    lines = [line for name in names if name.exists() for line in name.read_text().splitlines(keepends=True)]
    return Counter(json.loads(line)["custom_id"] for line in lines if line.endswith("\n"))


@pytest.mark.parametrize(("when", "again"), [("after", "--on-change=rerun"), ("half", "--retry-failed")])
def test_a_row_that_is_asked_again_never_has_two_records_wherever_that_is_killed(
    cli, process, server, home, monkeypatch, argv, when, again
):
    monkeypatch.chdir(home)
    every = {f"row-{row}": 1 for row in range(len(CITIES))}
    new = [word.replace("About", "Of") for word in argv] if "change" in again else argv
    number, code = 0, -9
    while code == -9:
        number += 1
        cleared(home)
        server.script = answered
        assert cli(*argv).code == 7
        server.script = lambda request: wire.ok(request.text.upper())
        code = dying(process, when, number, [*new, again])
        assert counted(home).keys() <= every.keys()
        assert max(counted(home).values()) == 1, f"killed {when} write {number}"
        assert cli(*new, again).code == 0
        assert counted(home) == every, f"killed {when} write {number}"
        upper = [
            line for line in (home / "out.csv.jsonl").read_text().splitlines() if '"content":"OF' in line
        ]
        assert len(upper) == (len(CITIES) if new is not argv else 0)
        assert not (home / "out.csv.redone.jsonl").exists()
    assert number > 4
