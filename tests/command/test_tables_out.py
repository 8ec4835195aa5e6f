"""A table in, a table out: the view of a batch, made anew of its records, whole, in the order of the input."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests import server as wire
from tests.conftest import Result

CITY = 'Foo, "Bar"\nBaz'
ROWS = [["city", "id"], [CITY, "00123"], ["Oslo", "=1+1"], ["", "-5"]]
WHERE = ["-m", "offline/echo", "-t", "Where is {{ city }}?"]


def written(rows, **how):
    text = io.StringIO()
    csv.writer(text, **how).writerows(rows)
    return text.getvalue()


def read(text, **how):
    return list(csv.reader(io.StringIO(text, newline=""), **how))


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cities.csv").write_text(written(ROWS), newline="")
    return tmp_path


@pytest.fixture
def batch(cli, home):  # noqa: ARG001 - it is there that the command runs
    return lambda *argv, **more: cli("batch", *argv, **more)


def answers():
    return [[*row, f"Where is {row[0]}?", ""] for row in ROWS[1:]]


def test_a_csv_in_a_csv_out(batch, home):
    done = batch("-q", "cities.csv", *WHERE, "-O", "answers.csv")
    assert done == Result(0, "", "")
    assert (home / "answers.csv").read_bytes() == (
        b'"city","id","answer","error"\n'
        b'"Foo, ""Bar""\nBaz","00123","Where is Foo, ""Bar""\nBaz?",\n'
        b'"Oslo","=1+1","Where is Oslo?",\n'
        b',"-5","Where is ?",\n'
    )
    records = [json.loads(line) for line in (home / "answers.csv.jsonl").read_text().splitlines()]
    records.sort(key=lambda record: record["llmcli"]["row"])
    assert [record["llmcli"]["input"] for record in records] == [
        dict(zip(ROWS[0], row, strict=True)) for row in ROWS[1:]
    ]
    assert (home / "answers.csv.errors.jsonl").read_bytes() == b""


def test_the_summary_says_how_many_rows_are_missing_and_what_a_spreadsheet_would_run(batch):
    done = batch("cities.csv", *WHERE, "-O", "answers.csv")
    assert done.err.endswith(
        "llmcli: answers.csv has 3 rows, 0 are missing\n"
        "llmcli: a spreadsheet would run 1 cell: --safe-cells marks them\n"
    )


def test_a_run_that_stopped_has_made_its_view_and_says_what_is_missing(batch, home):
    rows = [["city", "id"], ["", "1"], ["Oslo", "2"], ["Rome", "3"]]
    (home / "cities.csv").write_text(written(rows))
    done = batch(
        "cities.csv",
        "-m",
        "offline/echo",
        "-t",
        "{{ city }}",
        "-j",
        "1",
        "--max-failures",
        "1",
        "-O",
        "a.csv",
    )
    assert done.code == 7
    assert read((home / "a.csv").read_text()) == [
        ["city", "id", "answer", "error"],
        ["", "1", "", "invalid_row"],
    ]
    assert "llmcli: a.csv has 1 row, " in done.err


def test_rows_stand_in_the_order_of_the_input(batch, home, server):
    server.script = wire.echo
    many = [["n"], *([str(number)] for number in range(200))]
    (home / "n.csv").write_text(written(many))
    argv = ["n.csv", "-t", "{{ n }}", "--base-url", server.base_url, "-m", "tiny", "-O", "out.csv"]
    assert batch("-q", *argv).code == 0
    assert [row[1] for row in read((home / "out.csv").read_text())[1:]] == [row[0] for row in many[1:]]


def test_a_failed_row_has_its_columns_and_its_code(batch, home):
    (home / "cities.csv").write_text("city,id\nOslo,1\nRome\n,2\n")
    done = batch("-q", "cities.csv", "-m", "offline/echo", "-t", "{{ city }}", "-O", "out.csv")
    assert done.code == 7
    assert read((home / "out.csv").read_text()) == [
        ["city", "id", "answer", "error"],
        ["Oslo", "1", "Oslo", ""],
        ["Rome", "", "", "invalid_row"],
        ["", "2", "", "invalid_row"],
    ]


def test_a_second_pass_adds_its_columns(batch, home):
    assert batch("-q", "cities.csv", *WHERE, "-O", "answers.csv").code == 0
    again = ["answers.csv", "-m", "offline/echo", "-t", "Sum up: {{ answer }}", "-O", "sums.csv"]
    refused = batch(*again)
    assert refused.code == 2
    assert "the rows have a column answer" in refused.err
    assert "--into NAME" in refused.err
    assert not (home / "sums.csv.jsonl").exists()
    assert batch("-q", *again, "--into", "summary").code == 0
    header, *rows = read((home / "sums.csv").read_text())
    assert header == ["city", "id", "answer", "error", "summary", "summary_error"]
    assert rows == [[*row, f"Sum up: {row[2]}", ""] for row in answers()]


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry run"])
@pytest.mark.parametrize(
    ("flags", "name"),
    [
        (["-O", "out.csv", "--into", "city"], "city"),
        (["-O", "out.csv", "--schema", "city, population int"], "city"),
        (["-O", "out.csv", "--schema", "error, population int"], "error"),
        (["-O", "out.csv", "--into", "a", "--schema", "error, population int"], "a_error"),
        (["-O", "out.tsv", "--into", "id"], "id"),
        (["--format", "csv", "--into", "city"], "city"),
    ],
)
def test_a_clash_of_names_is_exit_2(batch, home, flags, name, dry):
    if dry and "--format" in flags:
        pytest.skip("a dry run prints no table")
    done = batch("cities.csv", *WHERE, *flags, *dry)
    assert (done.code, done.out) == (2, "")
    assert f" {name} " in done.err
    assert "--into NAME" in done.err
    assert sorted(path.name for path in home.iterdir() if path.name != "config.toml") == ["cities.csv"]


def test_a_dry_run_on_all_cores_finds_a_clash_in_a_later_row(batch, home):
    rows = [{"prompt": "word " * 400, "number": number} for number in range(900)]
    rows[880]["answer"] = "mine"
    (home / "many.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    argv = ["many.jsonl", "-m", "offline/echo", "--dry-run", "-O"]
    done = batch(*argv, "out.csv")
    assert (done.code, done.out) == (2, "")
    assert "a column answer" in done.err
    assert batch(*argv, "out.jsonl").out.startswith("rows      900\ninvalid   0\n")


def test_a_clash_in_a_later_row_stops_the_run_before_that_is_sent(batch, home, server):
    server.script = wire.echo
    (home / "rows.jsonl").write_text('{"prompt": "x"}\n{"prompt": "y", "answer": 1}\n{"prompt": "z"}\n')
    argv = ["-q", "rows.jsonl", "--base-url", server.base_url, "-m", "tiny", "-j", "1", "-O", "out.csv"]
    done = batch(*argv)
    assert done.code == 2
    assert "the rows have a column answer" in done.err
    assert "--into NAME" in done.err
    assert len(server.requests) < 2
    assert batch(*argv, "--into", "reply").code == 0
    assert read((home / "out.csv").read_text()) == [
        ["prompt", "answer", "reply", "reply_error"],
        *(["x", "", "x", ""], ["y", "1", "y", ""], ["z", "", "z", ""]),
    ]


def test_a_schema_gives_typed_columns(batch, home, server):
    replies = [
        '{"country": "Norway", "population": 5, "share": 5, "big": true, "more": {"a": [1, 2]}}',
        '{"country": "", "population": 12345678901234567890, "share": 0.70, "big": false, "more": null}',
        '```json\n{"country": "5", "population": 0, "share": 1e3, "big": true, "more": {}}\n```',
    ]
    server.script = [wire.ok(reply) for reply in replies]
    schema = {
        "type": "object",
        "properties": {
            "country": {"type": "string"},
            "population": {"type": "integer"},
            "share": {"$ref": "#/$defs/share"},
            "big": {"type": "boolean"},
            "more": {"anyOf": [{"type": "object"}, {"type": "null"}]},
        },
        "required": ["country", "population", "share", "big", "more"],
        "$defs": {"share": {"anyOf": [{"type": "number"}, {"type": "null"}]}},
    }
    argv = ["--base-url", server.base_url, "-m", "tiny", "-t", "{{ city }}", "-j", "1", "--no-strict"]
    (home / "cities.csv").write_text("city\na\nb\nc\n")
    assert batch("-q", "cities.csv", *argv, "--schema", json.dumps(schema), "-O", "out.csv").code == 0
    assert (home / "out.csv").read_text() == (
        '"city","country","population","share","big","more","error"\n'
        '"a","Norway",5,5.0,true,"{""a"":[1,2]}",\n'
        '"b",,12345678901234567890,0.70,false,,\n'
        '"c","5",0,1.0e3,true,"{}",\n'
    )


def test_into_names_a_schemas_columns(batch, home):
    argv = ["cities.csv", *WHERE, "--schema", "country, population int", "--into", "found", "-O", "out.csv"]
    assert batch("-q", *argv).code == 0
    header, first, *_ = read((home / "out.csv").read_text())
    assert header == ["city", "id", "found_country", "found_population", "found_error"]
    assert first == [CITY, "00123", "example", "1", ""]


def test_labels_are_printed_as_they_were_spelled(batch, home, server):
    server.script = wire.ok("BUG.")
    argv = ["--base-url", server.base_url, "-m", "tiny", "-t", "{{ city }}", "--choices", "bug,other"]
    (home / "cities.csv").write_text("city\na\n")
    assert batch("-q", "cities.csv", *argv, "-O", "out.csv").code == 0
    assert (home / "out.csv").read_text() == '"city","answer","error"\n"a","bug",\n'


def test_several_answers_and_calls_are_json_in_one_cell(batch, home, server):
    (home / "cities.csv").write_text("city\na\nb\n")
    server.script = [wire.ok(["x", "y"]), wire.ok(tool_calls=[wire.call("f", {"a": 1})])]
    argv = [
        "--base-url",
        server.base_url,
        "-m",
        "tiny",
        "-t",
        "{{ city }}",
        "--tools",
        '{"name":"f"}',
        "-j",
        "1",
    ]
    assert batch("-q", "cities.csv", *argv, "-O", "out.csv").code == 0
    assert [row[1] for row in read((home / "out.csv").read_text())[1:]] == [
        '["x","y"]',
        '[{"id":"call_1","name":"f","arguments":{"a":1}}]',
    ]


def test_tsv_is_one_line_a_row_and_nothing_is_quoted(batch, home):
    cell = 'a\tb\nc\r\\ "d"'
    (home / "cities.csv").write_text(written([["city", "x"], [cell, "1"]]), newline="")
    assert batch("-q", "cities.csv", "-m", "offline/echo", "-t", "{{ city }}", "-O", "out.tsv").code == 0
    shown = r"a\tb\nc\r\\" + ' "d"'
    assert (home / "out.tsv").read_text() == f"city\tx\tanswer\terror\n{shown}\t1\t{shown}\t\n"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [([], b"a b c d\n\n e \n"), (["-0"], b"a\nb\r\nc\rd\n\0\0 e \0")],
)
def test_txt_is_one_line_a_row(batch, home, server, flags, expected):
    server.script = [wire.ok("a\nb\r\nc\rd\n"), wire.status(400), wire.ok(" e ")]
    (home / "rows.txt").write_text("x\ny\nz\n")
    argv = ["--base-url", server.base_url, "-m", "tiny", "-j", "1", *flags]
    assert batch("-q", "rows.txt", *argv, "-O", "out.txt").code == 7
    assert (home / "out.txt").read_bytes() == expected


def test_rows_of_jsonl_have_the_columns_of_all_and_numbers_as_they_stand(batch, home):
    (home / "rows.jsonl").write_text(
        '{"city": "Oslo", "n": 1.0, "ok": true}\n'
        '{"city": "Rome", "more": {"a": [1.50]}, "n": 12345678901234567890, "ok": null}\n'
    )
    assert batch("-q", "rows.jsonl", *WHERE, "-O", "out.csv").code == 0
    assert (home / "out.csv").read_text() == (
        '"city","n","ok","more","answer","error"\n'
        '"Oslo","1.0","true",,"Where is Oslo?",\n'
        '"Rome","12345678901234567890",,"{""a"":[1.50]}","Where is Rome?",\n'
    )


def test_a_column_without_a_name_comes_back_as_it_stood(batch, home):
    (home / "cities.csv").write_text(",city\n1,Oslo\n")
    assert (
        batch(
            "-q", "cities.csv", "-m", "offline/echo", "-t", "{{ column_1 }} {{ city }}", "-O", "out.csv"
        ).code
        == 0
    )
    assert (home / "out.csv").read_text() == '"","city","answer","error"\n"1","Oslo","1 Oslo",\n'


def test_safe_cells_are_marked_so_that_it_can_be_undone(batch, home):
    cells = ["=1", "+1", "-1", "-1.5e3", "+49 1", "@x", "\tx", "'=1", "'x", "''-1", "x=1", "'-1"]
    (home / "c.csv").write_text(written([["c"], *([cell] for cell in cells)]))
    done = batch("c.csv", "-m", "offline/echo", "-t", "a{{ c }}", "--safe-cells", "-O", "out.csv")
    assert done.code == 0
    assert [row[0] for row in read((home / "out.csv").read_text())[1:]] == [
        *("'=1", "+1", "-1", "-1.5e3", "'+49 1", "'@x", "'\tx", "''=1", "'x", "'''-1", "x=1", "''-1")
    ]
    assert done.err.endswith("llmcli: a spreadsheet would run 4 cells: they are marked with an apostrophe\n")


# --- What a view is written over --------------------------------------------------------------------------------


def test_it_is_written_over_a_view_of_ours(batch, home):
    argv = ["-q", "cities.csv", *WHERE, "-O", "out.csv"]
    assert batch(*argv, "--limit", "1").code == 0
    assert batch(*argv).code == 0
    assert len(read((home / "out.csv").read_text())) == 4


@pytest.mark.parametrize("dry", [[], ["--dry-run"], ["--fresh"]], ids=["run", "dry run", "fresh"])
def test_a_corrected_table_is_not_written_over(batch, home, dry):
    argv = ["cities.csv", *WHERE, "-O", "out.csv"]
    assert batch("-q", *argv, "--limit", "1").code == 0
    (home / "out.csv").write_text("mine\n")
    assert batch(*argv, *dry) == Result(
        2,
        "",
        "llmcli: usage: out.csv was changed since it was written here; mv out.csv out.old.csv, or choose another -O\n",
    )
    assert (home / "out.csv").read_text() == "mine\n"
    assert len((home / "out.csv.jsonl").read_text().splitlines()) == 1


def test_another_file_is_not_written_over(batch, home):
    (home / "out.csv").write_text("mine\n")
    (home / "out.old.csv").write_text("older\n")
    assert batch("cities.csv", *WHERE, "-O", "out.csv") == Result(
        2,
        "",
        "llmcli: usage: out.csv is there, and is no table that was written here;"
        " mv out.csv out.old2.csv, or choose another -O\n",
    )


def test_a_journal_of_an_older_build_is_moved_to_where_it_goes_on(batch, home):
    assert batch("-q", "cities.csv", *WHERE, "-O", "out.jsonl").code == 0
    (home / "out.jsonl").rename(home / "out.csv")
    refused = batch("cities.csv", *WHERE, "-O", "out.csv")
    assert refused == Result(
        2,
        "",
        "llmcli: usage: out.csv holds the records of a batch, and is no table;"
        " mv out.csv out.csv.jsonl, or choose another -O\n",
    )
    (home / "out.csv").rename(home / "out.csv.jsonl")
    before = (home / "out.csv.jsonl").read_bytes()
    assert batch("-q", "cities.csv", *WHERE, "-O", "out.csv").code == 0
    assert (home / "out.csv.jsonl").read_bytes() == before
    assert read((home / "out.csv").read_text())[1:] == answers()


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry run"])
def test_the_input_is_not_written_over(batch, home, dry):
    before = (home / "cities.csv").read_bytes()
    done = batch("cities.csv", *WHERE, "-O", "cities.csv", *dry)
    assert (done.code, done.out) == (2, "")
    assert done.err == "llmcli: usage: INPUT is cities.csv, where the table is made anew; choose another -O\n"
    assert batch("-q", "cities.csv", *WHERE, "-O", "a.csv").code == 0
    assert batch("a.csv", *WHERE, "--into", "x", "-O", "a.csv", *dry).code == 2
    assert (home / "cities.csv").read_bytes() == before


def test_a_link_stays_one(batch, home):
    (home / "out.csv").symlink_to("real.csv")
    argv = ["-q", "cities.csv", *WHERE, "-O", "out.csv"]
    assert batch(*argv).code == 0
    assert batch(*argv).code == 0
    assert (home / "out.csv").is_symlink()
    assert read((home / "real.csv").read_text())[1:] == answers()


def test_a_view_that_is_gone_is_made_again(batch, home):
    argv = ["-q", "cities.csv", *WHERE, "-O", "out.csv"]
    assert batch(*argv).code == 0
    before = (home / "out.csv").read_bytes()
    (home / "out.csv").unlink()
    assert batch(*argv) == Result(0, "", "")
    assert (home / "out.csv").read_bytes() == before


def test_older_records_take_their_columns_from_the_input(batch, home):
    assert batch("-q", "cities.csv", *WHERE, "-O", "old.jsonl", "--limit", "2").code == 0
    (home / "old.jsonl").rename(home / "out.csv.jsonl")
    assert batch("-q", "cities.csv", *WHERE, "-O", "out.csv").code == 0
    assert read((home / "out.csv").read_text())[1:] == answers()


def test_columns_that_an_earlier_run_did_not_keep_come_from_the_input(batch, home):
    assert batch("-q", "cities.csv", *WHERE, "-O", "out.csv", "--keep", "id").code == 0
    assert read((home / "out.csv").read_text())[0] == ["id", "answer", "error"]
    assert batch("-q", "cities.csv", *WHERE, "-O", "out.csv").code == 0
    assert read((home / "out.csv").read_text())[1:] == answers()


def test_records_of_a_pipe_take_their_columns_from_its_copy(batch, home):
    rows = b'{"city": "Oslo"}\n{"city": ""}\n'
    argv = ["-q", "-m", "offline/echo", "-t", "{{ city }}", "-O"]
    assert batch(*argv, "out.jsonl", stdin=rows).code == 7
    (home / "out.jsonl").rename(home / "out.csv.jsonl")
    assert batch(*argv, "out.csv", stdin=rows).code == 7
    assert read((home / "out.csv").read_text())[1:] == [["Oslo", "Oslo", ""], ["", "", "invalid_row"]]


def test_rows_that_the_input_no_longer_has_are_not_in_the_view(batch, home):
    argv = ["cities.csv", *WHERE, "-O", "out.csv"]
    assert batch("-q", *argv).code == 0
    (home / "cities.csv").write_text(written(ROWS[:3]))
    done = batch(*argv)
    assert done.code == 0
    assert read((home / "out.csv").read_text())[1:] == answers()[:2]
    assert "out.csv.jsonl has records of 1 row that INPUT no longer has" in done.err


# --- What is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "todo"),
    [
        ("out.parquet", """duckdb -c "copy (from 'OUT.csv') to 'OUT.parquet'\""""),
        (
            "out.xlsx",
            "soffice --headless --infilter='Text - txt - csv (StarCalc):44,34,76,1,,0,true' --convert-to xlsx",
        ),
        ("out.csv.gz", "gzip -k OUT.csv"),
        ("OUT.XLSX", "soffice"),
    ],
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry run"])
def test_other_endings_are_exit_2_with_the_one_liner(batch, name, todo, dry):
    done = batch("cities.csv", *WHERE, "-O", name, *dry)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"llmcli: usage: -O {name}: ")
    assert todo in done.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--into", "x"], "--into without a table"),
        (["--into", "x", "-O", "out.txt"], "--into without a table"),
        (["--safe-cells", "-O", "out.jsonl"], "--safe-cells without a table"),
        (["-0"], "--null without lines of text"),
        (["-0", "-O", "out.csv"], "--null without lines of text"),
        (["--format", "csv", "-O", "out.jsonl"], "--format csv is what stdout gets without -O"),
        (["--format", "csv", "--dry-run"], "--format csv is not for --dry-run"),
        (["--format", "tsv", "--dry-run"], "--format tsv is not for --dry-run"),
        (["--where", "a"], "--where without labels"),
        (["--choices", "a,b", "--where", "c"], "--where: 'c' is none of the labels"),
        (
            ["--choices", "a,b", "--where", "a", "-O", "o.csv"],
            "--where prints rows, and -O writes them to a file",
        ),
        (["--keep", "nosuch"], "--keep: there is no column nosuch; the first row has city, id"),
        (["--keep", "id,,x"], "--keep names an empty column"),
    ],
)
def test_flags_that_have_nothing_to_be_about_are_exit_2(batch, flags, said):
    done = batch("cities.csv", *WHERE, *flags)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


# --- Rows on stdout ---------------------------------------------------------------------------------------------


def test_keep_puts_columns_into_records(batch):
    for flags, kept in ((["all"], {"city": "Oslo", "id": "=1+1"}), (["id"], {"id": "=1+1"})):
        done = batch("-q", "cities.csv", *WHERE, "--keep", *flags, "--ordered")
        assert json.loads(done.out.splitlines()[1])["llmcli"]["input"] == kept


def test_without_keep_records_have_none(batch):
    assert "input" not in json.loads(batch("-q", "cities.csv", *WHERE).out.splitlines()[0])["llmcli"]


def test_keep_has_a_row_of_jsonl_as_it_stands(batch):
    line = b'{"city": "Oslo", "n": 1.0, "big": 12345678901234567890}'
    done = batch("-q", *WHERE, "--keep", "all", stdin=line + b"\n")
    assert line.decode() in done.out
    done = batch("-q", *WHERE, "--keep", "n,big", stdin=line + b"\n")
    assert '"llmcli":{"input":{"n":1.0,"big":12345678901234567890},"row":0,' in done.out


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("csv", '"city","id","answer"\n"Foo, ""Bar""\nBaz","00123","{}"\n"Oslo","=1+1","Oslo"\n'),
        ("tsv", 'city\tid\tanswer\nFoo, "Bar"\\nBaz\t00123\t{}\nOslo\t=1+1\tOslo\n'),
        ("text", "{}\nOslo\n"),
    ],
)
def test_rows_on_stdout_and_failures_on_stderr(batch, form, expected):
    done = batch("-q", "cities.csv", "-m", "offline/echo", "-t", "{{ city }}", "--ordered", "--format", form)
    city = {
        "csv": CITY.replace('"', '""'),
        "tsv": CITY.replace("\n", "\\n"),
        "text": CITY.replace("\n", " "),
    }[form]
    assert done == Result(
        7,
        expected.replace("{}", city),
        "llmcli: row 2 (line 5): invalid_row: the prompt is empty\nllmcli: partial: 1 of 3 rows failed\n",
    )


def test_text_on_stdout_may_end_in_nul(batch):
    done = batch("-q", "cities.csv", *WHERE, "--limit", "1", "--format", "text", "-0")
    assert done == Result(0, f"Where is {CITY}?\0", "")


def test_the_columns_on_stdout_are_those_of_the_first_row(batch):
    rows = b'{"city": "a"}\n{"city": "b", "x": 1, "y": 2}\n{"city": "c", "x": 1}\n{"z": 1, "city": "d"}\n'
    done = batch("-q", "-m", "offline/echo", "-t", "{{ city }}", "--ordered", "--format", "csv", stdin=rows)
    assert done.out == '"city","answer"\n"a","a"\n"b","b"\n"c","c"\n"d","d"\n'
    done = batch("-m", "offline/echo", "-t", "{{ city }}", "--ordered", "--format", "csv", stdin=rows)
    assert done.err.count("which are left out") == 1
    assert "llmcli: row 1 has more columns than the first, which are left out: x, y\n" in done.err


def test_a_table_on_stdout_without_answers_has_its_header(batch):
    done = batch("-q", "cities.csv", *WHERE, "--choices", "x,y", "--where", "y", "--format", "csv")
    assert done == Result(0, '"city","id","answer"\n', "")


def test_where_prints_the_rows_of_some_labels(batch):
    argv = ["cities.csv", *WHERE, "--choices", "oslo,baz,none", "--keep", "all", "--format", "jsonl"]
    done = batch("-q", *argv, "--where", "Baz")
    assert done.code == 0
    assert [json.loads(line)["llmcli"]["input"]["id"] for line in done.out.splitlines()] == ["00123"]
    assert batch("-q", *argv, "--where", "none") == Result(0, "", "")


def test_of_several_answers_all_must_have_the_label(batch, home, server):
    (home / "cities.csv").write_text("city\na\nb\n")
    server.script = [wire.ok(["x", "y"]), wire.ok(["x", "x"])]
    argv = [
        "--base-url",
        server.base_url,
        "-m",
        "tiny",
        "-t",
        "{{ city }}",
        "--n",
        "2",
        "-j",
        "1",
        "--choices",
        "x,y",
    ]
    done = batch("-q", "cities.csv", *argv, "--where", "x", "--format", "csv")
    assert done == Result(0, '"city","answer"\n"b","[""x"",""x""]"\n', "")


@pytest.mark.parametrize("flags", [["-O", "out.csv"], ["--format", "csv"]])
def test_a_table_without_rows_gives_a_header(batch, home, flags):
    (home / "cities.csv").write_text("city,id\n")
    done = batch("-q", "cities.csv", *WHERE, *flags)
    made = (home / "out.csv").read_text() if "-O" in flags else done.out
    assert done.code == 0
    assert made == '"city","id","answer"' + (',"error"\n' if "-O" in flags else "\n")


def test_where_leaves_failures_to_stderr(batch):
    argv = ["cities.csv", "-m", "offline/echo", "-t", "{{ city }}", "--choices", "oslo,baz"]
    done = batch("-q", *argv, "--where", "oslo")
    assert done.code == 7
    assert [json.loads(line)["llmcli"]["row"] for line in done.out.splitlines()] == [1]
    assert "llmcli: row 2 (line 5): invalid_row: the prompt is empty\n" in done.err


def test_json_is_jsonl(batch):
    done = batch("-q", "cities.csv", *WHERE, "--json", "--limit", "1")
    assert json.loads(done.out)["custom_id"] == "row-0"


@pytest.mark.parametrize("theirs", ['{"a":"x"}\n', "0123\n", "precious"])
def test_a_file_in_the_place_of_a_views_digests_is_not_written_over(cli, tmp_path, theirs):
    (tmp_path / "in.csv").write_text("a\nx\n")
    memory = tmp_path / "out.csv.view"
    memory.write_text(theirs)
    done = cli(
        "batch",
        "-q",
        "-m",
        "offline/echo",
        "-t",
        "{{ a }}",
        "-O",
        str(tmp_path / "out.csv"),
        str(tmp_path / "in.csv"),
    )
    assert (done.code, done.out, memory.read_text()) == (2, "", theirs)
    assert f"{memory} is there, and was not written here; mv " in done.err


CHANGED = {
    "one more, and another changed": ("id,note,more\n1,new,M\n2,new,N\n3,new,O\n", []),
    "one less": ("id\n1\n2\n3\n", []),
    "one less by --keep": ("id,note\n1,old\n2,old\n3,old\n", ["--keep", "note"]),
}


@pytest.mark.parametrize("older", ["table", "records"])
@pytest.mark.parametrize("case", CHANGED)
def test_a_table_does_not_mix_columns_of_older_records_and_of_the_input(batch, home, case, older):
    text, keep = CHANGED[case]
    (home / "a.csv").write_text("id,note\n1,old\n2,old\n")
    argv = ["-q", "a.csv", "-m", "offline/echo", "-t", "Say {{ id }}", "-O"]
    if older == "table":
        assert batch(*argv, "o.csv").code == 0
    else:
        assert batch(*argv, "o.jsonl").code == 0
        (home / "o.jsonl").rename(home / "o.csv.jsonl")
    (home / "a.csv").write_text(text)
    assert batch(*argv, "o.csv", *keep).code == 0
    header, *rows = [line.split(",") for line in text.splitlines()]
    wanted = [name for name in header if not keep or name in keep]
    expected = [",".join(f'"{name}"' for name in [*wanted, "answer", "error"])]
    for row in rows:
        cells = dict(zip(header, row, strict=True))
        own = [*(cells[name] for name in wanted), f"Say {cells['id']}"]
        expected.append(",".join([*(f'"{cell}"' for cell in own), ""]))
    assert (home / "o.csv").read_text().splitlines() == expected


def test_a_table_of_jsonl_has_the_columns_that_keep_names_alone(batch, home):
    (home / "a.jsonl").write_text('{"id": 1, "note": "n", "prompt": "x"}\n')
    assert batch("-q", "a.jsonl", "-m", "offline/echo", "-O", "o.csv").code == 0
    assert batch("-q", "a.jsonl", "-m", "offline/echo", "-O", "o.csv", "--keep", "id").code == 0
    assert (home / "o.csv").read_text() == '"id","answer","error"\n"1","x",\n'


@pytest.mark.parametrize("name", [".", "..", "./", "/", "new/", "new/..", "../"])
@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry run"])
def test_an_output_that_is_a_directory_is_refused_and_no_bug(cli, tmp_path, monkeypatch, name, dry):
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    done = cli("batch", "-q", "-m", "offline/echo", "-O", name, *dry, stdin=b'{"prompt": "a"}\n')
    said = f"llmcli: usage: -O {name} is a directory; name a file; a part of a batch, --shard I/N, takes a directory\n"
    assert done == Result(2, "", said)
    assert list((tmp_path / "in").iterdir()) == []


def many(cli, tmp_path, monkeypatch, *flags):
    """What comes of one row, on stdout and in files."""
    monkeypatch.chdir(tmp_path)
    row = b'{"prompt": "x", "k": "1"}\n'
    argv = ["batch", "-q", "-m", "offline/echo", "--keep", "k", "--schema", "n int, f float, t"]
    return lambda *more: cli(*argv, *flags, *more, stdin=row)


def test_several_answers_of_a_schema_are_in_its_columns_as_lists(cli, tmp_path, monkeypatch):
    run = many(cli, tmp_path, monkeypatch, "--n", "2")
    said = '"k","n","f","t"\n"1","[1,1]","[1.5,1.5]","[""example"",""example""]"\n'
    assert run("--format", "csv") == Result(0, said, "")
    assert run("-O", "o.tsv").code == 0
    table = (tmp_path / "o.tsv").read_text()
    assert table == 'k\tn\tf\tt\terror\n1\t[1,1]\t[1.5,1.5]\t["example","example"]\t\n'


def test_the_list_of_schema_multi_comes_without_the_object_around_it(cli, tmp_path, monkeypatch):
    run = many(cli, tmp_path, monkeypatch, "--schema-multi")
    item = '{"n":1,"f":1.5,"t":"example"}'
    assert run("--format", "text") == Result(0, f"[{item}]\n", "")
    assert run("--format", "csv").out == '"k","answer"\n"1","[{""n"":1,""f"":1.5,""t"":""example""}]"\n'
    assert run("-O", "o.txt", "--write-each", "{{ k }}.jsonl").code == 0
    assert (tmp_path / "o.txt").read_text() == f"[{item}]\n"
    assert (tmp_path / "1.jsonl").read_text() == f"{item}\n"


def test_the_record_of_a_hit_says_that_it_is_one(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    argv = ["batch", "-q", "-m", "offline/echo", "--cache", "--choices", "a,b", "--limit", "1"]
    rows = b'{"prompt": "x"}\n{"prompt": "y"}\n'
    said = [json.loads(cli(*argv, stdin=rows).out)["llmcli"] for _ in range(2)]
    assert ["cached" in each for each in said] == [False, True]
    assert (said[1]["cached"], said[1]["cost_usd"]) == (True, 0)
    assert cli(*argv, "-O", "o.jsonl", stdin=rows).code == 0
    assert cli(*argv[:-2], "-O", "o.jsonl", stdin=rows).code == 0  # goes on behind such a record
    records = [json.loads(line)["llmcli"] for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [(each["row"], each.get("cached")) for each in records] == [(0, True), (1, None)]
