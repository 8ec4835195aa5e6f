"""`llmcli batch` in parts, and `--merge`: what one run would have left."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from llmcli.batch.shards.deal import DEALT_ROWS, Deal
from llmcli.settings.batch.machines import Shard
from tests.conftest import Cli, Result

ROWS = 4_200  # a block and some


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(cli: Cli, *argv: str, **more: object) -> Result:
    return cli("batch", "-q", "-m", "offline/echo", *argv, **more)


def write(name: str, rows: int = ROWS, begin: str = "") -> str:
    Path(name).write_text("".join(json.dumps({"prompt": f"{begin}{row}"}) + "\n" for row in range(rows)))
    return name


def records(*names: str) -> list[dict]:
    return [json.loads(line) for name in names for line in Path(name).read_bytes().splitlines()]


def gist(name: str) -> list[tuple]:
    return sorted((each["id"], each["custom_id"], each["llmcli"]["row"]) for each in records(name))


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.txt", "rows.csv", "rows.json"])
def test_the_merge_is_what_one_run_leaves(cli, name):
    if name == "rows.json":
        Path(name).write_text(json.dumps([{"prompt": str(row)} for row in range(ROWS)]))
    elif name == "rows.csv":
        Path(name).write_text("prompt\n" + "".join(f'"{row}\nplease"\n' for row in range(ROWS)))
    else:
        write(name)
    for part in (2, 0, 1):
        assert run(cli, name, "--shard", f"{part}/3", "-O", "out/").code == 0
    assert [len(records(f"out/0000{part}-of-00003.jsonl")) for part in range(3)] == [4096, 104, 0]
    assert run(cli, "--merge", "out", "-O", "all.jsonl", "--ordered").code == 0
    assert run(cli, name, "-O", "one.jsonl").code == 0
    assert gist("all.jsonl") == gist("one.jsonl")
    assert [each["llmcli"]["row"] for each in records("all.jsonl")] == list(range(ROWS))


def test_a_table_is_made_of_parts_as_of_one_run(cli):
    Path("rows.csv").write_text("prompt,name\n" + "".join(f"{row},n{row}\n" for row in range(ROWS)))
    for part in range(2):
        assert run(cli, "rows.csv", "--shard", f"{part}/2", "-O", "out/").code == 0
    assert run(cli, "--merge", "out", "-O", "all.csv").code == 0
    assert run(cli, "rows.csv", "-O", "one.csv").code == 0
    assert Path("all.csv").read_bytes() == Path("one.csv").read_bytes()
    Path("rows.csv").unlink()
    said = run(cli, "--merge", "out", "-O", "bare.csv")
    assert (said.code, "has its columns" in said.err) == (2, True)


def test_a_table_of_a_template_with_kept_columns_needs_no_input(cli):
    Path("rows.jsonl").write_text("".join(json.dumps({"name": f"n{row}"}) + "\n" for row in range(9)))
    for part in range(2):
        argv = ("rows.jsonl", "-t", "About {{ name }}", "--keep", "all")
        assert run(cli, *argv, "--shard", f"{part}/2", "-O", "out/").code == 0
    Path("rows.jsonl").unlink()
    assert run(cli, "--merge", "out", "-O", "all.csv").code == 0
    assert Path("all.csv").read_text().splitlines()[:2] == ['"name","answer","error"', '"n0","About n0",']


@pytest.mark.parametrize(
    ("shard", "said"),
    [
        ("3/3", "--shard 3/3: there is no part 3 of 3; they are numbered from 0: 0/3 up to 2/3"),
        ("0/0", "--shard 0/0: there are 1 to 99,999 parts"),
        ("1", "--shard 1 is no part; I/N is part I of N: 0/16 up to 15/16"),
        ("-1/3", "--shard -1/3 is no part; I/N is part I of N: 0/16 up to 15/16"),
    ],
)
def test_what_is_no_part_is_a_usage_error(cli, shard, said):
    result = run(cli, write("rows.jsonl", 3), f"--shard={shard}", "-O", "out/")
    assert result == Result(2, "", f"llmcli: usage: {said}\n")
    assert not Path("out").exists()


def test_another_number_of_parts_or_input_is_refused(cli):
    assert run(cli, write("rows.jsonl", 3), "--shard", "0/2", "-O", "out/").code == 0
    other = run(cli, "rows.jsonl", "--shard", "0/3", "-O", "out")
    assert (other.code, "has parts of 2, not of 3" in other.err) == (2, True)
    other = run(cli, write("more.jsonl", 3), "--shard", "0/2", "-O", "out")
    assert (other.code, "has parts of rows.jsonl, not of more.jsonl" in other.err) == (2, True)
    assert run(cli, "./rows.jsonl", "--shard", "1/2", "-O", "out").code == 0


@pytest.mark.parametrize(
    "argv",
    [
        ("rows.jsonl", "--shard", "0/2"),
        ("rows.jsonl", "--shard", "0/2", "-O", "-"),
        ("rows.jsonl", "--shard", "0/2", "-O", "out.csv"),
        ("rows.jsonl", "--shard", "0/2", "-O", "out.jsonl"),
        ("rows.jsonl", "--shard", "0/2", "-O", "out/", "--via", "batch"),
        ("rows.jsonl", "--shard", "0/2", "-O", "out/", "--merge", "out"),
        ("rows.jsonl", "rows.txt", "--shard", "0/2", "-O", "out/", "--limit", "2"),
        ("rows.jsonl", "--shard", "0/2", "-O", "out/", "--share", "limit"),
        ("rows.jsonl", "-O", "out.jsonl", "--share", "limit", "--via", "batch"),
        ("rows.jsonl", "-O", "out.jsonl", "--share", "rows.jsonl"),
        ("--merge", "out"),
        ("--merge", "out", "-O", "all.jsonl", "--dry-run"),
        ("--merge", "out", "-O", "all.jsonl", "--rpm", "3"),
    ],
)
def test_what_a_part_or_a_merge_cannot_be_is_a_usage_error(cli, argv):
    write("rows.jsonl", 3)
    write("rows.txt", 3)
    assert run(cli, *argv).code == 2
    assert not list(Path.cwd().glob("out/*.jsonl"))


def test_a_directory_without_parts_is_no_input(cli):
    assert run(cli, "--merge", "nowhere", "-O", "all.jsonl").code == 66


def test_gaps_and_parts_that_did_not_end_are_named(cli):
    write("rows.jsonl")
    for part in range(2):
        assert run(cli, "rows.jsonl", "--shard", f"{part}/3", "-O", "out/").code == 0
    said = run(cli, "--merge", "out", "-O", "all.jsonl")
    assert (said.code, "part 00002-of-00003 is not run yet" in said.err) == (75, True)
    assert run(cli, "rows.jsonl", "--shard", "2/3", "-O", "out/").code == 0
    part = Path("out/00001-of-00003.jsonl")
    lines = part.read_bytes().splitlines(keepends=True)
    part.write_bytes(b"".join(lines[:1] + lines[4:]))
    said = run(cli, "--merge", "out", "-O", "all.jsonl")
    assert (said.code, "no record of rows 4097-4099" in said.err) == (75, True)
    assert not Path("all.jsonl").exists()
    assert run(cli, "rows.jsonl", "--shard", "1/3", "-O", "out/").code == 0
    assert run(cli, "--merge", "out", "-O", "all.jsonl").code == 0
    assert len(records("all.jsonl")) == ROWS


def test_a_row_that_is_there_twice_is_named(cli):
    write("rows.jsonl", 3)
    for part in range(2):
        assert run(cli, "rows.jsonl", "--shard", f"{part}/2", "-O", "out/").code == 0
    first, second = Path("out/00000-of-00002.jsonl"), Path("out/00001-of-00002.jsonl")
    second.write_bytes(first.read_bytes().splitlines(keepends=True)[1])
    said = run(cli, "--merge", "out", "-O", "all.jsonl")
    assert (said.code, "row-1 is there twice" in said.err) == (2, True)


def test_failures_are_merged_and_the_exit_is_that_of_one_run(cli):
    Path("rows.jsonl").write_text('{"prompt":"a"}\nnot json\n{"prompt":"b"}\n')
    assert run(cli, "rows.jsonl", "--shard", "0/2", "-O", "out/").code == 7
    assert run(cli, "rows.jsonl", "--shard", "1/2", "-O", "out/").code == 0
    assert run(cli, "--merge", "out", "-O", "all.txt").code == 7
    assert Path("all.txt").read_text() == "a\n\nb\n"
    assert [each["llmcli"]["row"] for each in records("all.txt.errors.jsonl")] == [1]


def test_an_output_with_other_rows_is_left_alone(cli):
    write("rows.jsonl", 3)
    for part in range(2):
        assert run(cli, "rows.jsonl", "--shard", f"{part}/2", "-O", "out/").code == 0
    assert run(cli, write("more.jsonl", 5), "-O", "all.jsonl").code == 0
    before = Path("all.jsonl").read_bytes()
    assert run(cli, "--merge", "out", "-O", "all.jsonl").code == 2
    assert Path("all.jsonl").read_bytes() == before
    assert run(cli, "--merge", "out", "-O", "rows.jsonl").code == 2
    assert not Path("rows.errors.jsonl").exists()
    assert run(cli, "--merge", "out", "-O", "all.jsonl", "--fresh").code == 0
    assert run(cli, "--merge", "out", "-O", "all.jsonl").code == 0
    assert len(records("all.jsonl")) == 3


def test_the_limit_is_of_the_whole_input(cli):
    write("rows.jsonl")
    for part in range(2):
        assert run(cli, "rows.jsonl", "--shard", f"{part}/2", "-O", "out/", "--limit", "4099").code == 0
    assert [len(records(f"out/0000{part}-of-00002.jsonl")) for part in range(2)] == [4096, 3]
    assert run(cli, "--merge", "out", "-O", "all.jsonl").code == 0
    assert len(records("all.jsonl")) == 4099


def test_the_deal_knows_how_many_rows_are_a_parts():
    for count in (1, 2, 3):
        for index in range(count):
            deal = Deal(Shard(index, count))
            for rows in (0, 1, 4095, 4096, 4097, 9000, 12288, 12289, 30000):
                own = sum(row // DEALT_ROWS % count == index for row in range(rows))
                assert deal.own_below(rows) == own


def test_rows_may_be_added_at_the_end(cli):
    for rows in (4098, 4200):
        write("rows.jsonl", rows)
        for part in range(2):
            assert run(cli, "rows.jsonl", "--shard", f"{part}/2", "-O", "out/").code == 0
    assert run(cli, "--merge", "out", "-O", "all.jsonl").code == 0
    assert gist("all.jsonl")[-1][2] == 4199


def test_several_files_are_dealt_whole(cli):
    names = [write(f"{name}.jsonl", 3, name) for name in "abc"]
    for part in range(2):
        assert run(cli, *names, "--shard", f"{part}/2", "-O", "out/").code == 0
    told = [
        Counter(each["llmcli"]["file"] for each in records(f"out/0000{part}-of-00002.jsonl"))
        for part in (0, 1)
    ]
    assert told == [{"a.jsonl": 3, "c.jsonl": 3}, {"b.jsonl": 3}]
    assert run(cli, "--merge", "out", "-O", "all.csv").code == 0
    assert run(cli, *names, "-O", "one.csv").code == 0
    assert Path("all.csv").read_bytes() == Path("one.csv").read_bytes()


def test_each_file_is_one_parts_and_files_may_be_added(cli):
    Path("docs").mkdir()
    for name in "bcdefgh":
        Path(f"docs/{name}").write_text(name)
    for more in ("", "a"):
        if more:
            Path("docs/a").write_text("a")
        for part in range(3):
            assert run(cli, "--each", "docs/*", "--shard", f"{part}/3", "-O", "out/").code == 0
    assert run(cli, "--merge", "out", "-O", "all.txt").code == 0
    assert Counter(Path("all.txt").read_text().split()) == Counter("abcdefgh")


def test_ids_are_those_of_the_whole_input(cli):
    Path("rows.jsonl").write_text(
        "".join(json.dumps({"k": f"k{row}", "prompt": "x"}) + "\n" for row in range(4100))
    )
    for part in range(2):
        assert run(cli, "rows.jsonl", "--id", "k", "--shard", f"{part}/2", "-O", "out/").code == 0
    assert run(cli, "--merge", "out", "-O", "all.jsonl", "--ordered").code == 0
    assert [each["custom_id"] for each in records("all.jsonl")] == [f"k{row}" for row in range(4100)]


def test_a_pipe_is_dealt_too(cli):
    content = Path(write("rows.jsonl")).read_bytes()
    for part in range(3):
        assert run(cli, "--shard", f"{part}/3", "-O", "out/", stdin=content).code == 0
    assert run(cli, "--merge", "out", "-O", "all.jsonl").code == 0
    assert len(records("all.jsonl")) == ROWS


def test_a_dry_run_counts_the_rows_of_the_part(cli):
    write("rows.jsonl")
    said = run(cli, "rows.jsonl", "--shard", "1/3", "--dry-run", "--json")
    assert json.loads(said.out)["rows"] == 104
    assert not Path("out").exists()


def test_money_is_divided(cli, server):
    write("rows.jsonl", 5)
    argv = ("rows.jsonl", "--base-url", server.base_url, "-M", "10", "--price", "1000,1000")
    run_of = lambda *more: cli("batch", "-q", "-m", "tiny", *argv, *more)  # noqa: E731
    whole = run_of("--max-cost", "0.0001", "-O", "one.jsonl")
    part = run_of("--shard", "0/4", "--max-cost", "0.0004", "-O", "out/")
    assert (part.code, whole.code) == (6, 6)
    assert "--max-cost is $0.000100" in part.err
