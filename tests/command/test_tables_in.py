"""Tables in: CSV, TSV, arrays and lines, as real programs write them, are rows to the byte, or say why not."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest

ECHO = ("batch", "-q", "-m", "offline/echo", "--ordered")
ROW = ("-t", "{{ row }}")


def records(out: str) -> list[dict]:
    return [json.loads(line) for line in out.split("\n")[:-1]]


def said(record: dict) -> str:
    """The answer, which is the prompt; of a failure, its code and its words."""
    if record["error"] is not None:
        return f"{record['error']['code']}: {record['error']['message']}"
    return record["response"]["body"]["choices"][0]["message"]["content"]


@pytest.fixture
def rows(cli, tmp_path):
    """The rows of a file: their fields, or their errors."""

    def run(content: bytes, *argv: str, name: str = "a.csv") -> list:
        source = tmp_path / name
        source.write_bytes(content)
        result = cli(*ECHO, *ROW, str(source), *argv)
        assert result.code in {0, 7}, result.err
        return [json.loads(text) if text.startswith("{") else text for text in map(said, records(result.out))]

    return run


# --- CSV ----------------------------------------------------------------------------------------------------

AB = {"a": "1", "b": "2"}
CSV = {
    "plain": (b"a,b\n1,2\n", [AB]),
    "crlf": (b"a,b\r\n1,2\r\n", [AB]),
    "mixed ends": (b"a,b\r\n1,2\n1,2\r\n", [AB, AB]),
    "no last end": (b"a,b\n1,2", [AB]),
    "all quoted": (b'"a","b"\n"1","2"\n', [AB]),
    "bom": (b"\xef\xbb\xbfa,b\n1,2\n", [AB]),
    "bom before a quote": (b'\xef\xbb\xbf"a",b\n1,2\n', [AB]),
    "utf-16 le": (
        "\ufeffa,b\r\nZürich,\U0001f600\r\n".encode("utf-16-le"),
        [{"a": "Zürich", "b": "\U0001f600"}],
    ),
    "utf-16 be": ("\ufeffa,b\n1,2\n".encode("utf-16-be"), [AB]),
    "header alone": (b"a,b\n", []),
    "nothing": (b"", []),
    "blank lines are no rows": (b"\n\na,b\n\n1,2\n\n \n\n", [AB]),
    "a blank line of one column is a row": (b"a\nx\n\ny\n", [{"a": "x"}, {"a": ""}, {"a": "y"}]),
    "an empty cell of one column": (b'a\n""\n', [{"a": ""}]),
    "strings as they stand": (
        b"a,b\n00123,1e5\n true ,-0.50\nNULL,=1+2\n",
        [{"a": "00123", "b": "1e5"}, {"a": " true ", "b": "-0.50"}, {"a": "NULL", "b": "=1+2"}],
    ),
    "quotes, newlines, commas": (b'a,b\n"Foo, ""Bar""\nBaz",2\n', [{"a": 'Foo, "Bar"\nBaz', "b": "2"}]),
    "ends in cells stay": (b'a,b\r\n"1\r\n2\r3\n4",\r\n', [{"a": "1\r\n2\r3\n4", "b": ""}]),
    "a quote inside": (b'a,b\n5" pipe,it"s\n', [{"a": '5" pipe', "b": 'it"s'}]),
    "other line separators are text": (
        "a,b\nx\u2028y,\x0b\x0c\x1c\x85\n".encode(),
        [{"a": "x\u2028y", "b": "\x0b\x0c\x1c\x85"}],
    ),
    "nul": (b"a,b\n\0,x\0y\n", [{"a": "\0", "b": "x\0y"}]),
    "sep": (b"sep=;\na;b\n1;2\n", [AB]),
    "sep with crlf and bom": (b"\xef\xbb\xbfsep=;\r\na;b\r\n1;2\r\n", [AB]),
    "sep tab": (b"sep=\t\na\tb\n1\t2\n", [AB]),
    "sep in quotes": (b'"sep=;"\na;b\n1;2\n', [AB]),
    "sep comma": (b"sep=,\na,b\n1,2\n", [AB]),
    "names as they stand": (
        b'"Street name",a-b,row\n1,2,3\n',
        [{"Street name": "1", "a-b": "2", "row": "3"}],
    ),
    "a name that is none": (b",b\n1,2\n", [{"column_1": "1", "b": "2"}]),
    "names that are none": (b'a,"",\n1,2,3\n', [{"a": "1", "column_2": "2", "column_3": "3"}]),
    "one column with a semicolon in quotes": (b'"a;b"\n1;2\n', [{"a;b": "1;2"}]),
}


@pytest.mark.parametrize("name", CSV)
def test_a_csv_is_rows_to_the_byte(rows, name):
    content, expected = CSV[name]
    assert rows(content) == expected


@pytest.mark.parametrize(
    ("content", "argv", "expected"),
    [
        (b"a;b\n1;2\n", ["--delimiter", ";"], [AB]),
        (b"a;b\n3,14;2\n", ["--delimiter=;"], [{"a": "3,14", "b": "2"}]),
        (b"a\tb\n1\t2\n", ["--delimiter", "\\t"], [AB]),
        (b"a\tb\n1\t2\n", ["--delimiter", "\t"], [AB]),
        ("a§b\n1§2\n".encode(), ["--delimiter", "§"], [AB]),
        (b"1,2\n3,4\n", ["--no-header"], [{"c1": "1", "c2": "2"}, {"c1": "3", "c2": "4"}]),
        (b"x\n\ny", ["--no-header"], [{"c1": "x"}, {"c1": ""}, {"c1": "y"}]),
        (b"a;b\nc", ["--no-header"], [{"c1": "a;b"}, {"c1": "c"}]),
    ],
)
def test_what_a_csv_is_can_be_said(rows, content, argv, expected):
    assert rows(content, *argv) == expected


BROKEN = {
    "too few": (b"a,b,c\n1,2\n", "invalid_row: line 2 has 2 cells for 3 columns: none for c"),
    "far too few": (b"a,b,c\n1,2,3\n\n1\n", "invalid_row: line 4 has 1 cell for 3 columns: none for b, c"),
    "too many": (
        b"a,b\n1,2,3\n",
        "invalid_row: line 2 has 3 cells for 2 columns (a, b): is a cell not quoted?",
    ),
    "behind many lines": (
        b'a,b\n"1\n2\n3",2\n1\n',
        "invalid_row: line 5 has 1 cell for 2 columns: none for b",
    ),
    "behind a quote": (
        b'a,b\n"x"y,2\n',
        "invalid_row: line 2 is no CSV: a cell goes on behind its closing quote",
    ),
    "a backslash": (
        b'a,b\n"x\\"y",2\n',
        'invalid_row: line 2 is no CSV: a quote in a cell is "", and not \\"',
    ),
    "cr": (b"a,b\n1\rx,2\n", "invalid_row: line 2 is no CSV: a CR stands in a cell that is not quoted"),
    "never closed": (
        b'a,b\n1,2\n"x,2\n3,4\n5,6\n',
        "invalid_row: line 3: a quote is opened and never closed, up to line 5",
    ),
    "no utf-8": (
        b"a,b\nZ\xfcrich,2\n",
        "invalid_utf8: line 2: the line is not UTF-8 text: byte 0xfc at offset 1",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_row_that_is_none_is_an_error_record_that_names_its_line(rows, name):
    content, error = BROKEN[name]
    assert [row for row in rows(content) if isinstance(row, str)] == [error]


@pytest.mark.parametrize("name", [name for name in BROKEN if name != "never closed"])
def test_the_rows_behind_it_are_read(rows, name):
    content, _ = BROKEN[name]
    good = ",".join("x" * content.split(b"\n")[0].count(b",") + "x").encode() + b"\n"
    assert len(rows(content + good)) == len(rows(content)) + 1


REFUSED = {
    "a;b": (b"a;b\n1;2\n", [], "the header has no comma, but ; (a.csv); say --delimiter ';'"),
    "tab": (b"a\tb\n1\t2\n", [], "the header has no comma, but a tab (a.csv); say --delimiter '\\t'"),
    "bar": (b"a|b\n1|2\n", [], "the header has no comma, but | (a.csv); say --delimiter '|'"),
    "other": (b"a|b\n1|2\n", ["--delimiter=;"], "the header has no ;, but | (a.csv); say --delimiter '|'"),
    "twice": (b"a,b,a\n1,2,3\n", [], "the column a is there 2 times (1, 3) (a.csv); rename one of them"),
    "twice by a number": (
        b"column_2,\n1,2\n",
        [],
        "the column column_2 is there 2 times (1, 2) (a.csv); rename one of them",
    ),
    "not utf-8": (
        b"Stra\xdfe,b\n1,2\n",
        [],
        "the header cannot be read: line 1: the line is not UTF-8 text: byte 0xdf at offset 4 (a.csv);"
        " mend it, or convert it",
    ),
    "cr alone": (
        b"a,b\r1,2\r",
        [],
        "the lines of a.csv end in CR alone; e.g. tr '\\r' '\\n' <a.csv | llmcli batch - --input-format csv",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("argv", [["batch"], ["batch", "--dry-run"], ["count", "--rows"]])
def test_a_header_that_cannot_be_meant_is_refused_before_a_cent_is_spent(
    cli, tmp_path, monkeypatch, name, argv
):
    content, more, error = REFUSED[name]
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_bytes(content)
    result = cli(*argv, "a.csv", "-m", "offline/echo", *ROW, *more)
    assert (result.code, result.out, result.err) == (2, "", f"llmcli: usage: {error}\n")


def test_a_table_without_a_prompt_and_a_template_is_refused(cli, tmp_path):
    source = tmp_path / "a.csv"
    source.write_text("Street name,b\n1,2\n")
    for argv in (["batch"], ["batch", "--dry-run"], ["count", "--rows"]):
        result = cli(*argv, str(source), "-m", "offline/echo")
        assert result.code == 2
        assert result.err == (
            "llmcli: usage: the table has no column prompt or messages, but Street name, b;"
            """ make the prompt with -t, e.g. -t 'About {{ row["Street name"] }}: ...'\n"""
        )


# --- What columns mean --------------------------------------------------------------------------------------


def dry(cli, tmp_path, content: str, *argv: str) -> list[dict]:
    source = tmp_path / "a.csv"
    source.write_text(content, newline="")
    result = cli(*ECHO, str(source), *argv)
    return records(result.out)


def test_prompt_system_messages_and_custom_id_mean_what_they_do_in_jsonl(cli, tmp_path, server):
    messages = json.dumps([{"role": "user", "content": "M"}]).replace('"', '""')
    source = tmp_path / "a.csv"
    source.write_text(f'custom_id,prompt,system,messages\nx,P,S,\n,P,,\n,,,"{messages}"\n5,P,,[\n,,,\n')
    result = cli("batch", "-q", "--ordered", "-j1", "-m", "tiny", "--base-url", server.base_url, str(source))
    found = records(result.out)
    assert [each["custom_id"] for each in found] == ["x", "row-1", "row-2", "5", "row-4"]
    assert [each["error"] and each["error"]["message"] for each in found[3:]] == [
        "the messages are not valid JSON: Expecting value: line 1 column 2 (char 1)",
        "the prompt is empty",
    ]
    asked = [request.json["messages"] for request in server.requests]
    user = {"role": "user", "content": "P"}
    assert asked == [[{"role": "system", "content": "S"}, user], [user], [{"role": "user", "content": "M"}]]


def test_every_other_column_is_data_even_one_that_is_called_as_a_parameter(cli, tmp_path, server):
    source = tmp_path / "a.csv"
    source.write_text("prompt,temperature,model,temprature,body\np,9,x,y,z\n")
    result = cli("batch", "-q", "-m", "tiny", "--base-url", server.base_url, str(source))
    assert result.code == 0
    assert set(server.requests[0].json) == {"model", "messages"}
    assert server.requests[0].json["model"] == "tiny"


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        ("{{ city }}!", "Rome!"),
        ('{{ row["Street name"] }}', "Via"),
        ('{{ row["a-b"] }}{{ row.city }}', "1Rome"),
        ("{{ input }}?", "P?"),
        ("Say it:", "Say it:\n\nP"),
        ("{{ column_5 }}", "last"),
        ('{{ missing or "none" }}', "none\n\nP"),
    ],
)
def test_columns_in_templates(cli, tmp_path, template, prompt):
    content = "prompt,city,Street name,a-b,\nP,Rome,Via,1,last\n"
    assert said(dry(cli, tmp_path, content, "-t", template)[0]) == prompt


def test_a_field_that_is_called_row(cli, tmp_path):
    assert said(dry(cli, tmp_path, "row\nx\n", "-t", '{{ row["row"] }}')[0]) == "x"


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["-t", "{{ nope }}"], "the template's variable nope is not defined"),
        (["-t", "{{ city }}", "-p", "city=x"], "-p city is a field of the rows, too"),
        (["-t", "{{ city }}", "-p", "row=x"], "-p row: row is the whole row"),
        (["-t", "Where is {city}?"], "the template's {city} is plain text"),
        (["-t", "Where?"], "the template names no field of the rows"),
    ],
)
@pytest.mark.parametrize("command", [["batch"], ["batch", "--dry-run"], ["count", "--rows"]])
def test_a_template_that_is_not_meant_for_the_columns(cli, tmp_path, argv, error, command):
    source = tmp_path / "a.csv"
    source.write_text("city,n\nRome\nRome,1\n")  # the first row is none
    result = cli(*command, str(source), "-m", "offline/echo", *argv)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"llmcli: usage: {error}")


# --- TSV ----------------------------------------------------------------------------------------------------

TSV = {
    "plain": (b"a\tb\n1\t2\n", [AB]),
    "crlf": (b"a\tb\r\n1\t2\r\n", [AB]),
    "escapes": (b"a\tb\nx\\ty\\nz\\r\t\\\\n\n", [{"a": "x\ty\nz\r", "b": "\\n"}]),
    "other backslashes stay": (b"a\tb\n\\N\tC:\\x\n", [{"a": "\\N", "b": "C:\\x"}]),
    "in the header": (b"a\\tb\tc\n1\t2\n", [{"a\tb": "1", "c": "2"}]),
    "quoted": (b'a\tb\n"1\t""x""\n2"\t2\n', [{"a": '1\t"x"\n2', "b": "2"}]),
    "quoted and escaped": (b'a\tb\n"\\n"\t\\n\n', [{"a": "\\n", "b": "\n"}]),
    "a quote inside": (b'a\tb\n5"\tx"y\n', [{"a": '5"', "b": 'x"y'}]),
    "commas": (b"a,b\tc\n1,2\t3\n", [{"a,b": "1,2", "c": "3"}]),
    "blank": (b"a\tb\n\n1\t2\n\n", [AB]),
    "a blank line of one column is no row": (b"a\nx\n\ny\n\n", [{"a": "x"}, {"a": "y"}]),
    "an empty cell of one column": (b'a\n""\n', [{"a": ""}]),
    "empty cells": (b"a\tb\n\t\n", [{"a": "", "b": ""}]),
    "ragged": (b"a\tb\n1\n", ["invalid_row: line 2 has 1 cell for 2 columns: none for b"]),
    "a cell that goes on": (
        b'a\tb\n"1" x\t2\n3\t4\n',
        ["invalid_row: line 2 is no CSV: a cell goes on behind its closing quote", {"a": "3", "b": "4"}],
    ),
}


@pytest.mark.parametrize("name", TSV)
def test_a_tsv_is_rows_to_the_byte(rows, name):
    content, expected = TSV[name]
    assert rows(content, name="a.tsv") == expected


# --- Arrays and lines ---------------------------------------------------------------------------------------

ARRAYS = {
    "plain": (b'[{"a":1},{"a":2}]', [{"a": 1}, {"a": 2}]),
    "pretty": (
        json.dumps([{"a": [1, {"b": "]"}]}, {"a": 2}], indent=2).encode(),
        [{"a": [1, {"b": "]"}]}, {"a": 2}],
    ),
    "bom and blanks": (b'\xef\xbb\xbf \n[ {"a":1} , {"a":2}\n] \n', [{"a": 1}, {"a": 2}]),
    "utf-16": ('\ufeff[{"a":"é"}]'.encode("utf-16-le"), [{"a": "é"}]),
    "empty": (b" [ ] ", []),
    "an element that is no object": (
        b'[{"a":1},2,{"a":3}]',
        [{"a": 1}, "invalid_row: the line is JSON, but no object", {"a": 3}],
    ),
    "cut off": (
        b'[{"a":1},\n{"a":2},\n{"a',
        [{"a": 1}, {"a": 2}, "invalid_json: the array cannot be read on from line 2: it is cut off"],
    ),
    "cut off behind a row": (
        b'[{"a":1}',
        [{"a": 1}, "invalid_json: the array cannot be read on from line 1: it is cut off"],
    ),
    "a comma too many": (
        b'[{"a":1},]',
        [{"a": 1}, "invalid_json: the array cannot be read on from line 1: Expecting value at ']'"],
    ),
    "a comma too few": (
        b'[{"a":1}\n{"a":2}]',
        [
            {"a": 1},
            """invalid_json: the array cannot be read on from line 1: , is expected before '{"a":2}]'""",
        ],
    ),
    "more behind it": (
        b'[{"a":1}]\n[{"a":2}]',
        [
            {"a": 1},
            """invalid_json: the array cannot be read on from line 1: its end is expected before '[{"a":2}]'""",
        ],
    ),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_is_rows(rows, name):
    content, expected = ARRAYS[name]
    assert rows(content, name="a.json") == expected


def test_numbers_of_an_array_are_as_they_stand(cli, tmp_path):
    source = tmp_path / "a.json"
    source.write_text('[{"a": 1.0}, {"a": 1e-7}, {"a": 123456789012345678901234567890}]')
    result = cli(*ECHO, "-t", "{{ a }}", str(source))
    assert [said(record) for record in records(result.out)] == [
        "1.0",
        "1e-7",
        "123456789012345678901234567890",
    ]


def test_rows_of_an_array_have_all_shapes(cli, tmp_path, server):
    source = tmp_path / "a.json"
    body = {"messages": [{"role": "user", "content": "b"}], "seed": 1}
    batch = {"custom_id": "x", "method": "POST", "url": "/v1/chat/completions", "body": body}
    source.write_text(json.dumps([{"prompt": "a", "top_k": 3}, body, batch], indent=1))
    result = cli("batch", "-q", "-j1", "-m", "tiny", "--base-url", server.base_url, str(source), "--ordered")
    assert [record["custom_id"] for record in records(result.out)] == ["row-0", "row-1", "x"]
    assert [request.json.get("top_k", request.json.get("seed")) for request in server.requests] == [3, 1, 1]


@pytest.mark.parametrize("name", ["a.txt", "a", "a.json", "a.log"])
def test_lines_of_text_are_prompts(cli, tmp_path, name):
    source = tmp_path / name
    source.write_bytes(b"\xef\xbb\xbfone\r\n\n  two  \n \t \na,b;c\tx\nno \xfc\nlast")
    result = cli(*ECHO, str(source))
    assert [said(record) for record in records(result.out)] == [
        "one",
        "  two  ",
        "a,b;c\tx",
        "invalid_utf8: the line is not UTF-8 text: byte 0xfc at offset 3",
        "last",
    ]


@pytest.mark.parametrize(
    ("template", "prompt"), [("<{{ text }}>", "<x>"), ("<{{ input }}>", "<x>"), ("Say:", "Say:\n\nx")]
)
def test_a_line_is_the_field_text_and_the_prompt(cli, template, prompt):
    assert said(records(cli(*ECHO, "-t", template, stdin=b"x\n").out)[0]) == prompt


# --- What INPUT is ------------------------------------------------------------------------------------------

BOTH = b'{"prompt":"a"}\n'
KINDS = [
    ("a.jsonl", BOTH, [], "a"),
    ("a.JSONL", BOTH, [], "a"),
    ("a.ndjson", BOTH, [], "a"),
    ("a.txt", BOTH, [], "a"),
    ("a.json", b'[{"prompt":"a"}]', [], "a"),
    ("a", b' \n [{"prompt":"a"}]', [], "a"),
    ("a.txt", b"prompt,x\n", [], "prompt,x"),
    ("a.csv", b"prompt,x\na,1\n", [], "a"),
    ("a.CSV", b"prompt,x\na,1\n", [], "a"),
    ("a.csv", b'{"prompt,x\na,1\n', ["--input-format=lines"], '{"prompt,x'),
    ("a.jsonl", b"prompt,x\na,1\n", ["--input-format=csv"], "a"),
    ("a.tsv", b"prompt,x\na,1\n", ["--input-format", "csv"], "a"),
    ("a.csv", b"prompt\tx\na\t1\n", ["--input-format", "tsv"], "a"),
    ("a.jsonl", b'[{"prompt":"a"}]', ["--input-format", "json"], "a"),
    ("a.csv", BOTH, ["--input-format", "jsonl"], "a"),
]


@pytest.mark.parametrize(("name", "content", "argv", "prompt"), KINDS)
def test_the_kind_is_said_or_named_or_begun(cli, tmp_path, name, content, argv, prompt):
    source = tmp_path / name
    source.write_bytes(content)
    assert said(records(cli(*ECHO, str(source), *argv).out)[0]) == prompt


@pytest.mark.parametrize(
    ("content", "argv", "prompt"),
    [
        (BOTH, [], "a"),
        (b'[{"prompt":"a"}]', [], "a"),
        (b"prompt,x\n", [], "prompt,x"),
        (b"prompt,x\na,1\n", ["-", "--input-format", "csv"], "a"),
        (b"prompt;x\na;1\n", ["--input-format", "csv", "--delimiter=;"], "a"),
        (b"prompt\tx\na\t1\n", ["--input-format", "tsv"], "a"),
        (b"a\n", ["--input-format", "csv", "--no-header", "-t", "{{ c1 }}"], "a"),
    ],
)
def test_the_kind_of_stdin(cli, content, argv, prompt):
    assert said(records(cli(*ECHO, *argv, stdin=content).out)[0]) == prompt


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["--delimiter", "ab", "x.csv"], "--delimiter is one character; e.g. ';' or '\\t'"),
        (["--delimiter", '"', "x.csv"], "--delimiter is one character; e.g. ';' or '\\t'"),
        (["--delimiter", ";", "--input-format", "lines"], "--delimiter is for CSV, not for lines; drop one"),
        (["--no-header", "--input-format", "jsonl"], "--no-header is for CSV and TSV; drop one"),
        (["--input-format", "xml"], "Invalid value for '--input-format'"),
        (["--each", "*.md", "--no-header"], "--no-header and --each exclude each other; drop one"),
    ],
)
def test_flags_that_cannot_be_meant(cli, argv, error):
    result = cli("batch", "-m", "offline/echo", *argv)
    assert (result.code, result.out) == (2, "")
    assert error in result.err


@pytest.mark.parametrize("flag", [["--delimiter", ";"], ["--no-header"]])
def test_a_flag_of_tables_for_what_is_none(cli, flag):
    result = cli("batch", "-m", "offline/echo", *flag, stdin=b"a;b\n")
    assert result.code == 2
    todo = "is for CSV, and stdin is lines of text; drop it, or say --input-format csv"
    assert result.err == f"llmcli: usage: {flag[0]} {todo}\n"


# --- Several INPUTs -----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_several_inputs_are_one_in_their_order(cli, folder):
    (folder / "b.csv").write_text("prompt,custom_id\nb0,\nb1,mine\n")
    (folder / "a.jsonl").write_text('{"prompt":"a0"}\n')
    (folder / "c.txt").write_text("c0\n\nc1\n")
    result = cli(*ECHO, "b.csv", "a.jsonl", "c.txt")
    found = [
        (each["custom_id"], each["llmcli"]["file"], each["llmcli"]["row"], said(each))
        for each in records(result.out)
    ]
    assert found == [
        ("b.csv:row-0", "b.csv", 0, "b0"),
        ("mine", "b.csv", 1, "b1"),
        ("a.jsonl:row-0", "a.jsonl", 0, "a0"),
        ("c.txt:row-0", "c.txt", 0, "c0"),
        ("c.txt:row-1", "c.txt", 1, "c1"),
    ]
    assert "file" not in records(cli(*ECHO, "b.csv").out)[0]["llmcli"]


def test_a_file_whose_name_is_no_utf_8_is_one_of_several(cli, folder):
    names = [os.fsdecode(b"\xfc.txt"), os.fsdecode(b"\xfd.txt")]
    for name in names:
        (folder / name).write_text("x\n")
    found = records(cli(*ECHO, *names).out)
    assert [each["custom_id"] for each in found] == ["\\xfc.txt:row-0", "\\xfd.txt:row-0"]
    assert [each["llmcli"]["file"] for each in found] == ["\\xfc.txt", "\\xfd.txt"]


def test_stdin_is_one_of_several(cli, folder):
    (folder / "b.csv").write_text("prompt\nb0\n")
    result = cli(*ECHO, "b.csv", "-", stdin=b"x\ny\n")
    assert [each["custom_id"] for each in records(result.out)] == ["b.csv:row-0", "-:row-0", "-:row-1"]


@pytest.mark.parametrize("argv", [["batch"], ["batch", "--dry-run"]])
def test_tables_have_one_header(cli, folder, argv):
    (folder / "a.csv").write_text("prompt,x\na,1\n")
    (folder / "b.csv").write_text("prompt,y\nb,1\n")
    result = cli(*argv, "-m", "offline/echo", "a.csv", "b.csv")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(
        "llmcli: usage: the header is not that of the tables before it (prompt, x) (b.csv); "
    )


def test_a_limit_is_of_the_whole_input(cli, folder):
    for name in ("a", "b", "c"):
        (folder / f"{name}.txt").write_text(f"{name}0\n{name}1\n")
    result = cli(*ECHO, "a.txt", "b.txt", "c.txt", "--limit", "3")
    assert [said(each) for each in records(result.out)] == ["a0", "a1", "b0"]


@pytest.mark.parametrize(
    ("argv", "code", "error"),
    [
        (["a.txt", "nope.txt"], 66, "there is no file nope.txt"),
        (["a.txt", "./a.txt"], 2, "INPUT ./a.txt is there twice"),
        (["a.txt", "."], 2, ". is a directory"),
    ],
)
def test_an_input_that_is_none(cli, folder, argv, code, error):
    (folder / "a.txt").write_text("a\n")
    result = cli("batch", "-m", "offline/echo", *argv)
    assert (result.code, result.out) == (code, "")
    assert error in result.err


# --- All commands and flags ---------------------------------------------------------------------------------

SAME = {
    "a.csv": b'prompt,x\n"one, two",1\nthree,2\n',
    "a.tsv": b"prompt\tx\none, two\t1\nthree\t2\n",
    "a.json": b'[{"prompt":"one, two"},{"prompt":"three"}]',
    "a.jsonl": b'{"prompt":"one, two"}\n{"prompt":"three"}\n',
    "a.txt": b"one, two\nthree\n",
}


@pytest.mark.parametrize("name", SAME)
def test_a_count_and_a_dry_run_are_those_of_jsonl(cli, folder, name):
    for each, content in SAME.items():
        (folder / each).write_bytes(content)
    for argv in (["count", "--rows"], ["batch", "--dry-run"], ["batch", "--dry-run", "--limit", "1"]):
        assert cli(*argv, name, "-m", "gpt-4o") == cli(*argv, "a.jsonl", "-m", "gpt-4o")


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("piped", [False, True])
def test_a_resume_asks_for_nothing_twice(cli, folder, server, name, piped):
    (folder / name).write_bytes(SAME[name])
    argv = ["batch", "-q", "-m", "tiny", "--base-url", server.base_url, "-O", "out.jsonl", "--ordered"]
    kind = ["--input-format", name.rpartition(".")[2].replace("txt", "lines")]
    given = {"stdin": SAME[name]} if piped else {}
    argv += kind if piped else [name]
    assert cli(*argv, "--limit", "1", **given).code == 0
    assert len(server.requests) == 1
    again = {} if piped else given  # the copy of stdin
    assert cli(*argv, **again).code == 0
    assert cli(*argv, **given).code == 0
    assert len(server.requests) == 2
    assert [each["llmcli"]["row"] for each in records(Path("out.jsonl").read_text())] == [0, 1]


@pytest.mark.usefixtures("folder")
def test_a_changed_cell_stops_the_run(cli):
    argv = ["batch", "-q", "-m", "offline/echo", "a.csv", "-O", "out.jsonl"]
    Path("a.csv").write_text("prompt\na\nb\n")
    assert cli(*argv).code == 0
    Path("a.csv").write_text("prompt\na\nB\n")
    result = cli(*argv)
    assert result.code == 2
    assert result.err.startswith(
        "llmcli: usage: row 1 is done, but what it asks has changed since (line 3); "
    )
    assert cli(*argv, "--on-change", "rerun").code == 0


# --- Any size -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("folder")
def test_a_cell_of_20_mb(cli):
    long = ("x" * 63 + ', "y"\n') * 300_000
    with Path("a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["prompt", "b"], ["short", long], ["last", "2"]])
    result = cli(*ECHO, "-t", "{{ b | length }}", "a.csv")
    assert [said(each) for each in records(result.out)] == [str(len(long)), "1"]


def test_what_csv_writes_is_read_as_it_was(rows):
    odd = [
        "",
        " ",
        "00123",
        "1e5",
        '"',
        '""',
        "a,b",
        "a;b",
        "\n",
        "\r\n",
        "\r",
        "é\u2028",
        "'",
        "=1",
        "#1",
        "\\",
    ]
    cells = [[one, two] for one in odd for two in odd]
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        text = io.StringIO()
        csv.writer(text, quoting=quoting).writerows([["a", "b"], *cells])
        assert rows(text.getvalue().encode()) == [dict(zip("ab", row, strict=True)) for row in cells]


def test_the_first_good_row_is_the_first_of_all_inputs(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text('{"x": "one"}\n')
    Path("b.jsonl").write_text('{"y": "two"}\n{"x": "three"}\n')
    argv = ["batch", "-q", "a.jsonl", "b.jsonl", "-m", "offline/echo", "-t", "{{ x }}"]
    assert json.loads(cli(*argv, "--dry-run", "--json").out)["invalid"] == 1
    done = cli(*argv, "--format", "text", "--ordered")
    assert (done.code, done.out) == (7, "one\nthree\n")
    assert "the template's variable x is not defined" in done.err


def test_a_table_behind_other_rows_has_a_prompt_or_is_exit_2(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text('{"prompt": "one"}\n')
    Path("b.csv").write_text("city\nOslo\n")
    done = cli("batch", "-q", "a.jsonl", "b.csv", "-m", "offline/echo", "--format", "text")
    assert (done.code, done.out) == (2, "")
    assert "the table has no column prompt or messages, but city" in done.err


@pytest.mark.parametrize("name", ["self", "loop", "super", "caller", "range", "dict", "template_name"])
def test_a_column_with_a_name_of_the_template_language_is_a_variable(cli, name):
    argv = ["batch", "-q", "-m", "offline/echo", "--input-format", "csv", "--format", "text"]
    done = cli(*argv, "-t", f"It is {{{{ {name} }}}}", stdin=f"{name},x\nOslo,1\n".encode())
    assert (done.code, done.out, done.err) == (0, "It is Oslo\n", "")


def test_the_word_self_in_a_text_names_no_column(cli):
    argv = ["batch", "-q", "-m", "offline/echo", "--input-format", "csv", "--format", "text"]
    done = cli(*argv, "-t", "Be your self", stdin=b"self,prompt\nOslo,hi\n")
    assert (done.code, done.out) == (0, "Be your self  hi\n")


@pytest.mark.parametrize("name", ["true", "none", "not", "in", "row"])
def test_a_column_that_no_template_can_name_is_told_as_it_can_be(cli, name):
    argv = ["batch", "-q", "-m", "offline/echo", "--input-format", "csv"]
    done = cli(*argv, "-t", "{{ nosuch }}", stdin=f"{name},x\n1,2\n".encode())
    assert done.code == 2
    assert f'the first row has {{{{ row["{name}"] }}}}, {{{{ x }}}};' in done.err
    shown = cli(
        *argv, "--format", "text", "-t", f'{{{{ row["{name}"] }}}}', stdin=f"{name},x\n1,2\n".encode()
    )
    assert (shown.code, shown.out) == (0, "1\n")
