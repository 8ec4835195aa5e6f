"""`llmcli batch` as a user types it: the whole stdout, stderr and exit code, and the files."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import server as wire
from tests.conftest import Cli, Result
from tests.server import Server

SCHEMA = '{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}'
TOOLS = '[{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}]'


@dataclass
class Batch:
    """Runs `llmcli batch` of rows in a scratch directory; `out` and `errors` are its files."""

    cli: Cli
    home: Path
    base_url: str = ""

    def __call__(self, rows: object, *argv: str, model: str = "offline/echo", **more: object) -> Result:
        """`rows`: objects, or the bytes of the input; None where the input is as it was."""
        if rows is not None:
            self.input.write_bytes(rows if isinstance(rows, bytes) else lines(rows))
        return self.cli("batch", "-q", "-m", model, str(self.input), "-O", str(self.out), *argv, **more)

    def ask(self, rows: object, *argv: str, **more: object) -> Result:
        """The same, of the misbehaving server, one request at a time."""
        return self(rows, "--base-url", self.base_url, *argv, **{"model": "tiny", **more})

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
    def answers(self) -> dict[int, str]:
        """Row to text, of OUT."""
        return {record["llmcli"]["row"]: text_of(record) for record in records(self.out)}

    @property
    def failures(self) -> dict[int, str]:
        """Row to code, of OUT.errors."""
        return {record["llmcli"]["row"]: record["error"]["code"] for record in records(self.errors)}


def lines(rows: object) -> bytes:
    return b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows)


def records(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def text_of(record: dict) -> str:
    return record["response"]["body"]["choices"][0]["message"]["content"]


def prompts(*texts: str) -> list[dict]:
    return [{"prompt": text} for text in texts]


def by_text(answers: dict[str, wire.Scenario | list[wire.Scenario]]) -> wire.Scenario:
    """A server that answers by the user's text: a list is played one by one, its last again and again; else an echo."""

    def choose(request: wire.Request) -> wire.Scenario:
        answer = answers.get(request.text, wire.echo)
        if isinstance(answer, list):
            return answer.pop(0) if len(answer) > 1 else answer[0]
        return answer

    return choose


def texts(server: Server) -> list[str]:
    return [request.text for request in server.requests]


@pytest.fixture
def batch(cli: Cli, tmp_path: Path, server: Server) -> Batch:
    return Batch(cli, tmp_path, server.base_url)


NOW = {"uniform": lambda low, _high: low}  # retries do not wait


# --- Rows and records ---------------------------------------------------------------------------------------


def test_records_go_to_stdout_and_a_summary_to_stderr(cli, tmp_path):
    source = tmp_path / "rows.jsonl"
    source.write_bytes(b'\xef\xbb\xbf{"prompt":"Hello"}\r\n\r\nnope\n{"custom_id":"b","prompt":"yes"}')
    assert cli("batch", "-m", "offline/echo", "--ordered", str(source)) == Result(
        7,
        '{"id":"batch_req_000000_0c6748a4064d0d07","custom_id":"row-0","response":{"status_code":200,'
        '"request_id":"chatcmpl-offline-0c6748a4064d0d07","body":{"id":"chatcmpl-offline-0c6748a4064d0d07",'
        '"object":"chat.completion","created":0,"model":"offline/echo","choices":[{"index":0,"message":{"role":'
        '"assistant","content":"Hello","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":'
        '{"prompt_tokens":8,"completion_tokens":1,"total_tokens":9},"system_fingerprint":"offline"}},"error":null,'
        '"llmcli":{"row":0,"attempts":1,"latency_ms":0.0,"cost_usd":0.0,"model":"offline/echo","at":"2026-11-20T12:00:00.000Z"}}\n'
        '{"id":"batch_req_000001_a58adaa3814409c4","custom_id":"row-1","response":null,"error":{"code":'
        '"invalid_json","message":"the line is not valid JSON: Expecting value: line 1 column 1 (char 0)"},'
        '"llmcli":{"row":1,"attempts":0,"latency_ms":null,"cost_usd":null,"model":null,"at":"2026-11-20T12:00:00.000Z"}}\n'
        '{"id":"batch_req_000002_2d34d54538c6bf60","custom_id":"b","response":{"status_code":200,'
        '"request_id":"chatcmpl-offline-2d34d54538c6bf60","body":{"id":"chatcmpl-offline-2d34d54538c6bf60",'
        '"object":"chat.completion","created":0,"model":"offline/echo","choices":[{"index":0,"message":{"role":'
        '"assistant","content":"yes","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":'
        '{"prompt_tokens":8,"completion_tokens":1,"total_tokens":9},"system_fingerprint":"offline"}},"error":null,'
        '"llmcli":{"row":2,"attempts":1,"latency_ms":0.0,"cost_usd":0.0,"model":"offline/echo","at":"2026-11-20T12:00:00.000Z"}}\n',
        "rows      3 done: 2 ok, 1 failed (1 invalid_json)\n"
        "requests  2 sent, 0 again, 0 refused with 429\n"
        "time      0.0 s, 3,000,000,000.0 rows/s\n"
        "latency   p50 0.0001 s, p95 0.0001 s, p99 0.0001 s\n"
        "tokens    16 in + 2 out\n"
        "cost      $0.000000\n"
        "bound by  input\n"
        "llmcli: partial: 1 of 3 rows failed\n",
    )


def test_the_body_is_what_the_server_sent_to_the_byte(batch, server):
    body = b'{"id": "x",  "choices":[{"message":{"content":"\\u00e9 \xc3\xa9"},"finish_reason":"stop"}], "big":1e400}'
    server.script = wire.reply(body.replace(b"1e400", b"123456789012345678901234567890") + b"\n")
    assert batch.ask(prompts("hi")) == Result(0, "", "")
    assert body.replace(b"1e400", b"123456789012345678901234567890") in batch.out.read_bytes()


def test_a_body_of_several_lines_is_one_line(batch, server):
    body = b'{"id":"x",\n"choices":[{"message":{"content":"a\\nb"},"finish_reason":"stop"}]}'
    server.script = wire.reply(body)
    assert batch.ask(prompts("hi")).code == 0
    assert batch.answers == {0: "a\nb"}


def test_a_failure_has_the_status_and_the_body(batch, server):
    server.script = wire.status(400)
    assert batch.ask(prompts("hi")).code == 7
    assert batch.out.read_bytes() == b""
    assert records(batch.errors) == [
        {
            "id": "batch_req_000000_24c7aff02560227b",
            "custom_id": "row-0",
            "response": {
                "status_code": 400,
                "request_id": "req_1",
                "body": wire.error("The server says 400.", kind="Bad Request"),
            },
            "error": {
                "code": "rejected",
                "message": "The server says 400. (HTTP 400, openai/tiny, request req_1); change the request",
            },
            "llmcli": {
                "row": 0,
                "attempts": 1,
                "latency_ms": None,
                "cost_usd": None,
                "model": "openai/tiny",
                "at": "2026-11-20T12:00:00.000Z",
            },
        }
    ]


@pytest.mark.parametrize(
    ("answer", "flags", "code", "exit_name"),
    [
        (wire.ok("cut", finish_reason="length"), (), "incomplete", "incomplete"),
        (wire.ok(refusal="I will not"), (), "refused", "refused"),
        (wire.ok("no JSON"), ("--json-mode",), "invalid", "invalid"),
        (wire.ok('{"a":"x"}'), ("--schema", SCHEMA), "invalid", "invalid"),
    ],
)
def test_an_answer_that_is_not_usable_is_a_failure_with_its_body(
    batch, server, answer, flags, code, exit_name
):
    server.script = answer
    assert batch.ask(prompts("hi"), *flags).code == 7
    [record] = records(batch.errors)
    assert (record["response"]["status_code"], record["error"]["code"]) == (200, code)
    assert record["response"]["body"]["choices"]
    assert record["llmcli"]["latency_ms"] == 0.0
    assert batch.ask(None, *flags, "--fresh", "--ok", exit_name).code == 0
    assert [len(records(path)) for path in (batch.out, batch.errors)] == [1, 0]


def test_repair_asks_again_and_the_record_has_the_last_answer(batch, server):
    server.script = [wire.ok("nothing"), wire.ok('{"a":1}')]
    assert batch.ask(prompts("hi"), "--schema", SCHEMA, "--repair", "1", "--price", "1,1").code == 0
    assert batch.answers == {0: '{"a":1}'}
    [record] = records(batch.out)
    assert record["llmcli"]["cost_usd"] > 2e-6


def test_calls_of_tools_are_the_answer(batch):
    assert batch(prompts("hi"), "--tools", TOOLS, "--tool-choice", "required").code == 0
    [call] = records(batch.out)[0]["response"]["body"]["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "weather"


def test_exec_is_refused(batch):
    assert batch(prompts("hi"), "--exec", "weather=cat").code == 2


def test_the_cache_answers_the_second_time_for_nothing(batch, server, tmp_path):
    kept = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    for flags in ((), ("--fresh",)):
        assert (
            batch.ask(prompts("hi", "hi"), "--cache", "-j", "1", "--price", "1,1", *flags, env=kept).code == 0
        )
    assert texts(server) == ["hi"]
    assert [record["llmcli"]["cost_usd"] for record in records(batch.out)] == [0.0, 0.0]


def test_what_was_recorded_is_replayed(batch, server, tmp_path):
    folder = str(tmp_path / "tape")
    assert batch.ask(prompts("a", "b"), "--record", folder).code == 0
    server.script = wire.status(500)
    assert batch.ask(None, "--replay", folder, "--fresh").code == 0
    assert batch.answers == {0: "a", 1: "b"}
    assert batch.ask(prompts("a", "b", "c"), "--replay", folder).code == 66


def test_the_next_model_takes_a_row_with_all_that_the_row_says(batch, server):
    server.script = lambda request: wire.status(404) if request.fields["model"] == "tiny" else wire.echo
    row = {"prompt": "hi", "temperature": 0.5, "max_tokens": 5, "system": "S"}
    assert batch.ask([row], "--fallback", "small", "--seed", "1").code == 0
    first, second = (request.json for request in server.requests)
    assert second == {**first, "model": "small"}
    [record] = records(batch.out)
    assert (record["llmcli"]["model"], record["llmcli"]["attempts"]) == ("openai/small", 2)


def test_a_row_may_name_another_model_and_provider(batch, server):
    rows = [{"prompt": "a"}, {"prompt": "b", "model": "large"}, {"prompt": "c", "model": "offline/echo"}]
    assert batch.ask(rows, "-j", "1").code == 0
    assert [request.fields["model"] for request in server.requests] == ["tiny", "large"]
    assert [record["llmcli"]["model"] for record in records(batch.out)] == [
        "openai/tiny",
        "openai/large",
        "offline/echo",
    ]


def test_a_template_takes_the_fields_of_a_row(batch):
    rows = [{"city": "Paris"}, {"town": "Rome"}]
    assert batch(rows, "-t", "Where is {{ city }}?").code == 7
    assert batch.answers == {0: "Where is Paris?"}
    [failure] = records(batch.errors)
    assert failure["error"] == {
        "code": "invalid_row",
        "message": "the template's variable city is not defined (-t, line 1, column 13); give it with -p NAME=VALUE",
    }


def test_duplicates_are_kept_apart(batch):
    rows = [{"custom_id": "a", "prompt": "x"}] * 3
    assert batch(rows).code == 0
    assert batch.answers == {0: "x", 1: "x", 2: "x"}


def test_bad_lines_are_records_and_the_run_goes_on(batch):
    rows = [
        b"\xff\xfe\n",
        b"[\n",
        b'{"prompt":"fine"}\n',
        b'{"prompt":"x","n":"y"}\n',
        b'{"custom_id":"u","prompt":"\xe9"}\n',
        b'{"prompt":"x","mine":' + b"[" * 600 + b"]" * 600 + b"}\n",
    ]
    assert batch(lines(rows)).code == 7
    assert batch.answers == {2: "fine"}
    assert batch.failures == {
        0: "invalid_json",
        1: "invalid_json",
        3: "invalid_row",
        4: "invalid_utf8",
        5: "invalid_json",
    }


def test_all_rows_bad(batch):
    assert batch(b"{}\n" * 1000) == Result(
        7,
        "",
        f"llmcli: partial: 1000 of 1000 rows failed; see {batch.errors}; to try them again:"
        f" llmcli batch -q -m offline/echo {batch.input} -O {batch.out} --retry-failed\n",
    )


@pytest.mark.parametrize("content", [b"", b"\n\r\n  \n", b"\xef\xbb\xbf"])
def test_no_rows_are_no_failure(batch, content):
    assert batch(content) == Result(0, "", "")
    assert batch.out.read_bytes() == batch.errors.read_bytes() == b""


def test_a_line_of_ten_megabytes(batch):
    assert batch.ask(prompts("x" * 10_000_000, "y")).code == 0
    assert {row: len(text) for row, text in batch.answers.items()} == {0: 10_000_000, 1: 1}


# --- The input ----------------------------------------------------------------------------------------------


def test_an_input_that_is_not_there(cli, tmp_path):
    missing = tmp_path / "none.jsonl"
    assert cli("batch", str(missing)) == Result(
        66, "", f"llmcli: no input: there is no file {missing}; check the path\n"
    )


@pytest.mark.parametrize("ours", ["out", "errors"])
def test_the_input_is_not_where_records_go(batch, ours):
    assert batch(prompts("hi")).code == 0
    path = getattr(batch, ours)
    before = path.read_bytes()
    result = batch.cli("batch", "-m", "offline/echo", str(path), "-O", str(batch.out))
    assert result == Result(
        2, "", f"llmcli: usage: INPUT is {path}, where records are written; choose another -O\n"
    )
    assert path.read_bytes() == before


def test_a_terminal_is_no_input(cli):
    assert cli("batch", "-m", "offline/echo") == Result(
        2, "", "llmcli: usage: there is no input; name a JSONL file, or pipe one in\n"
    )


@pytest.mark.parametrize("argv", [(), ("-",)])
def test_rows_come_on_stdin(cli, argv):
    result = cli("batch", "-q", "-m", "offline/echo", *argv, stdin=b'{"prompt":"a"}\n{"prompt":"b"}')
    assert (result.code, result.err) == (0, "")
    assert sorted(text_of(json.loads(line)) for line in result.out.splitlines()) == ["a", "b"]


def test_output_to_a_dash_is_stdout(cli):
    result = cli("batch", "-q", "-m", "offline/echo", "-O", "-", stdin=b'{"prompt":"a"}')
    assert (result.code, text_of(json.loads(result.out))) == (0, "a")


def test_what_a_flag_reads_from_stdin_is_no_rows(batch):
    assert batch(prompts("hi"), "-s", "@-", stdin=b"Be brief.").code == 0
    assert "Be brief." not in batch.out.read_text()
    result = batch.cli("batch", "-m", "offline/echo", "-s", "@-", stdin=b'{"prompt":"a"}')
    assert result == Result(
        2, "", "llmcli: usage: stdin brings the rows: nothing else can be read from it; name a file\n"
    )


def test_stdin_is_kept_until_all_rows_are_answered(cli, tmp_path):
    out, spool = tmp_path / "out.jsonl", tmp_path / "out.jsonl.stdin"
    command = ("batch", "-q", "-m", "offline/echo", "-O", str(out))
    rows = lines(prompts("a", "b", "c"))
    assert cli(*command, "--limit", "1", stdin=rows).code == 0
    assert (spool.read_bytes(), spool.stat().st_mode & 0o777) == (rows, 0o600)
    assert cli(*command, "--limit", "2").code == 0, "from a terminal: the copy is the input"
    assert cli(*command, stdin=b"").code == 0, "a pipe that brings nothing is none"
    assert [text_of(record) for record in records(out)] == ["a", "b", "c"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "config.toml",
        "out.errors.jsonl",
        "out.jsonl",
    ]


def test_a_copy_of_stdin_that_is_not_whole_is_no_input(cli, tmp_path):
    (tmp_path / "out.jsonl.stdin.part").write_bytes(b'{"prompt":"a"}\n')
    assert cli("batch", "-m", "offline/echo", "-O", str(tmp_path / "out.jsonl")) == Result(
        2, "", "llmcli: usage: stdin was cut off before its end; pipe the same rows in again\n"
    )
    part = tmp_path / "out.jsonl.stdin.part"
    nothing = cli("batch", "-q", "-m", "offline/echo", "-O", str(tmp_path / "out.jsonl"), stdin=b"")
    assert nothing == Result(
        2, "", "llmcli: usage: stdin was cut off before its end; pipe the same rows in again\n"
    )
    assert part.read_bytes() == b'{"prompt":"a"}\n'


# --- Resuming -----------------------------------------------------------------------------------------------


def test_the_same_command_again_sends_nothing(batch, server):
    server.script = by_text({"b": wire.status(400)})
    first = batch.ask(prompts("a", "b", "c"), "-j", "1")
    before = (batch.out.read_bytes(), batch.errors.read_bytes())
    assert batch.ask(None, "-j", "1") == first
    assert first.code == 7
    assert len(server.requests) == 3
    assert (batch.out.read_bytes(), batch.errors.read_bytes()) == before


def test_a_failure_that_may_pass_is_tried_again(batch, server):
    server.script = by_text({"a": [wire.status(500), wire.echo]})
    assert batch.ask(prompts("a", "b"), "--retries", "0").code == 7
    assert batch.ask(None, "--retries", "0").code == 0
    assert sorted(texts(server)) == ["a", "a", "b"]
    assert batch.errors.read_bytes() == b""


def test_final_failures_are_tried_again_on_demand(batch, server):
    server.script = by_text({"a": [wire.status(400), wire.echo]})
    assert batch.ask(prompts("a", "b")).code == 7
    assert batch.ask(None, "--retry-failed").code == 0
    assert sorted(texts(server)) == ["a", "a", "b"]
    assert batch.errors.read_bytes() == b""


def test_fresh_starts_over(batch, server):
    assert batch.ask(prompts("a")).code == 0
    assert batch.ask(None, "--fresh").code == 0
    assert texts(server) == ["a", "a"]


@pytest.mark.parametrize("flag", [("-j", "x"), ("--repair", "-1"), ("-t", "{{"), ("--schema", "{")])
def test_a_mistake_beside_fresh_costs_nothing(batch, flag):
    assert batch(prompts("a")).code == 0
    before = batch.out.read_bytes()
    assert batch(None, "--fresh", *flag).code == 2
    assert batch.out.read_bytes() == before


def test_rows_that_were_appended_are_sent(batch, server):
    assert batch.ask(prompts("a")).code == 0
    assert batch.ask(prompts("a", "b")).code == 0
    assert texts(server) == ["a", "b"]


def test_a_limit_and_then_more(batch, server):
    assert batch.ask(prompts("a", "b", "c"), "--limit", "1").code == 0
    assert batch.ask(None, "--limit", "2").code == 0
    assert batch.ask(None).code == 0
    assert texts(server) == ["a", "b", "c"]


def test_rows_that_changed_stop_the_run(batch, server):
    assert batch.ask(prompts("a", "b", "c"), "-j", "1").code == 0
    assert batch.ask(prompts("a", "B", "C"), "-j", "1") == Result(
        2,
        "",
        "llmcli: usage: row 1 is done, but what it asks has changed since (line 2); restore the input and flags,"
        " or say --on-change rerun|keep, or start over with --fresh\n",
    )
    assert len(server.requests) == 3
    assert batch.ask(None, "--on-change", "keep").code == 0
    assert len(server.requests) == 3
    assert batch.ask(None, "--on-change", "rerun", "--ordered").code == 0
    assert sorted(texts(server)[3:]) == ["B", "C"]
    assert batch.answers == {0: "a", 1: "B", 2: "C"}


def test_rows_beyond_the_limit_are_not_run_again(batch):
    assert batch.ask(prompts("a", "b")).code == 0
    assert batch.ask(prompts("A", "B"), "--on-change", "rerun", "--limit", "1").code == 0
    assert batch.answers == {0: "A", 1: "b"}


def test_rows_beyond_the_limit_keep_their_records(batch, server):
    server.script = by_text({"b": wire.status(500), "c": wire.status(400)})
    assert batch.ask(prompts("a", "b", "c"), "--retries", "0").code == 7
    assert batch.ask(None, "--retries", "0", "--limit", "1").code == 0
    assert (batch.answers, batch.failures) == ({0: "a"}, {1: "tempfail", 2: "rejected"})
    server.script = wire.echo
    assert batch.ask(None, "--retry-failed", "--limit", "2").code == 0
    assert (batch.answers, batch.failures) == ({0: "a", 1: "b"}, {2: "rejected"})


@pytest.mark.parametrize("flags", [("--seed", "1"), ("--retry-failed", "--seed", "1")])
def test_a_run_that_sends_nothing_leaves_the_failures(batch, server, flags):
    server.script = by_text({"b": wire.status(500), "c": wire.status(400)})
    assert batch.ask(prompts("a", "b", "c"), "--retries", "0", "-j", "1").code == 7
    before = batch.errors.read_bytes()
    assert batch.ask(None, *flags).code == 2
    assert batch.errors.read_bytes() == before
    assert len(server.requests) == 3


@pytest.mark.parametrize("flags", [("--retry-failed",), ("--on-change", "rerun", "--seed", "1")])
def test_a_run_that_is_refused_leaves_answers_and_failures(batch, server, flags):
    server.script = by_text({"b": wire.status(500), "c": wire.status(400)})
    assert batch.ask(prompts("a", "b", "c"), "--retries", "0").code == 7
    before = batch.out.read_bytes(), batch.errors.read_bytes()
    server.script = wire.status(401)
    assert batch.ask(None, *flags).code == 77
    assert (batch.out.read_bytes(), batch.errors.read_bytes()) == before


@pytest.mark.parametrize(
    ("flags", "model", "code"),
    [
        (("--temperature", "0.5"), "openai/o3", 2),
        ((), "gpt-4o-mini", 77),
        (("--max-cost", "0"), "gpt-4o-mini", 6),
    ],
)
def test_a_fresh_run_that_comes_to_nothing_leaves_what_is_there(batch, flags, model, code):
    assert batch(prompts("a", "b")).code == 0
    before = batch.out.read_bytes()
    result = batch(None, "--fresh", *flags, model=model)
    assert result.code == code
    assert batch.out.read_bytes() == before
    assert code == 2 or "to go on: " in result.err.partition(" --fresh")[0]


def test_a_fresh_run_of_no_rows_leaves_nothing(batch):
    assert batch(prompts("a")).code == 0
    assert batch(b"", "--fresh").code == 0
    assert batch.out.read_bytes() == b""


@pytest.mark.parametrize("stdin", [False, True])
def test_a_changed_row_stops_the_run_before_any_other_is_sent(batch, server, stdin):
    server.script = by_text({"a": wire.status(500)})
    assert batch.ask(prompts("a", "b"), "--retries", "0").code == 7
    given = {"stdin": lines(prompts("a", "B", "c"))} if stdin else {}
    batch.input.write_bytes(lines(prompts("a", "B", "c")))
    where = ("-O", str(batch.out), "-m", "tiny", "--base-url", batch.base_url)
    result = batch.cli("batch", "-q", "-" if stdin else str(batch.input), *where, **given)
    assert (result.code, len(server.requests)) == (2, 2)
    assert result.err.startswith(
        "llmcli: usage: row 1 is done, but what it asks has changed since (line 2); "
    )
    given = {"stdin": lines(prompts("a", "B", "c"))} if stdin else {}
    again = ("--on-change", "rerun", "--retries", "0")
    assert batch.cli("batch", "-q", "-" if stdin else str(batch.input), *where, *again, **given).code == 7
    assert (batch.answers, batch.failures) == ({1: "B", 2: "c"}, {0: "tempfail"})


def test_flags_that_change_the_body_are_a_change(batch):
    assert batch(prompts("a")).code == 0
    assert batch(None, "--seed", "1").code == 2
    assert batch(None, "--timeout", "5").code == 0


@pytest.mark.parametrize("path", ["out", "errors"])
def test_another_file_is_refused_as_it_is(batch, path):
    file = getattr(batch, path)
    file.write_bytes(b"my notes")
    assert batch(prompts("a")) == Result(
        2,
        "",
        f"llmcli: usage: {file} is no output of llmcli batch (line 1); choose another -O, or start over with --fresh"
        " (what is there will be lost)\n",
    )
    assert file.read_bytes() == b"my notes"


@pytest.mark.parametrize("device", ["/dev/full", "/dev/null", "/dev/stdout", "/dev/fd/1"])
def test_a_device_is_no_output(cli, device):
    assert cli("batch", "-m", "offline/echo", "-O", device, stdin=b"").code == 74


def test_order_in_the_files(batch, server):
    server.script = lambda request: wire.delayed(wire.echo, 0.0 if request.text != "0" else 0.2)
    assert batch.ask(prompts(*"0123"), "-j", "4", "--ordered").code == 0
    assert list(batch.answers) == [0, 1, 2, 3]


# --- The run ------------------------------------------------------------------------------------------------


def test_verbose_names_each_row_with_its_attempts_waits_and_request_ids(cli, tmp_path):
    source = tmp_path / "rows.jsonl"
    source.write_text('{"prompt":"a"}\n{"prompt":"b"}\n{}\n')
    flaky = "offline/flaky?rate=0.5&seed=3"
    done = cli("batch", "-v", "-j1", "-m", flaky, str(source), **NOW)
    assert sorted(line for line in done.err.splitlines() if " row " in line) == [
        "llmcli: row 0 (line 1): request chatcmpl-offline-e2d41c0e1eeb5b75, 1 attempt",
        "llmcli: row 1 (line 2): attempt 1 failed: offline/flaky fails this attempt on purpose"
        f" (HTTP 429, {flaky}, request offline-9457f4c6); try again later; next in 0.0 s",
        "llmcli: row 1 (line 2): request chatcmpl-offline-e66effb69262e815, 2 attempts",
        "llmcli: row 2 (line 3): failed: the row has no messages, no prompt and no body; with -t, any object is a row",
    ]
    flaky = "offline/flaky?rate=1&status=404"
    done = cli("batch", "-v", "--limit=1", "-m", flaky, "--fallback", "offline/echo", str(source), **NOW)
    assert done.err.splitlines()[:2] == [
        f"llmcli: row 0 (line 1): {flaky} cannot answer: offline/flaky fails this attempt on purpose"
        f" (HTTP 404, {flaky}, request offline-37e85457); check the model's name and the address",
        "llmcli: row 0 (line 1): request chatcmpl-offline-d897ca0719f0fcd7, 2 attempts",
    ]


def test_retries_go_before_new_rows_and_wait_without_a_slot(batch, server, clock):
    server.script = by_text({"a": [wire.status(500), wire.status(503), wire.echo]})
    assert batch.ask(prompts("a", "b", "c"), "-j", "1", **NOW).code == 0
    assert texts(server) == ["a", "a", "a", "b", "c"]
    assert batch.ask(prompts("a", "b"), "-j", "1", "--fresh").code == 0
    server.script = by_text({"x": [wire.status(500), wire.echo]})
    assert batch.ask(prompts("x", "y", "z"), "-j", "1", "--fresh").code == 0
    assert texts(server)[-4:] == ["x", "y", "z", "x"]
    assert clock.slept[-1] == 0.5


def test_a_kept_connection_that_the_server_closed_is_no_attempt(batch, server):
    server.script = wire.closing(wire.echo)
    rows = prompts(*(str(number) for number in range(100)))
    assert batch.ask(rows, "--retries", "0", "-j", "8").code == 0
    assert {record["llmcli"]["attempts"] for record in records(batch.out)} == {1}
    assert len(server.requests) == 100


def test_a_row_has_so_many_attempts_and_no_more(batch, server):
    server.script = wire.status(500)
    assert batch.ask(prompts("a"), "--retries", "2", **NOW).code == 7
    assert len(server.requests) == 3
    assert batch.failures == {0: "tempfail"}
    assert records(batch.errors)[0]["llmcli"]["attempts"] == 3


def test_a_429_is_no_attempt_and_is_waited_for_as_the_server_asks(batch, server, clock):
    refusal = wire.status(429, headers={"retry-after": "30"})
    server.script = by_text({"a": [refusal] * 6 + [wire.echo]})
    assert batch.ask(prompts("a"), "--retries", "0", "-j", "1", **NOW).code == 0
    assert len(server.requests) == 7
    assert clock.now >= 1000 + 6 * 30


@pytest.mark.parametrize("status", [429, 503])
def test_a_row_that_is_to_wait_for_a_day_is_tried_once_a_minute_as_long_as_there_is_patience(
    batch, server, clock, status
):
    server.script = by_text({"a": wire.status(status, headers={"retry-after": "86400"})})
    result = batch.ask(prompts("a", "b"), "-j", "1", **NOW)
    assert result.code == 75
    assert "nothing has got through for --patience, 600 s" in result.err
    assert "asks to wait 86400 s" in result.err
    assert (batch.answers, batch.failures) == ({1: "b"}, {})
    assert 1600 <= clock.now < 1700
    assert len(server.requests) <= 13
    server.script = wire.echo
    assert batch.ask(prompts("a", "b"), "-j", "1", **NOW).code == 0


def test_without_patience_a_row_that_is_to_wait_for_a_day_is_a_failure_to_be_retried(batch, server, clock):
    server.script = by_text({"a": wire.status(429, headers={"retry-after": "86400"})})
    assert batch.ask(prompts("a", "b"), "-j", "1", "--patience", "0", **NOW).code == 7
    assert (batch.answers, batch.failures) == ({1: "b"}, {0: "tempfail"})
    assert "asks to wait 86400 s" in records(batch.errors)[0]["error"]["message"]
    assert clock.now < 1060
    server.script = wire.echo
    assert batch.ask(prompts("a", "b"), "-j", "1", **NOW).code == 0


def test_a_429_uses_up_the_attempts_where_another_model_is_left(batch, clock):
    model = "offline/flaky?rate=1"
    assert (
        batch(prompts("a", "b", "c"), "--fallback", "offline/echo", "--retries", "0", model=model).code == 0
    )
    assert {record["llmcli"]["attempts"] for record in records(batch.out)} == {2}
    assert clock.now - 1000 < 10
    again = ("--fresh", "--fallback", model, "--retries", "2")
    assert batch(prompts("a"), *again, model="offline/flaky?rate=1&seed=2", **NOW).code == 7
    assert records(batch.errors)[0]["llmcli"]["attempts"] == 3 + 3, "a rehearsal waits for nobody"


def test_repairs_keep_to_the_rate(batch, server, clock):
    server.script = wire.ok("no JSON")
    flags = ("--schema", SCHEMA, "--repair", "3", "--rpm", "120")
    assert batch.ask(prompts(*"abcdef"), *flags).code == 7
    assert len(server.requests) == 24
    assert 11 < clock.now - 1000 < 13


@pytest.mark.parametrize(
    ("answer", "code", "name"),
    [(wire.quota(), 69, "quota"), (wire.status(401), 77, "auth"), (wire.status(403), 77, "auth")],
)
def test_what_no_row_would_survive_stops_the_run_which_can_be_resumed(batch, server, answer, code, name):
    server.script = by_text({"a": answer})
    result = batch.ask(prompts("a", "b", "c"), "-j", "1")
    assert result.code == code
    assert result.err.startswith(f"llmcli: {name}: ")
    assert result.err.endswith(
        f"to go on: llmcli batch -q -m tiny {batch.input} -O {batch.out} --base-url {batch.base_url} -j 1\n"
    )
    assert (batch.answers, batch.failures) == ({}, {})
    server.script = wire.echo
    assert batch.ask(None, "-j", "1").code == 0
    assert texts(server) == ["a", "a", "b", "c"]


@pytest.mark.parametrize(
    ("answer", "code", "name"),
    [(wire.quota(), 69, "quota"), (wire.status(402), 69, "quota"), (wire.status(401), 77, "auth")],
)
def test_a_key_or_a_credit_that_dies_stops_the_run_with_the_twentieth_failure(
    batch, server, answer, code, name
):
    server.script = [*[wire.echo] * 3, answer]
    rows = prompts(*(f"row {number}" for number in range(60)))
    assert batch.ask(rows, "-j", "1").code == code
    assert (len(batch.answers), batch.failures) == (3, dict.fromkeys(range(3, 23), name))
    assert len(server.requests) == 23
    server.script = wire.echo
    assert batch.ask(None, "-j", "1").code == 0
    assert (len(batch.answers), batch.failures) == (60, {}), "the same command asks them again"


def test_a_key_that_is_refused_for_one_row_fails_that_row_alone_and_is_asked_again(batch, server):
    server.script = by_text({"b": wire.status(401)})
    result = batch.ask(prompts("a", "b", "c"), "-j", "1")
    assert (result.code, batch.answers, batch.failures) == (7, {0: "a", 2: "c"}, {1: "auth"})
    assert "--retry-failed" not in result.err
    server.script = wire.echo
    assert batch.ask(None, "-j", "1").code == 0
    assert texts(server) == ["a", "b", "c", "b"]


@pytest.mark.parametrize("own", [0, 1])
def test_a_row_whose_own_provider_has_no_key_fails_alone(batch, own):
    rows = prompts("a", "b", "c")
    rows[own]["model"] = "mistral/mistral-large-latest"
    assert batch(rows, "-j", "1").code == 7
    assert (set(batch.answers), batch.failures) == ({0, 1, 2} - {own}, {own: "auth"})


def test_a_fallback_without_a_key_stops_the_run(batch):
    flags = ("--fallback", "mistral/mistral-large-latest")
    assert batch(prompts("a", "b"), *flags, model="offline/flaky?rate=1&status=404").code == 77
    assert (batch.answers, batch.failures) == ({}, {})


def test_enough_failures_stop_the_run(batch, server):
    server.script = wire.status(400)
    result = batch.ask(prompts(*"abcdef"), "--max-failures", "2", "-j", "1")
    assert result.code == 7
    assert result.err.startswith("llmcli: partial: 2 rows failed, and --max-failures is 2; see ")
    assert len(server.requests) == 2


def test_flags_that_the_model_rejects_send_nothing(batch):
    assert batch(prompts("a", "b"), "--temperature", "0.5", model="openai/o3") == Result(
        2,
        "",
        "llmcli: usage: o3 is a reasoning model and rejects temperature (only 1); drop it, or choose another model\n",
    )
    assert not batch.errors.exists()
    assert not batch.out.exists()
    assert batch(None, "--temperature", "0.5", "--dry-run", model="openai/o3").code == 2


def test_a_deadline(batch, server):
    server.script = by_text({"b": wire.hang()})
    result = batch.ask(prompts("a", "b"), "-j", "1", "--deadline", "0.5")
    assert result.code == 124
    assert "to go on: llmcli batch" in result.err
    assert (batch.answers, batch.failures) == ({0: "a"}, {})


def test_a_timeout_is_of_one_attempt(batch, server):
    server.script = by_text({"a": [wire.hang(), wire.echo]})
    assert batch.ask(prompts("a", "b"), "--timeout", "0.2", "-j", "1", **NOW).code == 0
    assert sorted(texts(server)) == ["a", "a", "b"]


# --- Money --------------------------------------------------------------------------------------------------

PRICE = ("--price", "0,1000000")  # $1 for each token of an answer
ONE = wire.ok("x", usage=wire.usage(1, 1))


def test_no_row_is_begun_that_may_pass_the_sum(batch, server):
    server.script = ONE
    result = batch.ask(prompts(*"abcdef"), *PRICE, "-M", "2", "--max-cost", "4", "-j", "4")
    assert result.code == 6
    assert result.err.startswith(
        "llmcli: budget: the next row may cost $2.000000 on top of $3.000000, and --max-cost is $4.000000"
    )
    assert len(server.requests) == 3
    assert server.peak <= 2
    assert batch.ask(None, *PRICE, "-M", "2", "--max-cost", "4", "-j", "4").code == 6
    assert len(server.requests) == 3, "what was spent before counts"
    assert batch.ask(None, *PRICE, "-M", "2", "--max-cost", "8", "-j", "4").code == 0


def test_a_sum_that_is_little_is_not_shown_as_nothing(batch, server):
    server.script = ONE
    result = batch.ask(prompts("a"), "--price", "0,0.05", "-M", "2", "--max-cost", "0.00000008")
    assert result.code == 6
    assert result.err.startswith(
        "llmcli: budget: the next row may cost $0.0000001 on top of $0.000000, and --max-cost is $0.00000008"
    )


@pytest.mark.parametrize(
    ("reply", "body"), [("<p>Hello</p>", "<p>Hello</p>"), ({"choices": []}, {"choices": []}), ("", "")]
)
def test_a_reply_that_is_no_answer_is_kept_with_the_failure(batch, server, reply, body):
    server.script = wire.reply(reply)
    assert batch.ask(prompts("a"), "--retries", "0").code == 7
    response = records(batch.errors)[0]["response"]
    assert (response["status_code"], response["body"]) == (200, body)


@pytest.mark.parametrize("again", ["--retry-failed", "--on-change=rerun"])
def test_what_a_row_cost_before_it_is_asked_again_is_not_forgotten(batch, server, again):
    server.script = wire.ok("no JSON", usage=wire.usage(1, 1))
    money = (*PRICE, "-M", "1", "--schema", SCHEMA, "--max-cost", "3")
    for run in range(4):
        rows = prompts(f"run {run}" if again == "--on-change=rerun" else "same")
        assert batch.ask(rows, *money, again).code == (7 if run < 3 else 6)
        assert run == 3 or records(batch.errors)[0]["llmcli"]["cost_usd"] == run + 1.0
    assert len(server.requests) == 3


def test_an_answer_without_usage_is_taken_to_cost_the_worst(batch, server):
    server.script = wire.ok("x", usage=None)
    assert batch.ask(prompts(*"abc"), *PRICE, "-M", "2", "--max-cost", "4", "-j", "1").code == 6
    assert len(server.requests) == 2
    assert {record["llmcli"]["cost_usd"] for record in records(batch.out)} == {None}


def test_repairs_are_in_the_reserve(batch, server):
    server.script = wire.ok("no JSON", usage=wire.usage(1, 2))
    flags = (*PRICE, "-M", "2", "--schema", SCHEMA, "--repair", "2", "-j", "1")
    assert batch.ask(prompts("a"), *flags, "--max-cost", "5").code == 6
    assert server.requests == []
    assert batch.ask(None, *flags, "--max-cost", "6").code == 7
    assert records(batch.errors)[0]["llmcli"]["cost_usd"] == 6.0


def test_a_price_that_nobody_knows_sends_nothing(batch, server):
    assert batch.ask(prompts("a"), "--max-cost", "1") == Result(
        2,
        "",
        "llmcli: usage: a budget cannot hold: the price of openai/tiny is not known; give it with --price IN,OUT"
        " ($ per million tokens) or [prices] in the config file\n",
    )
    assert server.requests == []
    assert not batch.errors.exists()
    assert not batch.out.exists()


@pytest.mark.parametrize("own", [0, 2])
def test_a_price_that_nobody_knows_of_a_rows_own_model_fails_that_row(batch, own):
    rows = prompts("a", "b", "c")
    rows[own]["model"] = "openai/unheard-of"
    assert batch(rows, "-M", "5", "--max-cost", "1", "-j", "1").code == 7
    assert (set(batch.answers), batch.failures) == ({0, 1, 2} - {own}, {own: "invalid_row"})


def test_a_budget_file_is_shared(batch, server, tmp_path):
    server.script = ONE
    money = ("--budget-file", str(tmp_path / "budget.jsonl"), *PRICE, "-M", "2", "--max-cost", "4")
    assert batch.ask(prompts(*"abcdef"), *money, "-j", "4").code == 6
    assert len(server.requests) == 3
    assert batch.ask(None, *money, "--fresh", "-j", "4").code == 6
    assert len(server.requests) == 3


def test_what_a_row_cost_before_its_repair_failed_is_in_its_record(batch, server):
    server.script = [ONE, wire.status(500), ONE, wire.status(400)]
    wishes = ("--schema", "name", "--repair", "1", "-j", "1")
    result = batch.ask(prompts("a"), *wishes, *PRICE, **NOW)
    assert result.code == 7
    assert json.loads(batch.errors.read_text())["llmcli"]["cost_usd"] == 2.0


def test_a_repair_that_meets_the_budget_was_paid_for(batch, server, tmp_path):
    server.script = ONE
    asked = ("--base-url", server.base_url, "-m", "tiny", *PRICE, "-M", "2", "--max-cost", "4")
    budget = ("--budget-file", str(tmp_path / "budget.jsonl"))
    for _ in range(2):
        assert batch.cli("ask", *asked, *budget, "--no-stdin", "x").code == 0
    batch.input.write_bytes(lines(prompts("a")))
    result = batch.cli(
        "batch", str(batch.input), *asked, *budget, "--schema", "name", "--repair", "1", "-O", str(batch.out)
    )
    assert result.code == 6
    assert "\ncost      $1.000000\n" in result.err


# --- Nothing sent -------------------------------------------------------------------------------------------

MIXED = [{"prompt": "a"}, {"prompt": [5]}, {"messages": [{"role": "user", "content": "b"}], "max_tokens": 10}]


def test_a_dry_run_counts_and_prices(batch):
    assert batch(MIXED, "--dry-run", model="gpt-4o-mini") == Result(
        0,
        "rows      3\n"
        "invalid   1\n"
        "tokens    16\n"
        "cost      $0.000002 for the prompts, $0.009839 at most\n"
        "batch API $0.000001 for the prompts, $0.004919 at most\n",
        "",
    )
    assert not batch.out.exists()
    result = batch(None, "--dry-run", "--format", "json", model="gpt-4o-mini")
    assert json.loads(result.out) == {
        "rows": 3,
        "invalid": 1,
        "tokens": 16,
        "method": "exact",
        "cost_usd": {"input": 2.4e-06, "output_max": 0.0098364, "total_max": 0.0098388},
        "batch_cost_usd": {"input": 1.2e-06, "output_max": 0.0049182, "total_max": 0.0049194},
    }


def test_count_counts_the_rows_of_a_file(batch):
    batch.input.write_bytes(lines(MIXED))
    command = ("count", "-m", "gpt-4o-mini", "--rows", str(batch.input))
    noted = "llmcli: 1 of 3 rows are invalid and not counted (-v names them)\n"
    assert batch.cli(*command) == Result(0, "16\n", noted)
    assert batch.cli(*command, "-q", "-s", "Be brief.", "-t", "{{ prompt }}").code == 0
    assert json.loads(batch.cli(*command, "--json").out) == json.loads(
        batch(None, "--dry-run", "--format", "json", model="gpt-4o-mini").out
    )
    assert batch.cli(*command, "--format", "jsonl", "-q").out.splitlines() == [
        (
            '{"row":0,"custom_id":"row-0","model":"openai/gpt-4o-mini","tokens":8,"method":"exact",'
            '"cost_usd":{"input":1.2e-6,"output_max":0.0098304,"total_max":0.0098316},"error":null}'
        ),
        (
            '{"row":1,"custom_id":"row-1","model":null,"tokens":null,"method":null,'
            '"cost_usd":{"input":null,"output_max":null,"total_max":null},"error":{"code":"invalid_row",'
            '"message":"the row has no messages, no prompt and no body; with -t, any object is a row"}}'
        ),
        (
            '{"row":2,"custom_id":"row-2","model":"openai/gpt-4o-mini","tokens":8,"method":"exact",'
            '"cost_usd":{"input":1.2e-6,"output_max":6e-6,"total_max":7.2e-6},"error":null}'
        ),
    ]
    assert batch.cli(*command, "-u", "-v") == Result(
        0,
        "16\n",
        "llmcli: row 1 (line 2): the row has no messages, no prompt and no body; with -t, any object is a row\n"
        f"{noted}usage: 16 in, $0.000002; answers at most $0.009836; total at most $0.009839, 3 rows\n",
    )
    for wrong in (["hello"], ["--raw"], ["--truncate", "5"], ["--split", "5"]):
        assert batch.cli(*command, *wrong).code == 2
    assert batch.cli("count", "--rows", str(batch.home / "none")).code == 66


def test_many_rows_are_counted_as_one_by_one(cli):
    rows = lines(prompts(*(f"row number {number}" for number in range(2000))))
    total = int(cli("count", "-m", "gpt-4o-mini", "--rows", "-", stdin=rows).out)
    each = cli("count", "-m", "gpt-4o-mini", "--rows", "-", "--format", "jsonl", stdin=rows).out.splitlines()
    counted = [json.loads(line) for line in each]
    assert [record["row"] for record in counted] == list(range(2000))
    assert sum(record["tokens"] for record in counted) == total


@pytest.mark.parametrize("flag", ["--fresh", "--retry-failed"])
def test_flags_of_a_resume_need_an_output_file(cli, tmp_path, flag):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt":"hi"}\n')
    assert cli("batch", str(rows), "-m", "offline/echo", flag) == Result(
        2, "", f"llmcli: usage: {flag} without an output file; name it with -O\n"
    )


def test_failures_that_are_tried_anyway_need_no_other_command(cli, tmp_path):
    rows, out = str(tmp_path / "rows.jsonl"), str(tmp_path / "o.jsonl")
    Path(rows).write_text('{"prompt":"hi"}\n')
    argv = ["batch", rows, "-q", "-m", "offline/flaky?rate=1&status=500", "-O", out, "--retries", "0"]
    command = shlex.join(["llmcli", *argv])
    failed = f"1 of 1 rows failed; see {tmp_path}/o.errors.jsonl"
    assert cli(*argv) == Result(7, "", f"llmcli: partial: {failed}; to try them again: {command}\n")


def test_a_tool_choice_holds_for_the_tools_of_a_row(batch):
    tools = [json.loads(TOOLS)[0]]
    wrapped = [{"type": "function", "function": tools[0]}]
    assert batch([{"prompt": "x", "tools": wrapped}], "--tool-choice", "weather").code == 0
    [record] = records(batch.out)
    assert record["response"]["body"]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("flag", ["--max-turns", "--tool-timeout"])
def test_a_flag_that_would_do_nothing_in_a_batch_is_not_taken(cli, flag):
    assert cli("batch", flag, "3", stdin=b'{"prompt":"x"}').code == 2


def test_a_broken_template_file_is_named_as_in_ask(cli, tmp_path):
    (tmp_path / "bad.tpl").write_text("{{ x")
    flags = ("-m", "offline/echo", "-t", f"@{tmp_path}/bad.tpl")
    batch, ask = cli("batch", *flags, stdin=b'{"prompt":"x"}'), cli("ask", *flags, "hi")
    assert batch == ask
    assert (ask.code, f"({tmp_path}/bad.tpl, line 1" in ask.err) == (2, True)


def test_a_profile_is_not_blamed_for_what_a_file_says(cli, config, tmp_path):
    config.write_text("[profiles.p]\nsystem = 'hello'\n")
    (tmp_path / "talk").write_text('[{"role":"hello","content":"x"}]')
    result = cli("ask", "--profile", "p", "--messages", str(tmp_path / "talk"), "hi")
    assert (result.code, "profiles" in result.err) == (2, False)
