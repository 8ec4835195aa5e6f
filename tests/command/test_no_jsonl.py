"""Files that people have and that are no JSONL: refused before a row is sent, with the way out."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import subprocess

import pytest

ROWS = [{"prompt": "a"}, {"prompt": "b"}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
NOT = {
    "array.jsonl": (json.dumps(ROWS).encode(), "a JSON array", "say --input-format json"),
    "array_of_lines.jsonl": (
        b'[\n{"prompt":"a"},\n{"prompt":"b"}\n]\n',
        "a JSON array",
        "--input-format json",
    ),
    "bom.jsonl": (b"\xef\xbb\xbf \n[]", "a JSON array", "--input-format json"),
    "utf16.jsonl": (("\ufeff" + json.dumps(ROWS)).encode("utf-16-le"), "a JSON array", "--input-format json"),
    "pretty.json": (
        json.dumps({"prompt": "a", "x": [1, 2]}, indent=2).encode(),
        "JSON, but not one object a line",
        "jq -c . {} | llmcli batch -",
    ),
    "strings.json": (
        b'["a", "b"]',
        "a JSON array, but not one of objects",
        "jq -r '.[]' {} | llmcli batch - --input-format lines",
    ),
    "csv.jsonl": (b"prompt,x\na,1\nb,2\n", "no JSONL, but looks like CSV", "say --input-format csv"),
    "semicolon.jsonl": (b"prompt;x\na;1\n", "no JSONL, but looks like CSV", "say --input-format csv"),
    "tsv.jsonl": (b"prompt\tx\na\t1\n", "no JSONL, but looks like TSV", "say --input-format tsv"),
    "lines.jsonl": (b"one\ntwo\n", "no JSONL", "say --input-format lines"),
    "scalars.jsonl": (b"1\n2\n3\n4\n5\n" + LINES, "no JSONL", "say --input-format lines"),
    "rows.jsonl.gz": (gzip.compress(LINES), "compressed with gzip", "zcat {} | llmcli batch -"),
    "rows.csv.gz": (
        gzip.compress(LINES),
        "compressed with gzip",
        "zcat {} | llmcli batch - --input-format csv",
    ),
    "gzip.csv": (
        gzip.compress(LINES),
        "compressed with gzip",
        "zcat {} | llmcli batch - --input-format csv",
    ),
    "zip.tsv": (
        b"PK\x03\x04" + bytes(26) + b"rows.tsv",
        "a zip archive",
        "unzip -p {} | llmcli batch - --input-format tsv",
    ),
    "rows.jsonl.bz2": (bz2.compress(LINES), "compressed with bzip2", "bzcat {}"),
    "rows.jsonl.xz": (lzma.compress(LINES), "compressed with xz", "xzcat {}"),
    "rows.jsonl.zst": (b"\x28\xb5\x2f\xfd" + bytes(100), "compressed with zstd", "zstdcat {}"),
    "parquet.jsonl": (b"PAR1" + bytes(100), "Parquet", "say --input-format parquet"),
    "text.parquet": (b"prompt\na\n", "no Parquet", "check what wrote it"),
    "object.json": (b'{"prompt":\n"a"}', "JSON, but not one object a line", "jq -c ."),
    "old.xls": (b"\xd0\xcf\x11\xe0" + bytes(100), "a spreadsheet", "read_excel"),
    "rows.xlsx": (b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml", "a spreadsheet", "read_excel"),
    "excel.csv": (b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml", "a spreadsheet", "read_excel"),
    "rows.zip": (b"PK\x03\x04" + bytes(26) + b"rows.jsonl", "a zip archive", "unzip -p {}"),
    "photo": (b"\x89PNG\r\n\x1a\n" + bytes(20), "no text", "--each GLOB"),
}


def how(name: str) -> list[str]:
    """What says of stdin what a name says of a file."""
    kind = name.rpartition(".")[2]
    return ["--input-format", kind] if kind in {"jsonl", "csv", "parquet"} else []


@pytest.mark.parametrize("name", NOT)
def test_it_is_refused_with_the_way_out(cli, tmp_path, name):
    content, what, way = NOT[name]
    source, out = tmp_path / name, tmp_path / "out.jsonl"
    source.write_bytes(content)
    result = cli("batch", "-m", "offline/echo", str(source), "-O", str(out))
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert result.err.startswith(f"llmcli: usage: {source} is {what}; ")
    assert way.format(source) in result.err
    assert not out.exists()


@pytest.mark.parametrize("name", NOT)
@pytest.mark.parametrize("argv", [["batch", "--dry-run"], ["count", "--rows"]])
def test_a_rehearsal_refuses_it_in_the_same_words(cli, tmp_path, name, argv):
    source = tmp_path / name
    source.write_bytes(NOT[name][0])
    run = cli("batch", "-m", "offline/echo", str(source))
    assert cli(*argv, str(source), "-m", "offline/echo") == run


@pytest.mark.parametrize("name", NOT)
def test_a_pipe_is_refused_too_and_says_nothing_of_the_stream(cli, name):
    content, what, _ = NOT[name]
    result = cli("batch", "-m", "offline/echo", *how(name), stdin=content)
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[0].startswith(f"llmcli: usage: stdin is {what}; ")


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        ("pretty.json", "jq"),
        ("strings.json", "jq"),
        ("rows.jsonl.gz", "zcat"),
        ("rows.jsonl.xz", "xzcat"),
    ],
)
def test_the_way_out_is_one(cli, tmp_path, name, tool):
    source = tmp_path / f"it's {name}"
    source.write_bytes(NOT[name][0])
    todo = cli("batch", "-m", "offline/echo", str(source)).err.partition("; e.g. ")[2]
    command, _, kind = todo.rstrip("\n").partition(" | llmcli batch -")
    if subprocess.run(["/bin/sh", "-c", f"command -v {tool}"], capture_output=True, check=False).returncode:
        pytest.skip(f"there is no {tool}")
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=True)
    result = cli("batch", "-m", "offline/echo", *kind.split(), stdin=done.stdout)
    assert (result.code, len(result.out.splitlines())) == (0, len(done.stdout.splitlines()))


@pytest.mark.parametrize("bad", [0, 1, 4])
def test_a_bad_line_is_an_error_record_also_the_first(cli, bad):
    argv = ["batch", "-q", "-m", "offline/echo", "--input-format", "jsonl"]
    result = cli(*argv, stdin=b"nope\n" * bad + LINES)
    errors = [json.loads(line)["error"] for line in result.out.splitlines()]
    assert [error and error["code"] for error in errors].count("invalid_json") == bad
    assert (result.code, len(errors)) == (7 if bad else 0, bad + 2)


def test_five_bad_lines_are_no_jsonl(cli):
    argv = ["batch", "-m", "offline/echo", "--input-format", "jsonl"]
    assert cli(*argv, stdin=b"nope\n\n" * 5 + LINES).code == 2


def test_the_right_file_runs_behind_the_wrong_one(cli, tmp_path):
    wrong, right, out = tmp_path / "wrong.jsonl", tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    wrong.write_bytes(NOT["array.jsonl"][0])
    right.write_bytes(LINES)
    assert cli("batch", "-q", "-m", "offline/echo", str(wrong), "-O", str(out)).code == 2
    assert cli("batch", "-q", "-m", "offline/echo", str(right), "-O", str(out)).code == 0
    assert len(out.read_bytes().splitlines()) == 2


def test_records_of_an_earlier_run_are_left_alone(cli, tmp_path):
    wrong, right, out = tmp_path / "wrong.jsonl", tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    wrong.write_bytes(NOT["array.jsonl"][0])
    right.write_bytes(LINES)
    argv = ["batch", "-q", "-m", "offline/echo", "-O", str(out)]
    cli(*argv, str(right))
    kept = out.read_bytes()
    assert cli(*argv, "--fresh", str(wrong)).code == 2
    assert out.read_bytes() == kept


# --- Rows that INPUT no longer has --------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "words"), [(3, "1 row"), (1, "3 rows"), (0, "4 rows")])
def test_records_of_rows_that_input_no_longer_has_are_told_of(cli, tmp_path, rows, words):
    source, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    argv = ["batch", "-m", "offline/echo", str(source), "-O", str(out)]
    source.write_text("".join(f'{{"prompt":"{row}"}}\n' for row in range(4)))
    assert "no longer" not in cli(*argv).err
    source.write_text("".join(f'{{"prompt":"{row}"}}\n' for row in range(rows)))
    result = cli(*argv)
    assert result.code == 0
    assert result.err.endswith(f"llmcli: {out} has records of {words} that INPUT no longer has\n")
    assert len(out.read_bytes().splitlines()) == 4
    assert "no longer" not in cli(*argv, "-q").err


def test_a_limit_is_no_shorter_input(cli, tmp_path):
    source, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    argv = ["batch", "-m", "offline/echo", str(source), "-O", str(out)]
    source.write_text("".join(f'{{"prompt":"{row}"}}\n' for row in range(4)))
    cli(*argv)
    assert "no longer" not in cli(*argv, "--limit", "2").err
