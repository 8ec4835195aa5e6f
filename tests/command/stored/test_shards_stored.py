"""`llmcli batch --shard` with records on an object store, and `--merge` from there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import object_server, stores
from tests.conftest import Result, part
from tests.stores import gist, records, run, write

ROWS = 4_200  # a block and some


def test_the_merge_of_stored_parts_is_what_one_run_leaves(cli, place):
    write("rows.jsonl", ROWS)
    for index in (2, 0, 1):
        assert run(cli, "rows.jsonl", "--shard", f"{index}/3", "-O", place) == Result(0, "", "")
    assert run(cli, "--merge", place, "-O", "all.jsonl", "--ordered") == Result(0, "", "")
    assert run(cli, "rows.jsonl", "-O", "one.jsonl").code == 0
    assert gist("all.jsonl") == gist("one.jsonl")
    assert [each["llmcli"]["row"] for each in records("all.jsonl")] == list(range(ROWS))
    assert sorted(path.name for path in Path().iterdir()) == [
        *("all.errors.jsonl", "all.jsonl", "config.toml", "one.errors.jsonl", "one.jsonl", "rows.jsonl"),
    ]


def test_failures_are_stored_and_tried_again(cli, place):
    Path("rows.jsonl").write_text('{"prompt":"a"}\nnot json\n{"prompt":"b"}\n')
    argv = ("rows.jsonl", "--shard", "0/1", "-O", f"{place}/")
    said = run(cli, *argv)
    assert (said.code, said.err.endswith(f"--shard 0/1 -O {place}/ --retry-failed\n")) == (7, True)
    assert run(cli, *argv).code == 7
    assert run(cli, "--merge", place, "-O", "all.txt").code == 7
    assert Path("all.txt").read_text() == "a\n\nb\n"
    assert [each["llmcli"]["row"] for each in records("all.txt.errors.jsonl")] == [1]
    Path("rows.jsonl").write_text('{"prompt":"a"}\n{"prompt":"mended"}\n{"prompt":"b"}\n')
    assert run(cli, *argv, "--retry-failed").code == 0
    assert run(cli, "--merge", place, "-O", "all.txt").code == 0
    assert Path("all.txt").read_text() == "a\nmended\nb\n"
    assert records("all.txt.errors.jsonl") == []


def test_a_stored_part_that_is_done_asks_nothing_and_stores_nothing(cli, place, server):
    write("rows.jsonl", 3)
    argv = ("batch", "rows.jsonl", "--base-url", server.base_url, "-m", "tiny", "--shard", "0/1", "-O", place)
    assert cli(*argv).code == 0
    asked = len(server.requests)
    before = stores.keys(place)
    said = cli(*argv)
    assert (said.code, "3 rows were done before" in said.err) == (0, True)
    assert (len(server.requests), stores.keys(place)) == (asked, before)


def test_fresh_starts_a_stored_part_over(cli, place):
    write("rows.jsonl", 3)
    argv = ("rows.jsonl", "--shard", "0/1", "-O", place)
    assert run(cli, *argv).code == 0
    write("rows.jsonl", 2)
    assert run(cli, *argv, "--fresh").code == 0
    assert run(cli, "--merge", place, "-O", "all.jsonl").code == 0
    assert len(records("all.jsonl")) == 2


def test_rows_may_be_added_to_what_is_stored(cli, place):
    for rows in (4098, 4200):
        write("rows.jsonl", rows)
        for index in range(2):
            assert run(cli, "rows.jsonl", "--shard", f"{index}/2", "-O", place).code == 0
    assert run(cli, "--merge", place, "-O", "all.csv").code == 0
    assert len(Path("all.csv").read_text().splitlines()) == 4201


def test_what_is_stored_under_another_plan_is_refused(cli, place):
    assert run(cli, write("rows.jsonl", 3), "--shard", "0/2", "-O", place).code == 0
    said = run(cli, "rows.jsonl", "--shard", "0/3", "-O", place)
    assert (said.code, f"{place} has parts of 2, not of 3" in said.err) == (2, True)
    said = run(cli, "--merge", place, "-O", "all.jsonl")
    assert (said.code, "part 00001-of-00002 is not run yet" in said.err) == (75, True)


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (("-O", "s3://rows/x.jsonl"), 2, "parts are files of a directory"),
        (("-O", "s3://rows/x", "--shard", "0/2", "--ordered"), 2, "give it to --merge"),
        (
            ("-O", "s3://rows/x", "--shard", "0/2", "--write-each", "{{ prompt }}"),
            2,
            "keep the parts in a directory",
        ),
        (("-O", "s3://nowhere/x", "--shard", "0/2"), 74, "there is no such bucket"),
        (("-O", "s3://", "--shard", "0/2"), 2, "e.g. s3://BUCKET/FOLDER/"),
        (("-O", "s3://key:secret@rows/x", "--shard", "0/2"), 2, "keys come from the environment"),
        (("-O", "s3://rows/x.csv", "--shard", "0/2"), 2, "parts are files of a directory"),
    ],
)
def test_what_cannot_be_stored(cli, argv, code, said):
    result = run(cli, write("rows.jsonl", 3), *argv)
    assert (result.code, said in result.err, "secret" in result.err) == (code, True, False)


def test_a_dry_run_refuses_what_a_stored_part_would_and_makes_nothing(cli, place):
    write("rows.jsonl", 3)
    argv = ("rows.jsonl", "--shard", "0/1", "-O", place)
    assert run(cli, *argv, "--dry-run").code == 0
    assert stores.keys(place) == []
    assert run(cli, *argv).code == 0
    Path("rows.jsonl").write_text('{"prompt":"another"}\n' * 3)
    said, meant = run(cli, *argv, "--dry-run"), run(cli, *argv)
    assert (said.code, "row 0 is done, but what it asks has changed" in said.err, meant.code) == (2, True, 2)


def test_all_rows_are_one_part_where_none_is_named(cli, place):
    write("rows.jsonl", 30)
    assert run(cli, "rows.jsonl", "-O", place, "--limit", "20").code == 0
    assert run(cli, "--merge", place, "-O", "all.jsonl").code == 0
    assert len(records("all.jsonl")) == 20
    assert run(cli, "rows.jsonl", "-O", f"{place}/").code == 0
    assert run(cli, "--merge", place, "-O", "all.jsonl").code == 0
    assert len(records("all.jsonl")) == 30
    assert run(cli, "rows.jsonl", "--shard", "1/2", "-O", place).code == 2


def test_a_folder_without_parts_is_no_input(cli, place):
    assert run(cli, "--merge", place, "-O", "all.jsonl").code == 66
    assert run(cli, "--merge", place, "-O", f"{place}/all.jsonl").code == 2


def test_a_server_that_heeds_no_condition_or_lets_nobody_write_is_told_of_before_a_row_is_sent(cli, server):
    write("rows.jsonl", 3)
    argv = ("batch", "-q", "rows.jsonl", "-m", "tiny", "--base-url", server.base_url, "--shard", "0/1")
    with object_server.serving() as (objects, given), stores.environment(given):
        objects.heeds_conditions = False
        said = cli(*argv, "-O", "s3://rows/out")
        assert (said.code, "does not heed conditions (If-None-Match)" in said.err) == (2, True)
        objects.heeds_conditions, objects.is_writable = True, False
        said = cli(*argv, "-O", "s3://rows/out")
    assert (said.code, "secret" in said.err) == (74, False)
    assert "403 Forbidden (AccessDenied); check the keys in the environment (AWS_ACCESS_KEY_ID, " in said.err
    assert server.requests == []


def test_a_cluster_seen_from_outside_is_looked_for_where_it_is(cli, place):
    part("ray")
    stores.put(f"{place}/rows.jsonl", b'{"prompt":"a"}\n')
    cli.env["RAY_ADDRESS"] = "ray://127.0.0.1:9"
    said = run(cli, f"{place}/rows.jsonl", "-O", f"{place}/out", "--on", "ray")
    assert (said.code, "Connection refused (RAY_ADDRESS=ray://127.0.0.1:9)" in said.err) == (75, True), (
        said.err
    )
