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
    argv = ["--each", "-", "-m", "offline/echo", "-O", "o.jsonl", "--write-each"]
    assert batch(*argv, "{{ path }}", stdin=b"a.txt").code == 7
    assert (home / "a.txt").read_text() == "mine"
    assert batch(*argv, "out/{{ stem }}.md", "--retry-failed", stdin=b"a.txt").code == 0
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
    def meanwhile(request):
        (home / "out").write_text("in the way")
        return wire.echo(request)

    server.script = meanwhile
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
    server.script = wire.echo
    assert batch(*argv, "--write-each", "out/{{ id }}") == Result(0, "", "")
    assert texts(home) == {"out/a": "a\n", "out/b": "b\n"}
    assert len(server.requests) == 2


NAMES = {
    "a file and below it": (["a", "a/b", "c"], 1, 'to": "a/b"', '"a/b" is below another row\'s file'),
    "a directory and it": (["a/b/c", "a", "c"], 1, "", '"a" is a directory of another row\'s file'),
    "deeper": (["a/b/c", "a/b/../b", "c"], 1, "", '"a/b/../b" is a directory of another row\'s file'),
}


@pytest.mark.parametrize("case", NAMES)
def test_a_file_and_a_directory_of_one_name_are_an_error_record_and_not_74_again_and_again(
    batch, home, server, case
):
    names, at, _, why = NAMES[case]
    server.script = wire.echo
    (home / "rows.jsonl").write_text(
        "".join(json.dumps({"prompt": "x", "to": name}) + "\n" for name in names)
    )
    argv = ["rows.jsonl", "--base-url", server.base_url, "-m", "tiny", "-O", "o.jsonl"]
    argv += ["--write-each", "{{ to }}"]
    assert json.loads(batch(*argv, "--dry-run", "--json").out)["invalid"] == 1
    for _ in range(2):
        assert batch(*argv).code == 7
        record = json.loads((home / "o.errors.jsonl").read_text())
        assert (record["llmcli"]["row"], record["error"]["code"]) == (at, "invalid_row")
        assert record["error"]["message"] == f"--write-each: {why}"
        assert len(server.requests) == 2
    assert (home / "c").read_text() == "x\n"


def test_a_directory_in_the_place_of_a_missing_file_is_told_and_the_others_are_written(batch, home, server):
    server.script = wire.echo
    argv = ["rows.csv", "--base-url", server.base_url, "-m", "tiny", "-t", "{{ id }}", "-O", "o.jsonl"]
    argv += ["--write-each", "out/{{ id }}"]
    assert batch(*argv).code == 0
    for name in ("a", "b"):
        (home / "out" / name).unlink()
    (home / "out/a").mkdir()
    done = batch(*argv)
    assert (done.code, done.out) == (74, "")
    assert done.err.startswith(
        'llmcli: io: 1 answer has no file of its own: --write-each: "out/a" is no name of a file (row 0'
    )
    assert texts(home) == {"out/b": "b\n"}
    (home / "out/a").rmdir()
    assert batch(*argv) == Result(0, "", "")
    assert texts(home) == {"out/a": "a\n", "out/b": "b\n"}
    assert len(server.requests) == 2


def test_a_file_in_the_place_of_the_directory_is_told_before_a_row_is_paid(batch, home, server):
    (home / "out").write_text("in the way")
    argv = ["rows.csv", "--base-url", server.base_url, "-m", "tiny", "-t", "{{ id }}", "-O", "o.jsonl"]
    argv += ["--write-each", "out/{{ id }}"]
    for words in (argv, [*argv, "--dry-run"]):
        done = batch(*words)
        assert (done.code, done.out) == (74, "")
        assert "cannot write out/a: out is no directory" in done.err
    assert server.requests == []


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry run"])
@pytest.mark.parametrize(
    ("pattern", "template"),
    [
        ("*.txt", "{{ stem }}.sum.txt"),
        ("*.txt", "{{ path }}"),
        ("./*.txt", "{{ stem }}.sum.txt"),
        ("**/*.txt", "out/{{ stem }}.txt"),
        ("**", "out/{{ name }}"),
        ("?.txt", "./b{{ text[:0] }}.txt"),
        ("{home}/[ab]*.txt", "{{ stem }}.sum.txt"),
    ],
)
def test_files_that_are_written_under_the_pattern_of_each_are_not_rows_of_the_next_run(
    batch, home, server, pattern, template, dry
):
    (home / "a.txt").write_text("mine")
    argv = ["--each", pattern.format(home=home), "--base-url", server.base_url, "-m", "tiny", "-O", "o.jsonl"]
    done = batch(*argv, "--write-each", template, *dry)
    assert (done.code, done.out) == (2, "")
    assert "would be a row of --each" in done.err
    assert server.requests == []
    assert sorted(path.name for path in home.iterdir()) == ["a.txt", "rows.csv"]


@pytest.mark.parametrize(
    ("pattern", "template"),
    [
        ("*.txt", "out/{{ stem }}.txt"),
        ("*.txt", "{{ stem }}.md"),
        ("**/*.txt", ".out/{{ stem }}.txt"),
        ("*.txt", ".{{ stem }}.txt"),
        ("a*/../*.txt", "out/{{ stem }}.txt"),
    ],
)
def test_files_that_the_pattern_does_not_reach_are_written(batch, home, pattern, template):
    (home / "a.txt").write_text("mine")
    (home / "aa").mkdir()
    argv = ["--each", pattern, "-m", "offline/echo", "-O", "o.jsonl", "--write-each", template]
    for _ in range(2):
        assert batch(*argv) == Result(0, "", "")
    assert (home / "o.jsonl").read_text().count("\n") == 1


def test_a_file_that_cannot_be_written_is_told_although_a_row_failed(batch, home, server):
    (home / "rows.csv").write_text("id\na\nb\na\n")
    server.script = wire.echo
    argv = ["rows.csv", "--base-url", server.base_url, "-m", "tiny", "-t", "{{ id }}", "-O", "o.jsonl"]
    argv += ["--write-each", "out/{{ id }}"]
    assert batch(*argv).code == 7
    (home / "out/a").unlink()
    (home / "out/a").mkdir()
    done = batch(*argv)
    assert (done.code, done.out) == (74, "")
    assert done.err.startswith("llmcli: io: 1 answer has no file of its own: ")
