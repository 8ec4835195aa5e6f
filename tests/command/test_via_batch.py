"""`llmcli batch --via batch` as a user types it: each row once, nothing paid twice, nothing left at the provider."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from llmcli.batch.away.manifest import Manifest
from tests.conftest import NOW, Cli, Clock, Result
from tests.server.batch_provider import BatchDoor, FakeBatches, Script, echo_row


@dataclass
class Away:
    """Runs `llmcli batch --via batch` against a provider whose time is that of the command line's clock."""

    cli: Cli
    home: Path
    provider: FakeBatches
    door: BatchDoor

    def __call__(self, *argv: str, via: bool = True, model: str = "tiny", **more: object) -> Result:
        where = ["--base-url", self.door.base_url] if not model.startswith("offline/") else []
        ours = ["--via", "batch"] if via else []
        return self.cli(
            "batch", str(self.input), "-O", str(self.out), "-m", model, *where, *ours, *argv, **more
        )

    def rows(self, *texts: str) -> None:
        rows = [{"prompt": text, "custom_id": f"id of {text}"} for text in texts]
        self.input.write_text("".join(json.dumps(row) + "\n" for row in rows))

    @property
    def input(self) -> Path:
        return self.home / "rows.jsonl"

    @property
    def out(self) -> Path:
        return self.home / "out.jsonl"

    @property
    def errors(self) -> Path:
        return self.home / "out.errors.jsonl"

    @property
    def manifest(self) -> Path:
        return self.home / "out.batches.jsonl"

    @property
    def answers(self) -> list[tuple[str, str]]:
        """(custom_id, text) of each record, by row."""
        found = sorted(records(self.out), key=lambda record: record["llmcli"]["row"])
        return [(record["custom_id"], text_of(record)) for record in found]

    @property
    def failures(self) -> list[tuple[str, str]]:
        """(custom_id, code) of each failure, by row."""
        found = sorted(records(self.errors), key=lambda record: record["llmcli"]["row"])
        return [(record["custom_id"], record["error"]["code"]) for record in found]

    def is_swept(self) -> bool:
        """Whether nothing is left here and at the provider."""
        return (
            not self.provider.left and not self.manifest.exists() and not (self.home / "out.batches").exists()
        )


def records(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def text_of(record: dict) -> str:
    return record["response"]["body"]["choices"][0]["message"]["content"]


def expected(*texts: str) -> list[tuple[str, str]]:
    return [(f"id of {text}", text) for text in texts]


@pytest.fixture
def away(cli: Cli, clock: Clock, tmp_path: Path) -> Iterator[Away]:
    cli.moving = True
    began = clock.now
    provider = FakeBatches(lambda: NOW.timestamp() + clock.now - began)
    with BatchDoor(provider) as door:
        yield Away(cli, tmp_path, provider, door)


def test_rows_go_as_one_file_and_come_back_under_their_own_ids(away):
    away.rows("a", "b", "c")
    done = away()
    assert (done.code, away.answers) == (0, expected("a", "b", "c"))
    assert (away.provider.created, away.provider.billed) == (1, 3)
    assert away.is_swept()
    assert {record["llmcli"]["via"] for record in records(away.out)} == {"batch"}


def test_typed_again_there_is_nothing_to_do(away):
    away.rows("a")
    assert away().code == 0
    assert away().code == 0
    assert away.provider.created == 1


def test_without_waiting_it_says_75_until_all_is_there(away, clock):
    away.rows("a", "b")
    first = away("--no-wait")
    assert (first.code, away.answers) == (75, [])
    assert "2 rows are away in 1 batch" in first.err
    assert away("--no-wait").code == 75
    clock.now += 100
    assert away("--no-wait").code == 0
    assert (away.answers, away.provider.created) == (expected("a", "b"), 1)


def test_a_live_run_leaves_alone_what_is_away(away, clock):
    away.rows("a", "b")
    away("--no-wait")
    away.rows("a", "b", "c")
    live = away(via=False)
    assert live.code == 75
    assert "2 rows are away and were left alone" in live.err
    assert away.answers == expected("c")
    clock.now += 100
    assert away().code == 0
    assert away.answers == expected("a", "b", "c")
    assert (away.provider.created, away.provider.billed, away.provider.calls["live"]) == (1, 2, 1)


def test_what_expired_goes_into_the_next_batch(away):
    away.provider.script = Script(ends=["expired", "completed"])
    away.rows(*"abcdef")
    assert away().code == 0
    assert away.answers == expected(*"abcdef")
    assert (away.provider.created, away.provider.billed) == (2, 6)
    assert away.is_swept()


def test_what_expired_goes_live_where_that_is_wanted(away):
    away.provider.script = Script(ends=["expired"])
    away.rows(*"abcd")
    assert away("--finish", "live").code == 0
    assert away.answers == expected(*"abcd")
    assert (away.provider.created, away.provider.billed, away.provider.calls["live"]) == (1, 2, 2)


def test_what_expired_is_a_failure_that_the_next_run_asks_again_where_that_is_wanted(away):
    away.provider.script = Script(ends=["expired", "completed"], shuffled=False)
    away.rows(*"abcd")
    assert away("--finish", "stop").code == 7
    assert away.failures == [("id of c", "batch_expired"), ("id of d", "batch_expired")]
    assert away().code == 0
    assert (away.answers, away.failures) == (expected(*"abcd"), [])


def test_failures_come_from_the_error_file(away):
    away.rows("a", "status 400", "b")
    assert away().code == 7
    assert (away.answers, away.failures) == (expected("a", "b"), [("id of status 400", "rejected")])
    assert away.is_swept()


def test_one_lost_answer_makes_no_second_batch(away):
    away.provider.script = Script(lose={"create": {0}, "upload": {0}}, list_lag=30)
    away.rows("a", "b")
    assert away().code == 0
    assert (away.provider.created, away.provider.billed, away.answers) == (1, 2, expected("a", "b"))
    assert away.is_swept()


def test_recall_keeps_what_was_done_and_opens_the_rest(away):
    away.rows(*"abcd")
    away("--no-wait")
    recalled = away("--recall", via=False)
    assert recalled.code == 75
    assert "2 rows are open" in recalled.err
    assert len(away.answers) == 2
    assert away(via=False).code == 0
    assert away.answers == expected(*"abcd")
    assert away.is_swept()


def test_fresh_does_not_orphan_what_is_paid_for(away):
    away.rows("a")
    away("--no-wait")
    done = away("--fresh")
    assert done.code == 2
    assert "--recall first" in done.err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--via", "batch", "--rpm", "5"], "--rpm and --via batch exclude each other"),
        (["--via", "batch", "--tpm", "5"], "--tpm and --via batch exclude each other"),
        (["--via", "batch", "-j", "5"], "-j and --via batch exclude each other"),
        (["--via", "batch", "--stream"], "--stream and --via batch exclude each other"),
        (["--no-wait"], "--no-wait without --via batch"),
        (["--finish", "live"], "--finish without --via batch"),
        (["--keep-files"], "--keep-files without --via batch"),
        (["--poll", "5"], "--poll without --via batch"),
    ],
)
def test_what_is_no_matter_of_a_batch_is_refused(away, argv, words):
    away.rows("a")
    done = away(*argv, via=False)
    assert done.code == 2
    assert words in done.err
    assert not away.provider.calls


def test_it_needs_an_output_file(cli, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"prompt":"a"}\n')
    done = cli("batch", str(tmp_path / "rows.jsonl"), "--via", "batch", "-m", "offline/echo")
    assert done.code == 2
    assert "--via batch keeps what is away beside OUT; name it with -O" in done.err


def test_a_provider_without_such_an_api_is_refused(away):
    away.rows("a")
    done = away.cli("batch", str(away.input), "-O", str(away.out), "--via", "batch", "-m", "ollama/llama3")
    assert done.code == 2
    assert "ollama has no Batch API" in done.err


@pytest.mark.parametrize(
    ("model", "fact"),
    [
        ("anthropic/claude-haiku-5-5", "its batches (/v1/messages/batches) are of Anthropic's Messages"),
        ("fireworks/accounts/fireworks/models/x", "its batches are datasets and batchInferenceJobs"),
        ("openrouter/auto", "its batches (/api/v1/batches) take up to 5,000 requests inline"),
        ("deepseek/deepseek-chat", "OpenAI's files and batches; leave --via batch out"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--dry-run"]], ids=["run", "dry run"])
def test_a_provider_whose_api_is_of_another_shape_is_refused_with_that_fact(away, model, fact, more):
    away.rows("a")
    done = away.cli("batch", str(away.input), "-O", str(away.out), "--via", "batch", "-m", model, *more)
    assert (done.code, done.out) == (2, "")
    assert fact in done.err


@pytest.mark.parametrize("dress", ["shouting", "wrapped"])
def test_what_a_failed_batch_says_in_words_alone_is_shown(away, dress):
    away.provider.script = Script(ends=["failed"], dress=frozenset({dress}))
    away.rows("a")
    done = away()
    assert done.code == 65
    assert "the provider failed the batch of 1 row: This line is not parseable." in done.err


def test_two_requests_to_make_a_batch_have_one_key_of_idempotency(away):
    away.provider.script = Script(refuse={"create": {0: 503}})
    away.rows("a")
    assert away().code == 0
    keys = [
        headers["idempotency-key"]
        for method, path, headers in away.door.requests
        if (method, path) == ("POST", "/v1/batches")
    ]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_offline_models_rehearse_it(away):
    away.rows(*"abcd")
    assert away(model="offline/flaky?batch=expired&at=0.5").code == 0
    assert away.answers == expected(*"abcd")
    assert away.is_swept()


@pytest.mark.parametrize("more", [[], ["--dry-run"]], ids=["run", "dry run"])
@pytest.mark.parametrize("query", ["batch=nonsense", "batch=expired&at=2", "rate=7"])
def test_what_offline_models_cannot_rehearse_is_refused_before_a_row_goes(away, query, more):
    away.rows("a")
    done = away(*more, model=f"offline/flaky?{query}")
    assert (done.code, done.out) == (2, "")
    assert f"offline/flaky?{query}: rate is 0 to 1" in done.err
    assert not away.manifest.exists()


def test_a_row_of_an_offline_model_that_cannot_be_rehearsed_is_that_rows_failure(away):
    away.input.write_text('{"prompt":"a"}\n{"prompt":"b","model":"offline/flaky?batch=nonsense"}\n')
    assert away(model="offline/echo").code == 7
    assert [code for _, code in away.failures] == ["invalid_row"]
    assert away.is_swept()


def test_a_dry_run_says_how_many_files_and_what_is_away_and_sends_nothing(away):
    away.rows("a", "b")
    away("--no-wait")
    calls = away.provider.calls.total()
    shown = away("--dry-run")
    size = sum(len(file["data"]) for file in away.provider.files.values())
    assert shown.code == 0
    assert shown.out.splitlines()[-2:] == [
        f"via batch 1 file, {size} bytes",
        "away      2 rows in 1 batch (batch_2)",
    ]
    told = json.loads(away("--dry-run", "--json").out)
    assert told["away"] == {"rows": 2, "batches": ["batch_2"]}
    assert (told["files"], told["bytes"]) == (1, size)
    assert away.provider.calls.total() == calls


def test_a_dry_run_cuts_files_by_the_longest_answer_as_the_run_does(away):
    longest = {"b": 20_000_000}
    rows = [{"prompt": text, "max_tokens": longest.get(text, 1)} for text in "abcd"]
    away.input.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    told = json.loads(away("--dry-run", "--json").out)
    assert away("--no-wait").code == 75
    assert told["files"] == away.provider.created == 2


def test_a_dry_run_says_what_is_away_while_another_run_waits_for_it(away):
    away.rows("a", "b")
    away("--no-wait")
    waiting = Manifest(str(away.out))
    try:
        shown = away("--dry-run")
        assert (shown.code, shown.out.splitlines()[-1]) == (0, "away      2 rows in 1 batch (batch_2)")
        assert away("--dry-run", "--fresh").code == 2
        assert away().code == 75
    finally:
        waiting.release()


def test_two_models_are_two_files(away):
    away.input.write_text('{"prompt":"a","model":"one"}\n{"prompt":"b","model":"two"}\n')
    assert away().code == 0
    assert away.provider.created == 2
    assert [record["llmcli"]["model"] for record in records(away.out)] == ["openai/one", "openai/two"]


def test_rows_of_the_responses_api_are_a_file_of_their_own(away):
    away.provider.script = Script(answer=lambda body: (200, answered(body)))
    body = {"model": "tiny", "input": "a"}
    row = {"custom_id": "r", "method": "POST", "url": "/v1/responses", "body": body}
    away.input.write_text(json.dumps(row) + "\n")
    done = away()
    assert (done.code, records(away.out)[0]["llmcli"].get("api")) == (0, "responses"), done.err
    assert text_of(records(away.out)[0]) == "a!"


def answered(body: dict) -> dict:
    said = body["input"] if isinstance(body["input"], str) else body["input"][-1]["content"]
    said = said if isinstance(said, str) else said[0]["text"]
    part = {"type": "output_text", "text": f"{said}!", "annotations": []}
    message = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part]}
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    return {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "tiny",
        "output": [message],
        "usage": usage,
    }


def test_the_cost_is_that_of_the_batch_price(away):
    away.rows("a")
    away("--price", "1,1")
    assert records(away.out)[0]["llmcli"]["cost_usd"] == 12e-6


def test_a_model_without_a_known_batch_price_costs_null(away):
    away.rows("a")
    assert away().code == 0
    assert records(away.out)[0]["llmcli"]["cost_usd"] is None


def test_a_budget_counts_what_is_away_at_its_most(away):
    away.rows("a", "b", "c")
    first = away("--no-wait", "--price", "1000,1000", "-M", "2", "--max-cost", "0.022")
    assert first.code == 75
    assert "1 row is away in 1 batch; the next row may cost" in first.err
    assert away.provider.created == 1


def test_what_a_budget_has_left_when_rows_are_back_is_used_for_more(away):
    away.rows(*"abcdef")
    done = away("--price", "1000,1000", "-M", "8", "--max-cost", "0.06")
    assert (done.code, away.provider.billed) == (6, 4), done.err
    assert "on top of $0.048000" in done.err
    assert away.provider.created > 1
    assert away("--price", "1000,1000", "-M", "8", "--max-cost", "0.09").code == 0
    assert away.answers == expected(*"abcdef")


def test_while_rows_are_away_no_budget_has_the_last_word(away):
    away.rows(*"abcdef")
    money = ["--price", "1000,1000", "-M", "8", "--max-cost", "0.06"]
    assert away("--no-wait", *money).code == 75
    assert away("--no-wait", *money).code == 75


def test_a_budget_without_a_batch_price_is_refused(away):
    away.rows("a")
    done = away("--max-cost", "1")
    assert done.code == 2
    assert "the price of openai/tiny is not known" in done.err
    assert not away.provider.calls


def by_turn(*texts: str):
    """A model whose answers are these, one after the other; the last again and again."""
    left = list(texts)

    def answer(body: dict) -> tuple[int, dict]:
        said = left.pop(0) if len(left) > 1 else left[0]
        return echo_row({**body, "messages": [{"content": said}]})

    return answer


def test_an_answer_that_does_not_fit_is_repaired_live_and_shown_to_the_model(away):
    away.provider.script = Script(answer=by_turn("no", '{"a":1}'))
    away.rows("x")
    done = away("--schema", "a int", "--repair", "1", "--price", "1,1")
    assert done.code == 0, done.err
    assert "1 row of batches to be mended: live" in done.err
    record = records(away.out)[0]
    assert (text_of(record), record["llmcli"]["attempts"]) == ('{"a":1}', 2)
    assert record["llmcli"]["cost_usd"] == 24e-6
    assert (away.provider.created, away.provider.calls["live"]) == (1, 1)
    asked = next(json.loads(body)["messages"] for body in away.door.bodies if body.startswith(b'{"model"'))
    assert asked[-2] == {"role": "assistant", "content": "no"}
    assert away.is_swept()


def test_an_answer_that_does_not_fit_is_a_failure_without_repairs(away):
    away.provider.script = Script(answer=by_turn("no"))
    away.rows("x")
    assert away("--schema", "a int").code == 7
    assert away.failures == [("id of x", "invalid")]


def test_a_model_that_is_not_there_has_its_rows_asked_of_the_next(away):
    def answer(body: dict) -> tuple[int, dict]:
        if body["model"] == "tiny":
            return 404, {"error": {"message": "The model does not exist", "code": "model_not_found"}}
        return echo_row(body)

    away.provider.script = Script(answer=answer)
    away.rows("x", "y")
    done = away("--fallback", "other")
    assert done.code == 0, done.err
    assert away.answers == expected("x", "y")
    assert {record["llmcli"]["model"] for record in records(away.out)} == {"openai/other"}
    assert away.is_swept()


def test_the_records_of_ordered_come_in_order(away):
    away.rows(*"abcdef")
    assert away("--ordered").code == 0
    assert [record["llmcli"]["row"] for record in records(away.out)] == list(range(6))


def test_a_table_is_made_of_what_came(away):
    away.input.write_text('{"prompt":"a","n":1}\n{"prompt":"b","n":2}\n')
    out = away.home / "t.csv"
    where = ["--base-url", away.door.base_url, "-m", "tiny", "--via", "batch"]
    done = away.cli("batch", str(away.input), "-O", str(out), *where)
    assert done.code == 0, done.err
    assert out.read_text() == '"prompt","n","answer","error"\n"a","1","a",\n"b","2","b",\n'


def test_rows_known_by_a_column_come_back(away):
    away.input.write_text('{"prompt":"a","key":"k1"}\n{"prompt":"b","key":"k2"}\n')
    assert away("--id", "key", "--no-wait").code == 75
    away.input.write_text('{"prompt":"b","key":"k2"}\n{"prompt":"c","key":"k3"}\n{"prompt":"a","key":"k1"}\n')
    away.cli.clock.now += 100
    assert away("--id", "key").code == 0
    assert sorted(record["custom_id"] for record in records(away.out)) == ["k1", "k2", "k3"]
    assert away.provider.billed == 3


def test_rows_of_a_pipe_go_away_and_come_back(away):
    where = ["--base-url", away.door.base_url, "-m", "tiny", "--via", "batch", "-O", str(away.out)]
    away.provider.script = Script(ends=["expired", "completed"])
    done = away.cli("batch", *where, stdin=b'{"prompt":"a"}\n{"prompt":"b"}\n{"prompt":"c"}\n')
    assert done.code == 0, done.err
    assert sorted(text_of(record) for record in records(away.out)) == ["a", "b", "c"]


def test_duplicate_ids_of_the_user_are_two_rows(away):
    away.input.write_text('{"prompt":"a","custom_id":"same"}\n{"prompt":"b","custom_id":"same"}\n')
    assert away().code == 0
    assert sorted((r["custom_id"], text_of(r)) for r in records(away.out)) == [("same", "a"), ("same", "b")]


def test_a_bad_row_never_leaves_the_house(away):
    away.input.write_text('{"prompt":"a"}\nno json\n{"prompt":""}\n')
    assert away().code == 7
    assert [code for _, code in away.failures] == ["invalid_json", "invalid_row"]
    assert away.provider.billed == 1


def test_a_batch_of_another_key_is_not_submitted_again(away):
    away.rows("a")
    away("--no-wait")
    away.provider.batches.clear()
    done = away()
    assert done.code == 65
    assert "is it another key's" in done.err
    assert away.provider.created == 1
    recalled = away("--recall")
    assert (recalled.code, "1 row is open" in recalled.err) == (75, True)
    assert away().code == 0
    assert away.answers == expected("a")


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, 77, "HTTP 401"),
        (
            404,
            65,
            "has no Batch API that takes files: status 404 (HTTP 404, openai/tiny); leave --via batch out",
        ),
        (405, 65, "has no Batch API that takes files"),
        (501, 75, "has no Batch API that takes files"),
    ],
)
def test_rows_of_which_no_file_was_taken_are_open_again(away, status, code, words):
    away.provider.script = Script(refuse={"upload": {0: status}})
    away.rows("a", "b")
    done = away()
    assert (done.code, words in done.err) == (code, True), done.err
    assert (away.provider.calls["upload"], away.provider.calls["files"]) == (1, 0)
    assert not away.manifest.exists()
    assert away(via=False).code == 0
    assert away.answers == expected("a", "b")


def test_rows_that_no_server_was_there_for_are_open_again(away):
    away.rows("a")
    where = ["--base-url", "http://127.0.0.1:1/v1", "-m", "tiny", "--via", "batch"]
    done = away.cli("batch", str(away.input), "-O", str(away.out), *where)
    assert (done.code, "Connection refused" in done.err) == (75, True)
    assert not away.manifest.exists()
    assert away(via=False).code == 0


def test_a_limit_of_tokens_is_learned_and_waited_for(away):
    away.provider.script = Script(ends=["tokens", "completed"])
    away.rows("a", "b")
    done = away()
    assert done.code == 0, done.err
    assert "takes 100 enqueued tokens" in done.err
    assert (away.answers, away.provider.billed) == (expected("a", "b"), 2)


def test_cached_answers_are_not_sent_away(away):
    away.rows("a", "b")
    assert away("--cache").code == 0
    away.rows("a", "b", "c")
    assert away("--cache", "--fresh").code == 0
    assert away.answers == expected("a", "b", "c")
    assert away.provider.billed == 3


def test_a_budget_file_holds_the_most_until_the_batch_is_there_whoever_fetches_it(away, clock):
    away.rows("a", "b")
    purse = away.home / "purse.jsonl"
    money = ["--price", "1000,1000", "-M", "2", "--budget-file", str(purse), "--max-cost", "1"]
    assert away("--no-wait", *money).code == 75
    assert '"reserved"' in purse.read_text()
    clock.now += 100
    assert away("--no-wait", *money).code == 0
    lines = [json.loads(line) for line in purse.read_text().splitlines()]
    assert [line["cost_usd"] for line in lines] == [0.024]


def test_a_budget_file_that_is_used_up_sends_nothing(away):
    away.rows("a")
    money = [
        "--price",
        "1000,1000",
        "-M",
        "2",
        "--budget-file",
        str(away.home / "purse"),
        "--max-cost",
        "0.0001",
    ]
    assert away(*money).code == 6
    assert not away.provider.created
    assert away.is_swept()


def test_an_upload_whose_answer_gets_lost_on_a_connection_that_was_kept_open_is_not_sent_twice(away):
    away.provider.script = Script(ends=["expired", "completed"], lose={"upload": {1}, "create": {1}})
    away.rows("a", "b")
    assert away().code == 0
    assert (away.provider.calls["upload"], away.provider.calls["create"], away.provider.created) == (2, 2, 2)
    assert away.is_swept()


def test_rows_go_live_at_the_end_also_where_others_have_failed(away):
    away.provider.script = Script(ends=["expired"], shuffled=False)
    away.rows("status 400", "a", "b", "c")
    done = away("--finish", "live")
    assert done.code == 7, done.err
    assert away.answers == expected("a", "b", "c")
    assert "1 of 4 rows failed" in done.err


def test_only_the_first_rows_go_where_a_limit_says_so(away):
    away.rows("a", "b", "c")
    assert away("--limit", "2").code == 0
    assert away.answers == expected("a", "b")
    assert away().code == 0
    assert (away.answers, away.provider.billed) == (expected("a", "b", "c"), 3)


def test_a_row_that_changed_while_it_was_away_keeps_the_answer_that_was_paid_for(away, clock):
    away.rows("a", "b")
    away("--no-wait")
    away.input.write_text(away.input.read_text().replace('"prompt": "a"', '"prompt": "other"'))
    clock.now += 100
    changed = away()
    assert changed.code == 2
    assert "what it asks has changed since" in changed.err
    assert away.answers == expected("a", "b")
    assert away("--on-change", "rerun").code == 0
    assert text_of(next(r for r in records(away.out) if r["llmcli"]["row"] == 0)) == "other"


def test_files_are_kept_where_that_is_wanted(away):
    away.rows("a")
    assert away("--keep-files").code == 0
    assert len(away.provider.files) == 2
    assert not away.manifest.exists()


def test_a_row_that_two_batches_say_nothing_of_is_lost(away):
    away.provider.script = Script(missing=1, shuffled=False)
    away.rows("a", "b")
    done = away()
    assert done.code == 7
    assert "said nothing of id of a" in done.err
    assert (away.answers, away.failures) == (expected("b"), [("id of a", "lost")])


def test_the_live_run_that_leaves_rows_alone_names_the_command_that_fetches_them(away):
    away.rows("a")
    away("--no-wait")
    assert away(via=False).err.rstrip().endswith("--via batch")


@pytest.mark.parametrize(
    "dress",
    ["string", "bare", "unended", "empty", "twice", "strange", "zero", "plain", "shouting", "wrapped"],
)
def test_files_come_in_many_dresses(away, dress):
    away.provider.script = Script(dress=frozenset({dress}))
    away.rows("a", "b")
    assert away().code == 0
    assert away.answers == expected("a", "b")
    assert away.is_swept()


def test_half_live_then_away_then_live_then_fetched_each_row_is_there_once(away, clock):
    away.rows(*"abcdef")
    assert away("--limit", "2", via=False).code == 0
    assert away("--limit", "4", "--no-wait").code == 75
    assert away(via=False).code == 75
    assert away.answers == expected("a", "b", "e", "f")
    clock.now += 100
    assert away().code == 0
    assert away.answers == expected(*"abcdef")
    assert (away.provider.calls["live"], away.provider.billed) == (4, 2)


def test_a_key_that_a_batch_echoes_is_starred(away):
    def answer(body: dict) -> tuple[int, dict]:
        return echo_row({**body, "messages": [{"content": "sk-echoed-key"}]})

    away.provider.script = Script(answer=answer)
    away.rows("a", "status 400")
    away(env={"OPENAI_API_KEY": "sk-echoed-key"})
    assert b"sk-echoed-key" not in away.out.read_bytes()


def test_rows_that_offline_flaky_fails_in_one_batch_may_pass_in_the_next(away):
    away.rows(*[f"row {number}" for number in range(30)])
    assert away(model="offline/flaky?rate=0.3").code == 0
    assert len(away.answers) == 30
    assert away.is_swept()


def test_a_recall_that_leaves_nothing_open_is_0_also_where_rows_have_failed(away, clock):
    away.rows("a", "status 400")
    away("--no-wait")
    clock.now += 100
    assert away("--recall").code == 0
    assert (away.answers, away.failures) == (expected("a"), [("id of status 400", "rejected")])


def test_what_is_away_is_no_row_of_each_file(away):
    (away.home / "one.jsonl").write_text("text of one")
    out = str(away.home / "rows-of.jsonl")
    where = ["--base-url", away.door.base_url, "-m", "tiny", "--via", "batch", "-O", out]
    each = str(away.home / "*.jsonl")
    assert away.cli("batch", "--each", each, "--no-wait", *where).code == 75
    again = away.cli("batch", "--each", each, "--no-wait", *where)
    assert (again.code, away.provider.created) == (75, 1)
