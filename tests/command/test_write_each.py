"""--write-each: a file an answer, below the working directory alone, and one a row."""

from __future__ import annotations

import json

import pytest

from tests import server as wire
from tests.conftest import Result

ECHO = ["-m", "offline/echo", "-t", "About {{ id }}"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    (home / "rows.csv").write_text("id,city\na,Oslo\nb,Rome\n")
    return home


@pytest.fixture
def batch(cli, home):  # noqa: ARG001 - it is there that the command runs
    return lambda *argv, **more: cli("batch", "-q", *argv, **more)


def texts(home, pattern="out/**/*"):
    return {str(path.relative_to(home)): path.read_text() for path in home.glob(pattern) if path.is_file()}


@pytest.mark.parametrize("into", [[], ["-O", "o.jsonl"], ["-O", "o.csv"]])
def test_each_answer_has_a_file(batch, home, into):
    assert batch("rows.csv", *ECHO, "--write-each", "out/{{ city }}/{{ id }}.md", *into).code == 0
    assert texts(home) == {"out/Oslo/a.md": "About a\n", "out/Rome/b.md": "About b\n"}


def test_a_file_has_the_answer_as_it_was_judged(batch, home, server):
    server.script = [wire.ok('```json\n{"a": 1}\n```'), wire.ok('{"a": 2}\n\n')]
    argv = ["--base-url", server.base_url, "-m", "tiny", "-j", "1", "-t", "{{ id }}", "--schema", "a int"]
    assert batch("rows.csv", *argv, "--write-each", "out/{{ id }}.json").code == 0
    assert texts(home) == {"out/a.json": '{"a": 1}\n', "out/b.json": '{"a": 2}\n'}


def test_a_file_that_is_missing_is_written_from_its_record(batch, home, server):
    server.script = wire.echo
    argv = ["--base-url", server.base_url, "-m", "tiny", "-t", "{{ id }}", "-O", "o.jsonl"]
    argv += ["--write-each", "out/{{ id }}.md"]
    assert batch("rows.csv", *argv).code == 0
    (home / "out/a.md").unlink()
    (home / "out/b.md").write_text("mine\n")
    assert batch("rows.csv", *argv).code == 0
    assert texts(home) == {"out/a.md": "a\n", "out/b.md": "mine\n"}
    assert len(server.requests) == 2


def test_files_of_rows_with_ids_are_written_from_their_records(batch, home):
    argv = ["rows.csv", *ECHO, "--id", "id", "-O", "o.jsonl", "--write-each", "out/{{ id }}.md"]
    assert batch(*argv).code == 0
    (home / "rows.csv").write_text("id,city\nnew,Kiel\nb,Rome\na,Oslo\n")
    (home / "out/a.md").unlink()
    (home / "out/b.md").unlink()
    assert batch(*argv).code == 0
    assert texts(home) == {f"out/{each}.md": f"About {each}\n" for each in ("a", "b", "new")}


def test_a_failed_row_has_no_file(batch, home):
    (home / "rows.csv").write_text("id,city\na,\nb,Rome\n")
    argv = ["rows.csv", "-m", "offline/echo", "-t", "{{ city }}", "--write-each", "out/{{ id }}.md"]
    assert batch(*argv, "-O", "o.jsonl").code == 7
    assert texts(home) == {"out/b.md": "Rome\n"}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../x", "is not below the working directory"),
        ("/tmp/x", "is not below the working directory"),
        ("a/../../x", "is not below the working directory"),
        ("link/x", "is not below the working directory"),
        ("", "is no name of a file"),
        ("a/", "is no name of a file"),
        ("..", "is no name of a file"),
        ("directory", "is no name of a file"),
        ("x" * 256, "is no name of a file"),
        ("rows.jsonl", "is a file of the input or of the output"),
        ("./o.jsonl", "is a file of the input or of the output"),
        ("o.errors.jsonl", "is a file of the input or of the output"),
    ],
)
def test_a_name_that_leads_elsewhere_is_an_error_record(batch, home, server, name, why):
    (home / "directory").mkdir()
    (home / "link").symlink_to(home.parent)
    rows = [{"prompt": "x", "to": "good"}, {"prompt": "x", "to": name}]
    (home / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    before = (home / "rows.jsonl").read_bytes()
    argv = ["rows.jsonl", "--base-url", server.base_url, "-m", "tiny", "-O", "o.jsonl"]
    done = batch(*argv, "--write-each", "{{ to }}")
    assert done.code == 7
    error = json.loads((home / "o.errors.jsonl").read_text())["error"]
    assert error == {"code": "invalid_row", "message": f"--write-each: {json.dumps(name)} {why}"}
    assert len(server.requests) == 1
    assert (home / "rows.jsonl").read_bytes() == before
    assert sorted(path.name for path in home.parent.iterdir()) == ["config.toml", "home"]


def test_a_name_that_two_rows_share_is_the_second_ones_error(batch, home):
    (home / "rows.csv").write_text("id\na\n./a\nb\n")
    for _ in range(2):
        done = batch("rows.csv", *ECHO, "-O", "o.csv", "--write-each", "out/{{ id }}")
        assert done.code == 7
        assert texts(home) == {"out/a": "About a\n", "out/b": "About b\n"}
        assert (home / "o.csv").read_text().splitlines()[2] == '"./a",,"invalid_row"'


def test_a_rows_own_file_is_not_written_over(batch, home):
    (home / "a.txt").write_text("mine")
    argv = ["--each", "*.txt", "-m", "offline/echo", "-O", "o.jsonl", "--write-each"]
    assert batch(*argv, "{{ path }}").code == 7
    assert (home / "a.txt").read_text() == "mine"
    assert batch(*argv, "out/{{ stem }}.md", "--retry-failed").code == 0
    assert texts(home) == {"out/a.md": "mine\n"}


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry run"])
@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("out/x", "--write-each names no field of the rows; the first row has id, city"),
        ("out/{{ nosuch }}", "the template's variable nosuch is not defined (--write-each, line 1, column"),
        ("out/{{", "the template is not valid"),
        (" ", "--write-each names no file"),
    ],
)
def test_what_no_row_can_mean_is_exit_2(batch, home, template, said, dry):
    done = batch("rows.csv", *ECHO, "-O", "o.jsonl", "--write-each", template, *dry)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert [path.name for path in home.iterdir()] == ["rows.csv"]


def test_a_dry_run_counts_the_rows_that_have_no_file(batch, home):
    (home / "rows.csv").write_text("id\na\n../../a\na\n")
    done = batch("rows.csv", *ECHO, "--dry-run", "--json", "--write-each", "out/{{ id }}")
    assert json.loads(done.out)["invalid"] == 2
    assert [path.name for path in home.iterdir()] == ["rows.csv"]


def test_a_file_that_cannot_be_written_stops_the_run_and_nothing_is_paid_twice(batch, home, server):
    server.script = wire.echo
    (home / "out").write_text("in the way")
    argv = [
        "rows.csv",
        "--base-url",
        server.base_url,
        "-m",
        "tiny",
        "-t",
        "{{ id }}",
        "-j",
        "1",
        "-O",
        "o.jsonl",
    ]
    done = batch(*argv, "--write-each", "out/{{ id }}")
    assert done.code == 74
    assert "cannot write out/a" in done.err
    (home / "out").unlink()
    assert batch(*argv, "--write-each", "out/{{ id }}") == Result(0, "", "")
    assert texts(home) == {"out/a": "a\n", "out/b": "b\n"}
    assert len(server.requests) == 2
