"""INPUT on an object store: every kind of it, as the file that it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import object_server, stores
from tests.conftest import Result, part
from tests.stores import gist, records, run, write

ROWS = 4_200


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.json", "rows.txt", "rows.parquet"])
def test_an_object_is_read_as_the_file_would_be(cli, place, name):
    if name.endswith(".parquet"):
        part("pyarrow")
    write(name)
    stores.put(f"{place}/{name}", Path(name).read_bytes())
    assert run(cli, f"{place}/{name}", "-O", "stored.jsonl") == Result(0, "", "")
    assert run(cli, name, "-O", "file.jsonl").code == 0
    assert gist("stored.jsonl") == gist("file.jsonl")
    before = Path("stored.jsonl").stat().st_size
    assert run(cli, f"{place}/{name}", "-O", "stored.jsonl").code == 0
    assert Path("stored.jsonl").stat().st_size == before


def test_a_part_takes_its_rows_of_an_object_and_keeps_them_there(cli, place):
    write("rows.jsonl", ROWS)
    stores.put(f"{place}/rows.jsonl", Path("rows.jsonl").read_bytes())
    for index in range(2):
        argv = (f"{place}/rows.jsonl", "--shard", f"{index}/2", "-O", f"{place}/out")
        assert run(cli, *argv) == Result(0, "", "")
    assert run(cli, "--merge", f"{place}/out", "-O", "all.csv").code == 0  # whose columns are the object's
    assert len(Path("all.csv").read_text().splitlines()) == ROWS + 1


def test_a_part_that_goes_on_reads_its_input_once(cli):
    rows = b"".join(b'{"prompt":"%d"}\n' % row for row in range(ROWS))
    with object_server.serving() as (objects, given), stores.environment(given):
        asked = []
        for more in (b"", b'{"prompt":"more"}\n'):
            stores.put("s3://rows/in/rows.jsonl", rows + more)
            objects.requests.clear()
            for index in range(2):
                assert run(cli, "s3://rows/in/rows.jsonl", "--shard", f"{index}/2", "-O", "out/").code == 0
            asked.append(objects.requests.count("GET in/rows.jsonl"))
    assert asked == [4, 4]  # a look at the beginning, and the run


def test_several_objects_are_dealt_whole(cli, place):
    names = [f"{place}/{name}.jsonl" for name in "abc"]
    for name in names:
        stores.put(name, b"".join(b'{"prompt":"%d"}\n' % row for row in range(3)))
    for index in range(2):
        assert run(cli, *names, "--shard", f"{index}/2", "-O", "out/").code == 0
    assert {each["llmcli"]["file"] for each in records("out/00001-of-00002.jsonl")} == {names[1]}
    assert run(cli, "--merge", "out", "-O", "all.jsonl", "--ordered").code == 0
    assert [each["llmcli"]["file"] for each in records("all.jsonl")] == [
        name for name in names for _ in range(3)
    ]


def test_ids_of_an_object_are_looked_at_first(cli, place):
    stores.put(f"{place}/rows.jsonl", b'{"k":"x","prompt":"a"}\n{"k":"x","prompt":"b"}\n')
    said = run(cli, f"{place}/rows.jsonl", "--id", "k", "-O", "out.jsonl")
    assert (said.code, "the id x is row 0's and row 1's" in said.err) == (2, True)


def test_rows_of_an_object_are_counted(cli, place):
    stores.put(f"{place}/rows.jsonl", b'{"prompt":"a"}\n')
    assert cli("count", "--rows", f"{place}/rows.jsonl", "-m", "gpt-4o").code == 0


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (("s3://rows/nothing.jsonl",), 66, "there is no s3://rows/nothing.jsonl"),
        (("s3://nowhere/rows.jsonl",), 66, "there is no s3://nowhere/rows.jsonl"),
        (("s3://rows",), 2, "names no object"),
        (("s3://rows/",), 2, "names no object"),
        (("--each", "s3://rows/*.txt"), 2, "copy them here first"),
        (("s3://key:secret@rows/x.jsonl",), 2, "keys come from the environment"),
    ],
)
def test_what_is_no_object(cli, argv, code, said):
    result = run(cli, *argv, "-O", "out.jsonl")
    assert (result.code, said in result.err, "secret" in result.err) == (code, True, False)
    assert not os.path.exists("out.jsonl")  # noqa: PTH110


def test_an_empty_object_has_no_rows(cli, place):
    stores.put(f"{place}/rows.jsonl", b"")
    Path("rows.jsonl").touch()
    assert run(cli, f"{place}/rows.jsonl", "-O", "stored.jsonl") == run(cli, "rows.jsonl", "-O", "file.jsonl")
