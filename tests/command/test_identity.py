"""Who a row is: by number, --id, path, or file and number; what is done stays done whatever comes between."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

RUN = ("batch", "-q", "-m", "offline/echo", "-O", "out.jsonl")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def records(text: str) -> list[dict]:
    return [json.loads(line) for line in text.split("\n")[:-1]]


def out() -> list[dict]:
    return records(Path("out.jsonl").read_text())


def answer(record: dict) -> str:
    return record["response"]["body"]["choices"][0]["message"]["content"]


@pytest.fixture
def asked(cli, server):
    """Run a command with -O; how many requests that took."""

    def run(*argv: str, **given: object) -> int:
        before = len(server.requests)
        options = ("-q", "-m", "tiny", "--base-url", server.base_url, "-O", "out.jsonl", "--ordered")
        result = cli("batch", *options, *argv, **given)
        assert result.code == 0, result.err
        return len(server.requests) - before

    return run


# --- By id --------------------------------------------------------------------------------------------------


def test_rows_put_in_between_are_asked_alone(asked):
    Path("a.csv").write_text("id,prompt\nx,1\ny,2\n")
    assert asked("a.csv", "--id", "id") == 2
    Path("a.csv").write_text("id,prompt\nnew,0\nx,1\nbetween,5\ny,2\nlast,9\n")
    assert asked("a.csv", "--id", "id") == 3
    assert asked("a.csv", "--id", "id") == 0
    assert [(each["custom_id"], each["llmcli"]["id_column"]) for each in out()] == [
        (name, "id") for name in ("new", "x", "between", "y", "last")
    ]


def test_rows_in_another_order_and_another_format_are_the_same(asked):
    Path("a.csv").write_text("id,prompt\n1,a\n2,b\n")
    assert asked("a.csv", "--id=id") == 2
    Path("a.jsonl").write_text('{"prompt":"b","id":2}\n{"prompt":"a","id":1}\n{"prompt":"c","id":3}\n')
    assert asked("a.jsonl", "--id=id") == 1
    assert [each["custom_id"] for each in out()] == ["2", "1", "3"]


def test_a_row_whose_body_has_changed_stops_the_run_before_any_is_sent(cli):
    Path("a.csv").write_text("id,prompt\nx,1\ny,2\n")
    assert cli(*RUN, "a.csv", "--id", "id").code == 0
    Path("a.csv").write_text("id,prompt\nz,0\nx,1\ny,TWO\n")
    result = cli(*RUN, "a.csv", "--id", "id")
    assert (result.code, len(out())) == (2, 2)
    assert "row 2 is done, but what it asks has changed since (line 4, y)" in result.err
    assert cli(*RUN, "a.csv", "--id", "id", "--on-change", "rerun").code == 0
    assert sorted(map(answer, out())) == ["0", "1", "TWO"]


def test_what_a_row_calls_itself_stays(cli):
    Path("a.jsonl").write_text('{"prompt":"a","id":"x","custom_id":"mine"}\n')
    assert cli(*RUN, "a.jsonl", "--id", "id").code == 0
    assert out()[0]["custom_id"] == "mine"


TWICE = "id,prompt\nx,1\ny,2\nx,3\n"


@pytest.mark.parametrize(
    "argv", [["batch"], ["batch", "-O", "out.jsonl"], ["batch", "-O", "out.csv"], ["batch", "--dry-run"]]
)
def test_an_id_that_is_there_twice_is_refused_before_a_row_is_sent(cli, argv):
    Path("a.csv").write_text(TWICE)
    result = cli(*argv, "-q", "-m", "offline/echo", "a.csv", "--id", "id")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "llmcli: usage: the id x is row 0's and row 2's (line 4, x); mend the input, or choose another --id\n"
    )
    assert not [
        each for each in ("out.jsonl", "out.csv.jsonl") if Path(each).exists() and Path(each).read_bytes()
    ]


def test_a_row_without_an_id_is_an_error(cli):
    Path("a.csv").write_text("id,prompt\nx,1\n,2\n")
    assert cli(*RUN, "a.csv", "--id", "id").code == 7
    errors = records(Path("out.errors.jsonl").read_text())
    assert [each["error"]["message"] for each in errors] == ["there is no id: id is empty"]
    assert cli(*RUN, "a.csv", "--id", "id").code == 7
    assert len(records(Path("out.errors.jsonl").read_text())) == 1


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_an_id_that_is_no_column_is_refused(cli, name, more):
    Path("a.csv").write_text("prompt,b\nx,1\n")
    Path("a.jsonl").write_text('{"prompt":"x","b":1}\n')
    result = cli("batch", "-m", "offline/echo", name, "--id", "nope", *more)
    assert (result.code, result.out) == (2, "")
    assert result.err == "llmcli: usage: --id: there is no column nope; the first row has prompt, b\n"


def test_a_pipe_with_ids_is_resumed(asked):
    argv = ["--input-format", "csv", "--id", "id"]
    assert asked(*argv, stdin=b"id,prompt\na,1\nb,2\n") == 2
    assert asked(*argv, stdin=b"id,prompt\nc,0\na,1\nb,2\n") == 1


def test_rows_that_are_gone_are_told_of(cli):
    Path("a.csv").write_text("id,prompt\nx,1\ny,2\nz,3\n")
    assert cli(*RUN, "a.csv", "--id", "id").code == 0
    Path("a.csv").write_text("id,prompt\ny,2\n")
    result = cli(*[word for word in RUN if word != "-q"], "a.csv", "--id", "id")
    assert result.code == 0
    assert "before    1 row was done before" in result.err.replace("rows were", "row was")
    assert result.err.endswith("out.jsonl has records of 2 rows that INPUT no longer has\n")
    assert len(out()) == 3


def test_a_limit_counts_rows_of_the_input(asked):
    Path("a.csv").write_text("id,prompt\nx,1\ny,2\nz,3\n")
    assert asked("a.csv", "--id", "id", "--limit", "2") == 2
    Path("a.csv").write_text("id,prompt\nnew,0\nx,1\ny,2\nz,3\n")
    assert asked("a.csv", "--id", "id", "--limit", "2") == 1
    assert asked("a.csv", "--id", "id") == 1


def test_failures_of_rows_with_ids_are_tried_again(cli):
    Path("a.csv").write_text("id,prompt\nx,1\ny,\n")
    assert cli(*RUN, "a.csv", "--id", "id").code == 7
    Path("a.csv").write_text("id,prompt\nnew,0\nx,1\ny,2\n")
    assert cli(*RUN, "a.csv", "--id", "id", "--on-change", "rerun").code == 0
    assert sorted(map(answer, out())) == ["0", "1", "2"]
    assert Path("out.errors.jsonl").read_bytes() == b""


def test_the_table_is_in_the_order_of_the_input(cli):
    Path("a.csv").write_text("id,prompt\nx,1\ny,2\n")
    argv = ["batch", "-q", "-m", "offline/echo", "a.csv", "--id", "id", "-O", "out.csv"]
    assert cli(*argv).code == 0
    Path("a.csv").write_text("id,prompt\ny,2\nnew,3\nx,1\n")
    assert cli(*argv).code == 0
    assert Path("out.csv").read_text().split("\n")[1:-1] == ['"y","2","2",', '"new","3","3",', '"x","1","1",']


# --- OUT remembers ------------------------------------------------------------------------------------------

WAYS = {
    "number": (["a.csv"], "number"),
    "id": (["a.csv", "--id", "id"], "--id id"),
    "another id": (["a.csv", "--id", "prompt"], "--id prompt"),
    "path": (["--each", "*.txt"], "path (--each)"),
    "file": (["a.csv", "b.csv"], "file and number (several INPUTs)"),
}


@pytest.mark.parametrize("was", WAYS)
@pytest.mark.parametrize("now", WAYS)
def test_another_way_is_refused(cli, was, now):
    for name in ("a.csv", "b.csv"):
        Path(name).write_text("id,prompt\nx,1\n")
    Path("a.txt").write_text("text")
    assert cli(*RUN, *WAYS[was][0]).code == 0
    kept = Path("out.jsonl").read_bytes()
    result = cli(*RUN, *WAYS[now][0])
    if was == now:
        assert (result.code, result.err) == (0, "")
    else:
        assert (result.code, result.err) == (
            2,
            f"llmcli: usage: out.jsonl knows its rows by {WAYS[was][1]}, not by {WAYS[now][1]};"
            " type the command as it was, choose another -O, or start over with --fresh\n",
        )
        assert cli(*RUN, *WAYS[now][0], "--fresh").code == 0
    assert (Path("out.jsonl").read_bytes() == kept) == (was == now)


def test_it_is_remembered_by_failures_alone(cli):
    Path("a.csv").write_text("id,prompt\nx,\n")
    assert cli(*RUN, "a.csv", "--id", "id").code == 7
    assert cli(*RUN, "a.csv").code == 2


# --- By file ------------------------------------------------------------------------------------------------


def test_a_file_that_is_put_in_between_is_asked_alone(asked):
    for name in ("a", "b", "c"):
        Path(f"{name}.csv").write_text(f"prompt\n{name}0\n{name}1\n")
    assert asked("a.csv", "c.csv") == 4
    assert asked("a.csv", "b.csv", "c.csv") == 2
    assert asked("c.csv", "./b.csv", "a.csv") == 0
    assert [each["custom_id"] for each in out()][:2] == ["c.csv:row-0", "c.csv:row-1"]


# --- By path ------------------------------------------------------------------------------------------------


def test_a_file_more_in_the_folder_is_asked_alone(asked):
    for name in ("b", "d"):
        Path(f"{name}.md").write_text(name)
    assert asked("--each", "*.md") == 2
    for name in ("a", "c", "e"):
        Path(f"{name}.md").write_text(name)
    assert asked("--each", "*.md") == 3
    assert asked("--each", "*.md") == 0
    assert [each["custom_id"] for each in out()] == ["a.md", "b.md", "c.md", "d.md", "e.md"]
    assert asked("--each", "-", stdin=b"c.md\0a.md\0") == 0


def test_records_of_rows_that_are_gone_are_told_of_where_rows_failed_too(cli, tmp_path):
    rows, out = tmp_path / "in.csv", tmp_path / "out.jsonl"
    argv = ("batch", "-m", "offline/echo", "-t", "{{ a }}", "--id", "a", "-O", str(out), str(rows))
    rows.write_text("a,b\nx,1\ny,2\nz,3\n")
    assert cli(*argv).code == 0
    rows.write_text("a,b\nx,1\nragged\n")
    done = cli(*argv)
    assert done.code == 7
    assert f"llmcli: {out} has records of 2 rows that INPUT no longer has\n" in done.err


@pytest.mark.parametrize("out", ["o.jsonl", "o.csv"])
@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["--id", "id"], "the id 1 is row 0's and row 1's"),
        (["--id", "id", "--write-each", "out/{{ id }}"], "the id 1 is row 0's and row 1's"),
        (["-m", "nosuch", "--base-url", "http://127.0.0.1:9/v1", "--max-cost", "1"], "price"),
    ],
)
def test_exit_2_leaves_no_empty_records_behind(cli, out, argv, why):
    Path("rows.csv").write_text("id,x\n1,a\n1,b\n")
    done = cli("batch", "-q", "-m", "offline/echo", "-t", "{{ x }}", "rows.csv", *argv, "-O", out)
    assert (done.code, done.out) == (2, "")
    assert why in done.err
    assert not [path.name for path in Path().iterdir() if path.name.startswith(("o", ".o"))]


def test_exit_2_leaves_records_that_were_there_as_they_are(cli):
    Path("rows.csv").write_text("id,x\n1,a\n")
    argv = ["batch", "-q", "-m", "offline/echo", "-t", "{{ x }}", "rows.csv", "--id", "id", "-O", "o.jsonl"]
    assert cli(*argv).code == 0
    before = Path("o.jsonl").read_bytes()
    Path("o.errors.jsonl").unlink()
    Path("rows.csv").write_text("id,x\n1,a\n1,b\n")
    assert cli(*argv).code == 2
    assert Path("o.jsonl").read_bytes() == before
    assert not Path("o.errors.jsonl").exists()


def test_an_empty_file_that_somebody_made_stays(cli):
    Path("rows.csv").write_text("id,x\n1,a\n1,b\n")
    Path("o.jsonl").touch()
    assert (
        cli("batch", "-m", "offline/echo", "-t", "{{ x }}", "rows.csv", "--id", "id", "-O", "o.jsonl").code
        == 2
    )
    assert Path("o.jsonl").exists()
