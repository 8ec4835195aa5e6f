"""`llmcli report`: what a batch was, of one OUT, of two, of one that is being written."""

from __future__ import annotations

import gzip
import json
import re

import pytest

from llmcli.errors import ExitCode
from tests.conftest import Result

AT = "2026-11-27T10:00:{:02d}.000Z"


def record(row: int, text: str | None = "Yes", **more) -> str:
    """A record as a batch writes it; `text` None: a failure, whose code is `code`."""
    about = {
        "row": row,
        "attempts": 1,
        "latency_ms": 100.0 * (row + 1),
        "cost_usd": 0.25,
        "model": "openai/m",
    }
    about |= {"at": AT.format(row % 60)} | more.get("about", {})
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15} | more.get("usage", {})
    response = {"status_code": 200, "request_id": "r", "body": {"choices": [choice], "usage": usage}}
    error = None
    if text is None:
        response, error = None, {"code": more.get("code", "tempfail"), "message": "it is busy"}
        about |= {"latency_ms": None, "cost_usd": None}
    digest = more.get("digest", row + 1)
    known = {"id": f"batch_req_{row:06d}_{digest:016x}", "custom_id": more.get("custom_id", f"row-{row}")}
    whole = {**known, "response": response, "error": error, "llmcli": about}
    return json.dumps(whole, separators=(",", ":")) + "\n"


@pytest.fixture
def out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(name: str, *lines: str) -> str:
        (tmp_path / name).write_text("".join(lines), "latin-1", newline="")
        return name

    return write


def test_a_run_in_the_terminal(cli, out):
    out("out.jsonl", record(0), record(1), record(3, "No"))
    out("out.errors.jsonl", record(2, None))
    assert cli("report", "out.jsonl") == Result(
        0,
        "out.jsonl: 4 rows, 3 ok, 1 failed\n"
        "failed    1 tempfail, such as row-2: it is busy\n"
        "tokens    30 in (0 cached) + 15 out (0 reasoning)\n"
        "cost      $0.750000\n"
        "latency   p50 0.20 s, p90 0.40 s, p99 0.40 s, max 0.40 s\n"
        "time      2026-11-27 10:00:00 to 10:00:03 UTC, 3 s, 1.3 rows/s\n"
        "rows/s    ████\n"
        "attempts  4\n"
        "models    openai/m 4\n"
        "finish    stop 3\n",
        "",
    )


def test_a_run_as_json(cli, out):
    details = {
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    label = {"choice": {"label": "bug", "probability": None}}
    out(
        "out.jsonl",
        record(0, usage=details),
        record(1, "bug", about=label),
        record(2, about={"cost_usd": None}),
    )
    told = json.loads(cli("report", "out.jsonl", "--json").out)
    assert told["tokens"] == {"in": 30, "cached": 4, "out": 15, "reasoning": 2}
    assert (told["cost_usd"], told["unpriced"], told["labels"]) == (0.5, 1, {"bug": 1})
    assert told["latency_ms"] == {"p50": 200, "p90": 300, "p95": 300, "p99": 300, "max": 300, "mean": 200}
    assert (told["began"], told["ended"]) == ("2026-11-27T10:00:00Z", "2026-11-27T10:00:02Z")
    assert json.loads(cli("report", "out.jsonl", "--format", "jsonl").out) == told


def test_a_row_that_was_a_failure_before_it_had_an_answer_counts_once(cli, out):
    out("out.jsonl", record(0), record(1))
    out("out.errors.jsonl", record(1, None), record(2, None), record(2, None, code="invalid_row"))
    told = json.loads(cli("report", "out.jsonl", "--json").out)
    assert (told["rows"], told["ok"], list(told["failures"])) == (3, 2, ["invalid_row"])


def test_a_line_that_is_being_written_is_not_counted(cli, out):
    out("out.jsonl", record(0), record(1)[:-40])
    assert json.loads(cli("report", "out.jsonl", "--json").out)["rows"] == 1


def test_a_run_with_no_row_and_one_that_failed_altogether(cli, out):
    out("none.jsonl")
    assert cli("report", "none.jsonl").out == (
        "none.jsonl: 0 rows, 0 ok, 0 failed\ntokens    0 in (0 cached) + 0 out (0 reasoning)\n"
        "cost      nothing\nlatency   unknown\ntime      none\nattempts  0\n"
    )
    out("bad.jsonl")
    out("bad.errors.jsonl", record(0, None), record(1, None))
    told = json.loads(cli("report", "bad.jsonl", "--json").out)
    assert (told["ok"], told["failed"], told["cost_usd"], told["latency_ms"]["p50"]) == (0, 2, None, None)


def test_the_table_of_a_batch_stands_for_its_records(cli, out):
    out("rows.csv", "prompt\nOne\nTwo\n")
    assert cli("batch", "-q", "rows.csv", "-m", "offline/echo", "-O", "answers.csv").code == 0
    assert cli("report", "answers.csv").out.startswith("answers.csv: 2 rows, 2 ok, 0 failed\n")
    assert cli("report", "answers.csv.jsonl").out.startswith("answers.csv.jsonl: 2 rows, 2 ok")


def test_what_two_runs_differ_in(cli, out):
    out("a.jsonl", record(0), record(1, "A"), record(2, "B", custom_id="x"), record(3))
    out("a.errors.jsonl", record(4, None))
    out(
        "b.jsonl",
        record(0),
        record(1, "B"),
        record(7, "B", custom_id="x"),
        record(4),
        record(9, "New", custom_id="n"),
    )
    told = cli("report", "a.jsonl", "b.jsonl")
    assert told.code == 0
    assert told.out.splitlines()[3:5] == [
        "rows      2 equal, 1 changed, 1 failed in one, 1 only in the first, 1 only in the second",
        "repeats   50.0%: 1 of 2 answers to the very same request differ: what is below that says nothing of the"
        " change",
    ]
    comparison = json.loads(cli("report", "a.jsonl", "b.jsonl", "--json").out)["comparison"]
    assert comparison == {
        "equal": 2,
        "changed": 1,
        "failed_in_one": 1,
        "failed_in_both": 0,
        "only_in_the_first": 1,
        "only_in_the_second": 1,
        "same_request": 2,
        "same_request_differs": 1,
        "label_changes": [],
    }


def test_rows_without_a_common_id_are_paired_by_their_number(cli, out):
    out("a.jsonl", record(0, custom_id="alpha"), record(1, "A", custom_id="beta"))
    out("b.jsonl", record(0), record(1, "B"))
    comparison = json.loads(cli("report", "a.jsonl", "b.jsonl", "--json").out)["comparison"]
    assert (comparison["equal"], comparison["changed"]) == (1, 1)


def test_labels_that_changed(cli, out):
    labels = [{"choice": {"label": label, "probability": None}} for label in ("bug", "other")]
    out("b.jsonl", record(0, "other", about=labels[1]), record(1, "bug", about=labels[0]))
    out("b.errors.jsonl", record(2, None))
    out("a.jsonl", *(record(row, "bug", about=labels[0]) for row in range(3)))
    told = [line for line in cli("report", "a.jsonl", "b.jsonl").out.splitlines() if line.startswith("label")]
    assert told == ["label     1  bug → other"]


def test_what_the_cache_gave_says_nothing_of_how_often_answers_differ(cli, out):
    out("a.jsonl", record(0, "A"), record(1, "A"), record(2, "A"))
    out("b.jsonl", record(0, "B"), record(1, "A", about={"cached": True}), record(2, "A"))
    comparison = json.loads(cli("report", "a.jsonl", "b.jsonl", "--json").out)["comparison"]
    assert (comparison["equal"], comparison["changed"]) == (2, 1)
    assert (comparison["same_request"], comparison["same_request_differs"]) == (2, 1)


def test_two_runs_of_different_models_on_different_days(cli, out):
    late = [{"at": f"2026-11-{day}T23:59:59.000Z", "model": "openai/n"} for day in (27, 28)]
    out("a.jsonl", record(0))
    out("b.jsonl", *(record(row, about=about) for row, about in enumerate(late)))
    told = cli("report", "a.jsonl", "b.jsonl").out
    assert "models    openai/m 1 → openai/n 2\n" in told
    assert "2026-11-27 23:59:59 to 2026-11-28 23:59:59 UTC, 86,400 s" in told
    assert "first     a.jsonl: 1 row, 1 ok, 0 failed\n" in told


def test_a_batch_in_parts_is_one_run(cli, out, tmp_path):
    out("rows.jsonl", *(json.dumps({"prompt": text}) + "\n" for text in ("One", "Two", "Three", "")))
    for part in "01":
        cli("batch", "-q", "rows.jsonl", "-m", "offline/echo", "--shard", f"{part}/2", "-O", "parts/")
    told = json.loads(cli("report", "parts/", "--json").out)
    assert (told["outs"], told["rows"], told["ok"], told["failed"]) == (["parts/"], 4, 3, 1)
    cli("batch", "-q", "rows.jsonl", "-m", "offline/echo", "-O", "whole.jsonl")
    beside = json.loads(cli("report", "parts", "whole.jsonl", "--json").out)["comparison"]
    assert (beside["equal"], beside["failed_in_both"]) == (3, 1)
    assert cli("report", "parts", "--html", "page.html").code == 0
    every = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("parts/*.jsonl"))
    told = json.loads(cli("report", "whole.jsonl", *every, "--json").out)
    assert (len(told["outs"]), told["rows"], told["failed"]) == (3, 8, 2)


def test_three_runs_are_added_up(cli, out):
    names = [out(f"{name}.jsonl", record(0), record(1)) for name in "abc"]
    assert cli("report", *names).out.startswith("a.jsonl, b.jsonl, c.jsonl: 6 rows, 6 ok, 0 failed\n")


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        ([], ExitCode.USAGE, "there is no OUT; name the -O of a batch"),
        (["-"], ExitCode.USAGE, "a report reads files, not stdin; give the batch an -O"),
        (["good.jsonl", "--html", "-"], ExitCode.USAGE, "--html is a page, which goes into a file; name it"),
        (["good.jsonl", "--html", "."], ExitCode.IO, "cannot write .: Is a directory"),
        (["gone.jsonl"], ExitCode.NO_INPUT, "gone.jsonl: no such file"),
        (["gone.csv"], ExitCode.NO_INPUT, "gone.csv.jsonl: there are no records of gone.csv"),
        (["text.jsonl"], ExitCode.USAGE, "text.jsonl is no output of llmcli batch (line 1)"),
        (["half.jsonl"], ExitCode.USAGE, "half.jsonl is no output of llmcli batch (line 2)"),
        (["half.jsonl", "text.jsonl"], ExitCode.USAGE, "half.jsonl is no output of llmcli batch (line 2)"),
        (
            ["good.jsonl", "--input", "rows.jsonl"],
            ExitCode.USAGE,
            "--input gives the page its prompts; add --html",
        ),
        (["good.jsonl", "--html", "good.jsonl"], ExitCode.USAGE, "good.jsonl is what the report is of"),
        (["good.jsonl", "--html", "no/page.html"], ExitCode.IO, "cannot write no/page.html"),
        (["good.jsonl", "--html", "p.html", "--input", "gone"], ExitCode.NO_INPUT, "gone: no such file"),
        (["."], ExitCode.USAGE, ". is a directory without parts of a batch"),
        (
            ["s3://bucket/out/"],
            ExitCode.USAGE,
            "is on an object store; make them one first: llmcli batch --merge",
        ),
        (["/dev/null"], ExitCode.USAGE, "/dev/null is no regular file"),
        (
            ["packed.jsonl.gz"],
            ExitCode.USAGE,
            "is compressed with gzip; unpack it first: zcat packed.jsonl.gz",
        ),
        (["one.jsonl"], ExitCode.USAGE, "one.jsonl is no output of llmcli batch (line 1)"),
        (["end.jsonl"], ExitCode.USAGE, "end.jsonl is no output of llmcli batch (line 2)"),
        (["cr.jsonl"], ExitCode.USAGE, "cr.jsonl is no output of llmcli batch (line 1)"),
    ],
)
def test_what_cannot_be_reported(cli, out, argv, code, words):
    out("good.jsonl", record(0))
    out("text.jsonl", "hello\n")
    out("packed.jsonl.gz", gzip.compress(b"hello\n", mtime=0).decode("latin-1"))
    out("one.jsonl", '{"prompt":"a row"}')
    out("end.jsonl", record(0), "a line that is no beginning of a record")
    out("cr.jsonl", "one\rtwo\n")
    out("half.jsonl", record(0), '{"id":"batch_req_000001_0000000000000001","llmcli":{}}\n')
    result = cli("report", *argv)
    assert (result.code, result.out) == (code, "")
    assert words in result.err


def test_a_page_is_written_into_a_device_and_through_a_link_not_in_their_place(cli, out, tmp_path):
    out("out.jsonl", record(0))
    (tmp_path / "link").symlink_to("page.html")
    (tmp_path / "null").symlink_to("/dev/null")
    assert [cli("report", "out.jsonl", "--html", name).code for name in ("link", "null")] == [0, 0]
    assert all((tmp_path / name).is_symlink() for name in ("link", "null"))
    assert (tmp_path / "page.html").read_bytes().endswith(b"</html>\n")


def test_the_model_of_a_hostile_server_does_not_reach_the_terminal(cli, out):
    out("out.jsonl", record(0, about={"model": "m\x1b[2J"}))
    out("out.errors.jsonl", record(1, None, code="bad\x1b[31m"))
    told = cli("report", "out.jsonl").out
    assert "\x1b" not in told
    assert "models    m^[[2J 1" in told


def test_rows_that_are_asked_again_count_as_they_are_now_while_the_run_goes_on(cli, out):
    out("out.jsonl", record(0), record(1, digest=5))
    out("out.errors.jsonl", record(2, None), record(3, None))
    out(
        "out.redone.jsonl", record(1, "No"), record(2), record(3, None, code="rejected"), '{"id":"batch_req_0'
    )
    found = json.loads(cli("report", "out.jsonl", "--json").out)
    assert (found["rows"], found["ok"], found["failed"]) == (4, 3, 1)
    assert list(found["failures"]) == ["rejected"]
    out("same.jsonl", record(0), record(1), record(2))
    out("same.errors.jsonl", record(3, None, code="rejected"))
    beside = json.loads(cli("report", "out.jsonl", "same.jsonl", "--json").out)["comparison"]
    assert (beside["equal"], beside["changed"], beside["failed_in_both"]) == (2, 1, 1)
    assert cli("report", "out.jsonl", "--html", "page.html").code == 0


HOSTILE_USAGES = [
    {"prompt_tokens": "12", "completion_tokens": {"a": 1}},
    {"prompt_tokens": None, "completion_tokens": [], "prompt_tokens_details": "x"},
    {"completion_tokens_details": [1], "prompt_tokens_details": {"cached_tokens": "9"}},
]


@pytest.mark.parametrize("usage", HOSTILE_USAGES, ids=str)
def test_a_usage_in_another_form_is_left_out(cli, out, usage):
    out("out.jsonl", record(0), record(1, usage=usage))
    result = cli("report", "out.jsonl")
    assert (result.code, result.err) == (0, "")
    assert "out.jsonl: 2 rows, 2 ok, 0 failed" in result.out
    assert "(0 reasoning)" in result.out
    assert cli("report", "out.jsonl", "--html", "page.html").code == 0


@pytest.mark.parametrize("usage", ['"usage":"12"', '"usage":[1]', '"usage":null'])
def test_a_page_of_a_server_that_tells_no_usage(cli, out, usage):
    out("out.jsonl", re.sub(r'"usage":\{[^}]*\}', usage, record(0)), record(1))
    told = json.loads(cli("report", "out.jsonl", "--html", "page.html", "--json").out)
    assert told["tokens"] == {"in": 10, "cached": 0, "out": 5, "reasoning": 0}


@pytest.mark.parametrize("body", ["null", '"text"', '{"choices":["x"]}', '{"choices":{"a":1}}'])
@pytest.mark.parametrize("more", [["--html", "page.html"], ["good.jsonl"]], ids=["page", "beside another"])
def test_an_answer_that_no_batch_took_for_one_is_named(cli, out, body, more):
    out("good.jsonl", record(0))
    out("out.jsonl", record(0), re.sub(r'"body":.*,"error"', f'"body":{body}}},"error"', record(1)))
    result = cli("report", "out.jsonl", *more)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("llmcli: usage: out.jsonl is no output of llmcli batch (line 2); ")


@pytest.mark.parametrize(
    "about",
    [
        {"at": "yesterday"},
        {"at": "2026-13-27T10:00:00.000Z"},
        {"at": 5},
        {"latency_ms": "1"},
        {"cost_usd": [1]},
        {"attempts": None},
        {"model": ["m"]},
        {"model": 5},
    ],
    ids=str,
)
def test_a_line_whose_figures_are_none_is_named(cli, out, about):
    out("out.jsonl", record(0), record(1, about=about))
    result = cli("report", "out.jsonl")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("llmcli: usage: out.jsonl is no output of llmcli batch (line 2); ")
