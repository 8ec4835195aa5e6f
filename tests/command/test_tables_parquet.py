"""Parquet in: typed columns as the text and numbers that they are."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.conftest import part

pa = part("pyarrow")
parquet = part("pyarrow.parquet")

RUN = ("batch", "-q", "-m", "offline/echo", "--ordered")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(out: str) -> list:
    found = []
    for record in map(json.loads, out.split("\n")[:-1]):
        if record["error"] is not None:
            found.append(record["error"]["message"])
            continue
        content = record["response"]["body"]["choices"][0]["message"]["content"]
        found.append(json.loads(content) if content.startswith("{") else content)
    return found


def table(**columns: object) -> None:
    parquet.write_table(pa.table(columns), "a.parquet", row_group_size=2)


def row(cli) -> object:
    return said(cli(*RUN, "a.parquet", "-t", "{{ row }}").out)[0]


VALUES = [
    (pa.array(["00123"]), "00123"),
    (pa.array(["x"]).dictionary_encode(), "x"),
    (pa.array(["x"], pa.large_string()), "x"),
    (pa.array([9007199254740993]), 9007199254740993),
    (pa.array([18446744073709551615], pa.uint64()), 18446744073709551615),
    (pa.array([True]), True),
    (pa.array([1.0]), 1.0),
    (pa.array([0.1], pa.float32()), 0.1),
    (pa.array([float("nan")]), None),
    (pa.array([float("inf")], pa.float32()), None),
    (pa.array([None], pa.string()), None),
    (pa.array([Decimal("1.10")]), "1.10"),
    (pa.array([dt.date(2026, 1, 2)]), "2026-01-02"),
    (pa.array([dt.time(1, 2, 3)]), "01:02:03.000000"),
    (pa.array([1700000000123456789], pa.timestamp("ns")), "2023-11-14 22:13:20.123456789"),
    (pa.array([dt.timedelta(seconds=90)]), "0:01:30"),
    (pa.array([b"text"]), "text"),
    (pa.array([[1, None]]), [1, None]),
    (pa.array([{"a": b"x", "b": [dt.date(2026, 1, 2)]}]), {"a": "x", "b": ["2026-01-02"]}),
    (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), {"k": 1}),
]


@pytest.mark.parametrize(("values", "expected"), VALUES, ids=[str(values.type) for values, _ in VALUES])
def test_values_are_what_they_are(cli, values, expected):
    table(v=values)
    assert row(cli) == {"v": expected}


def test_bytes_that_are_no_text_are_that_rows_error(cli):
    table(name=["a", "b"], v=[b"\xff", b"x"], w=[[b"\xff"], [b"y"]])
    assert said(cli(*RUN, "a.parquet", "-t", "{{ row }}").out) == [
        "it holds bytes that are no text: v, w",
        {"name": "b", "v": "x", "w": ["y"]},
    ]


def test_messages_prompt_and_ids_mean_what_they_do_in_jsonl(cli, server):
    messages = [[{"role": "user", "content": "M"}], None]
    table(messages=messages, prompt=[None, "P"], system=["S", "S"], custom_id=[7, None])
    argv = ("batch", "-q", "-j1", "--ordered", "-m", "tiny", "--base-url", server.base_url)
    result = cli(*argv, "a.parquet")
    assert [json.loads(line)["custom_id"] for line in result.out.splitlines()] == [7, "row-1"]
    assert [request.json["messages"] for request in server.requests] == [
        messages[0],
        [{"role": "system", "content": "S"}, {"role": "user", "content": "P"}],
    ]


def test_rows_of_all_groups_in_their_order_are_resumed(cli):
    table(prompt=[str(number) for number in range(3001)])
    argv = [*RUN, "a.parquet", "-O", "out.jsonl"]
    assert cli(*argv, "--limit", "1500").code == 0
    assert cli(*argv).code == 0
    assert said(Path("out.jsonl").read_text()) == [str(number) for number in range(3001)]


@pytest.mark.parametrize("argv", [[], ["-"], ["--input-format", "parquet"]])
def test_a_pipe_of_it(cli, argv):
    table(prompt=["a", "b"])
    content = Path("a.parquet").read_bytes()
    assert said(cli(*RUN, *argv, stdin=content).out) == ["a", "b"]
    assert cli(*RUN, *argv, "-O", "out.jsonl", "--limit", "1", stdin=content).code == 0
    assert cli(*RUN, *argv, "-O", "out.jsonl").code == 0
    assert said(Path("out.jsonl").read_text()) == ["a", "b"]


def test_a_count_and_a_rehearsal(cli):
    table(prompt=["one", "two"])
    Path("a.csv").write_text("prompt\none\ntwo\n")
    for argv in (["count", "--rows"], ["batch", "--dry-run"]):
        assert cli(*argv, "a.parquet", "-m", "gpt-4o") == cli(*argv, "a.csv", "-m", "gpt-4o")


def test_what_is_refused(cli):
    table(a=["x"])
    content = Path("a.parquet").read_bytes()
    assert "no column prompt or messages, but a" in cli(*RUN, "a.parquet").err
    Path("cut.parquet").write_bytes(content[:-9])
    result = cli(*RUN, "cut.parquet")
    assert result.code == 2
    assert result.err.startswith("llmcli: usage: cut.parquet cannot be read as Parquet: ")
    twice = pa.Table.from_arrays([pa.array(["x"]), pa.array(["y"])], names=["prompt", "prompt"])
    parquet.write_table(twice, "twice.parquet")
    assert "the column prompt is there 2 times (1, 2)" in cli(*RUN, "twice.parquet").err


def test_a_failure_without_a_line_is_told_without_empty_brackets(cli):
    table(prompt=["a"], v=[b"\xff"])
    done = cli("batch", "-q", "-m", "offline/echo", "a.parquet", "--format", "text")
    assert done.err.startswith("llmcli: row 0: invalid_utf8: it holds bytes that are no text: v\n")
