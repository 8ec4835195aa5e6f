"""A rehearsal refuses a place that the run refuses, in the same words, and leaves it as it is."""

from __future__ import annotations

import json

import pytest

ROWS = b'{"prompt":"a"}\n{"prompt":"b"}\n'
PLACES = {
    "a budget in no directory": ["--budget-file", "nodir/b"],
    "a budget below a file": ["--budget-file", "file/b"],
    "a budget that is a directory": ["--budget-file", "dir"],
}
OUTS = {
    "no directory": "nodir/x",
    "a directory": "dir",
    "below a file": "file/x",
    "a link that leads nowhere": "dangling",
    "a device": "/dev/null",
    "no journal": "file",
    "a table that is not ours": "mine.csv",
    "a table whose journal is none": "half.csv",
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A directory with things that are in the way."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").write_text("no journal\n")
    (tmp_path / "dangling").symlink_to("nodir/y")
    (tmp_path / "mine.csv").write_text("a,b\n")
    (tmp_path / "half.csv.jsonl").write_text("{}\n")
    (tmp_path / "rows.jsonl").write_bytes(ROWS)
    return tmp_path


@pytest.fixture
def both(cli, place):
    """The run's result, that of its rehearsal, which came first, and whether that left all as it was."""

    def run(*argv: str, stdin: bytes | None = None):
        before = _tree(place)
        rehearsal = cli(*argv, "--dry-run", stdin=stdin)
        assert _tree(place) == before
        return cli(*argv, stdin=stdin), rehearsal

    return run


def _tree(place):
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(place.rglob("*"))}


@pytest.mark.parametrize("command", ["ask", "chat", "batch"])
@pytest.mark.parametrize("what", PLACES)
def test_a_budget_file_that_cannot_be_is_refused_in_a_rehearsal(both, command, what):
    stdin = {"ask": None, "chat": b"hi\n", "batch": ROWS}[command]
    words = ["hi"] if command == "ask" else []
    run, rehearsal = both(command, "-m", "offline/echo", *PLACES[what], *words, stdin=stdin)
    assert rehearsal.code == run.code != 0
    assert rehearsal.out == ""
    assert rehearsal.err == run.err.splitlines(keepends=True)[-1]


def test_a_budget_file_that_is_used_up_refuses_the_rehearsal_of_a_batch(both, place):
    (place / "b").write_text("")
    argv = ["-m", "openai/gpt-4o", "-M", "1000", "--budget-file", "b", "--max-cost", "0.0001"]
    run, rehearsal = both("batch", *argv, "rows.jsonl", "-O", "out.jsonl")
    assert (run.code, rehearsal.code) == (6, 6)
    assert rehearsal.err.split(";")[0] in run.err


@pytest.mark.parametrize("path", ["file/b", "dir/", "file/sub/b", "dir/.."])
@pytest.mark.parametrize("command", ["ask", "chat"])
def test_a_session_that_cannot_be_is_refused_in_a_rehearsal(both, command, path):
    stdin, words = (None, ["hi"]) if command == "ask" else (b"hi\n", [])
    run, rehearsal = both(command, "-m", "offline/echo", "--session", path, *words, stdin=stdin)
    assert rehearsal == run
    assert run.code == 2


@pytest.mark.parametrize("what", OUTS)
def test_an_out_that_a_run_refuses_is_refused_in_a_rehearsal(both, what):
    run, rehearsal = both("batch", "-m", "offline/echo", "rows.jsonl", "-O", OUTS[what])
    assert rehearsal.code == run.code != 0
    assert rehearsal.out == run.out == ""
    assert rehearsal.err == run.err.splitlines(keepends=True)[-1]


def _told(result):
    """What is wrong, without the command that goes on."""
    last = result.err.splitlines()[-1]
    return result.code, last.split("; to go on")[0].split("; to try")[0]


def test_rows_that_have_changed_are_refused_in_a_rehearsal(cli, both, place):
    cli("batch", "-m", "offline/echo", "rows.jsonl", "-O", "out.jsonl")
    (place / "rows.jsonl").write_bytes(ROWS.replace(b'"b"', b'"other"'))
    run, rehearsal = both("batch", "-m", "offline/echo", "rows.jsonl", "-O", "out.jsonl")
    assert run.code == 2
    assert "row 1 is done, but what it asks has changed since" in rehearsal.err
    assert _told(rehearsal) == _told(run)


def test_rows_that_have_changed_pass_the_rehearsal_where_the_run_takes_them(cli, both, place):
    cli("batch", "-m", "offline/echo", "rows.jsonl", "-O", "out.jsonl")
    (place / "rows.jsonl").write_bytes(ROWS.replace(b'"b"', b'"other"'))
    run, rehearsal = both(
        "batch", "-m", "offline/echo", "rows.jsonl", "-O", "out.jsonl", "--on-change", "keep"
    )
    assert (run.code, rehearsal.code) == (0, 0)


def test_rows_known_by_something_else_are_refused_in_a_rehearsal(cli, both, place):
    (place / "rows.jsonl").write_text('{"prompt":"a","n":1}\n')
    cli("batch", "-m", "offline/echo", "rows.jsonl", "-O", "out.jsonl")
    argv = ["batch", "-m", "offline/echo", "rows.jsonl", "-O", "out.jsonl", "--id", "n"]
    run, rehearsal = both(*argv)
    assert run.code == 2
    assert "knows its rows by" in rehearsal.err
    assert _told(rehearsal) == _told(run)


def test_changed_rows_known_by_an_id_are_refused_in_a_rehearsal(cli, both, place):
    argv = ["batch", "-m", "offline/echo", "rows.jsonl", "-O", "out.jsonl", "--id", "n"]
    (place / "rows.jsonl").write_text('{"prompt":"a","n":1}\n{"prompt":"b","n":2}\n')
    cli(*argv)
    (place / "rows.jsonl").write_text('{"prompt":"b","n":2}\n{"prompt":"other","n":1}\n')
    run, rehearsal = both(*argv)
    assert run.code == 2
    assert _told(rehearsal) == _told(run)


def test_a_rehearsal_leaves_a_torn_line_and_what_was_redone_to_the_run(cli, both, place):
    argv = ["batch", "-m", "offline/echo", "rows.jsonl", "-O", "out.jsonl"]
    cli(*argv)
    out = place / "out.jsonl"
    first, second = out.read_bytes().splitlines(keepends=True)
    changed = ROWS.replace(b'"b"', b'"other"')
    (place / "rows.jsonl").write_bytes(changed)
    cli(*argv, "--on-change", "rerun")
    redone = out.read_bytes().splitlines(keepends=True)[1]
    out.write_bytes(first + second + second[:20])  # killed while row 1 was redone
    (place / "out.redone.jsonl").write_bytes(redone)
    run, rehearsal = both(*argv)
    assert (run.code, rehearsal.code) == (0, 0), (run, rehearsal)
    assert json.loads(rehearsal.out.splitlines()[0].split()[1]) == 2


def test_a_rehearsal_with_fresh_looks_at_nothing_that_will_be_lost(both, place):
    (place / "out.jsonl").write_text("no journal\n")
    run, rehearsal = both("batch", "-m", "offline/echo", "rows.jsonl", "-O", "out.jsonl", "--fresh")
    assert (run.code, rehearsal.code) == (0, 0)


@pytest.mark.parametrize("command", ["ask", "batch"])
def test_a_cache_that_cannot_be_written_is_said_before_the_request_is_sent(cli, server, tmp_path, command):
    """What a run was told of before the server was asked: it refuses, and nothing was paid."""
    from tests.server import status

    server.script = status(400)
    (tmp_path / "file").touch()
    words = ["hi"] if command == "ask" else []
    stdin = ROWS if command == "batch" else None
    argv = [command, "-m", "tiny", "--base-url", server.base_url, "--cache", *words]
    result = cli(*argv, stdin=stdin, env={"LLMCLI_CACHE": str(tmp_path / "file")})
    kept = tmp_path / "file"
    said = f"llmcli: warning: cannot keep the answer in {kept}: File exists; check the path\n"
    assert result.err.startswith(said)
    assert result.err.count("warning") == 1


def test_a_price_that_nobody_knows_stops_a_batch_with_a_budget_file_at_its_first_row(both):
    argv = ["batch", "-m", "openai/nobodys", "-M", "5", "--budget-file", "b", "rows.jsonl", "-O", "out.jsonl"]
    run, rehearsal = both(*argv)
    assert (run.code, rehearsal.code) == (2, 2)
    assert "the price of openai/nobodys is not known" in rehearsal.err
    assert run.err.splitlines()[-1] == rehearsal.err.splitlines()[-1]
