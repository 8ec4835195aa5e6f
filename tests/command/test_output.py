"""What comes out: the answer and nothing else on stdout, people's words on stderr."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from pathlib import Path

import pytest

from tests import server as wire
from tests.conftest import KEY, Result

ENVELOPE = ["provider", "model", "usage", "cost_usd", "latency_ms", "ttft_ms", "attempts", "cached"]
BOTH = pytest.mark.parametrize("flag", ["--stream", "--no-stream"])


# --- Text ---------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("text", ["Hi", "Hi\n", "Hi\n\n\n", "\n", "", None, "a\r\n", "\n\na", " a "])
def test_text_ends_in_exactly_one_newline(ask, server, flag, text):
    server.script = wire.ok(text, size=1)
    shown = (text or "").rstrip("\n") + "\n"
    assert ask(flag, "--stop", "x", "x") == Result(0, shown, "")  # which an empty answer is due to


@BOTH
@pytest.mark.parametrize("text", ["Hi", "Hi\n\n", "", "a\0b"])
def test_null_ends_an_answer_and_leaves_it_alone(ask, server, flag, text):
    server.script = wire.ok(text, size=1)
    assert ask(flag, "-0", "--stop", "x", "x") == Result(0, text + "\0", "")


@pytest.mark.parametrize("flags", [[], ["-0"], ["--tools", '[{"name":"f"}]'], ["--json", "--stream"]])
def test_an_answer_of_text_and_of_parts_is_shown_once_and_whole(ask, server, flags):
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}
    contents = ["", [thought], [{"type": "text", "text": "Hel"}], "lo", [{"type": "text", "text": "!"}]]
    server.script = wire.events([*map(wire.chunk, contents), wire.chunk(finish_reason="stop"), wire.DONE])
    result = ask(*flags, "x")
    assert (result.code, result.err) == (0, "")
    if "--json" in flags:
        parts = json.loads(result.out)["choices"][0]["message"]["content"]
        assert parts == [thought, *({"type": "text", "text": text} for text in ("Hel", "lo", "!"))]
    else:
        assert result.out == ("Hello!\0" if "-0" in flags else "Hello!\n")


@pytest.mark.parametrize("flags", [[], ["-0"], ["-x"], ["--json", "--stream"]])
def test_a_character_that_is_cut_in_two_is_put_together(ask, server, flags):
    halves = ["a\ud83d", "\ude00b", "\ud83d", "", "\ude00"]
    server.script = wire.events([*map(wire.chunk, halves), wire.chunk(finish_reason="stop"), wire.DONE])
    result = ask(*flags, "x")
    text = json.loads(result.out)["choices"][0]["message"]["content"] if "--json" in flags else result.out
    assert text.rstrip("\n\0") == "a😀b😀"


def test_half_a_character_that_stays_one_is_replaced(ask, server):
    server.script = wire.events([*map(wire.chunk, ["a\ud83d", "b\ud83d"]), wire.DONE])
    assert ask("x") == Result(0, "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}\n", "")


@BOTH
def test_answers_come_in_index_order(ask, server, flag):
    server.script = wire.ok(["one\n", "two\nlines\n\n", ""], size=2)
    stop = ("--stop", "x")  # which an empty answer is due to
    assert ask(flag, "--n", "3", *stop, "x") == Result(0, "one\ntwo\nlines\n\n", "")
    assert ask(flag, "--n", "3", *stop, "-0", "x") == Result(0, "one\n\0two\nlines\n\n\0\0", "")


def test_choices_in_any_order_are_sorted(ask, server):
    def choice(index: int) -> dict:
        return {
            "index": index,
            "message": {"role": "assistant", "content": str(index)},
            "finish_reason": "stop",
        }

    server.script = wire.reply({"choices": [choice(2), choice(0), choice(1)]})
    assert ask("x") == Result(0, "0\n1\n2\n", "")


@BOTH
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Here:\n```python\nprint()\n\n```\nand\n```\nno\n```", "print()\n"),
        ("~~~\na\n~~~", "a\n"),
        ("````md\n```\nx\n```\n````", "```\nx\n```\n"),
        ("```\nnever closed", "never closed\n"),
        ("```\r\na\r\n```\r\nb\r\n", "a\r\n"),
        ("  ```\na\n  ```", "a\n"),
        ("no code `here`", "no code `here`\n"),
        ("```\n```", "\n"),
        ("```inline``` is code\n```\na\n```", "a\n"),
        ("~~~`a` b\na\n~~~", "a\n"),
    ],
)
def test_extract_prints_the_first_code_block(ask, server, flag, text, code):
    server.script = wire.ok(text)
    assert ask(flag, "-x", "x") == Result(0, code, "")


@BOTH
def test_tool_calls_are_json_lines(ask, server, flag):
    calls = [wire.call("f", {"a": "\u00e9"}), wire.call("g", "", "call_2")]
    server.script = wire.ok("Let me see.", tool_calls=calls)
    assert ask(flag, "--tools", '[{"name":"f"},{"name":"g"}]', "x") == Result(
        0,
        '{"id":"call_1","name":"f","arguments":{"a":"\u00e9"}}\n{"id":"call_2","name":"g","arguments":{}}\n',
        "llmcli: Let me see.\n",
    )


@BOTH
def test_null_ends_each_tool_call(ask, server, flag):
    server.script = wire.ok(tool_calls=[wire.call("f", {"a": 1}), wire.call("g", {}, "call_2")])
    assert ask(flag, "-0", "--tools", '[{"name":"f"},{"name":"g"}]', "x") == Result(
        0,
        '{"id":"call_1","name":"f","arguments":{"a":1}}\0{"id":"call_2","name":"g","arguments":{}}\0',
        "",
    )


@BOTH
def test_a_refusal_goes_to_stderr(ask, server, flag):
    server.script = wire.ok(refusal="I cannot do that.")
    result = ask(flag, "x")
    assert result.out == ""
    assert "the model refused: I cannot do that. (openai/tiny, request req_1)" in result.err


# --- Terminals ----------------------------------------------------------------------------------------------

ESCAPES = "\x1b[31mred\x1b]0;title\x07\x9b1m\x7f\u202e\rback\ttab"


@BOTH
def test_control_characters_are_shown_on_a_terminal(ask, server, flag):
    server.script = wire.ok(ESCAPES, size=1)
    assert ask(flag, "x", terminal=True) == Result(
        0, "^[[31mred^[]0;title^G<U+009B>1m^?<U+202E>^Mback\ttab\n", ""
    )


@BOTH
def test_control_characters_go_through_a_pipe(ask, server, flag):
    server.script = wire.ok(ESCAPES, size=1)
    assert ask(flag, "x") == Result(0, ESCAPES + "\n", "")


@pytest.mark.parametrize("shape", ["json", "jsonl", "events"])
def test_json_on_a_terminal_escapes_what_a_terminal_obeys(ask, server, shape):
    server.script = wire.ok(ESCAPES)
    out = ask("--format", shape, "x", terminal=True).out
    assert not set(out) & set("\x1b\x07\x9b\x7f\u202e\r")
    last = json.loads(out if shape == "json" else out.splitlines()[-1])
    assert last["choices"][0]["message"]["content"] == ESCAPES


def test_reasoning_and_errors_on_a_terminal(ask, server):
    server.script = wire.ok("Hi", reasoning="\x1b[2J")
    assert ask("--reasoning", "x", terminal=True) == Result(0, "Hi\n", "^[[2J\n")
    server.script = wire.status(400, wire.error("\x1b[2Jbad"))
    assert "\x1b" not in ask("x", terminal=True).err


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_nothing_is_coloured(ask, env):
    for argv in (["x"], ["--json", "x"], ["-u", "-v", "x"], ["--help"]):
        for terminal in (False, True):
            result = ask(*argv, terminal=terminal, env=env)
            assert "\x1b" not in result.out + result.err


# --- Records ------------------------------------------------------------------------------------------------


@pytest.fixture
def scripted(server):
    server.script = wire.ok("Hi there", usage=wire.usage(1, 2), logprobs=False)
    return server


def test_json_is_the_completion_and_one_key(ask, scripted):
    result = ask("--json", "x")
    assert (result.code, result.err) == (0, "")
    answer = json.loads(result.out)
    assert list(answer) == ["id", "object", "created", "model", "choices", "usage", "llmcli"]
    assert list(answer["llmcli"]) == ENVELOPE
    assert answer["llmcli"] == {
        "provider": "openai",
        "model": "tiny",
        "usage": wire.usage(1, 2),
        "cost_usd": None,
        "latency_ms": 0.0,
        "ttft_ms": None,
        "attempts": 1,
        "cached": False,
    }
    assert "stream" not in scripted.requests[0].json


@pytest.mark.usefixtures("scripted")
def test_json_and_format_json_are_the_same(ask):
    one, other = json.loads(ask("--json", "x").out), json.loads(ask("--format", "json", "x").out)
    assert one | {"id": 0} == other | {"id": 0}


@pytest.mark.usefixtures("scripted")
def test_jsonl_is_json_on_one_line(ask):
    out = ask("--format", "jsonl", "x").out
    assert out.count("\n") == 1
    assert json.loads(out)["llmcli"]["usage"] == wire.usage(1, 2)


@pytest.mark.parametrize(
    "scenario",
    [{}, {"n": 2}, {"tool_calls": [wire.call("f", {"a": 1})]}, {"refusal": "No"}, {"reasoning": "Hm"}],
)
def test_a_streamed_answer_folds_into_the_unstreamed_one(ask, server, scenario):
    server.script = wire.ok(**{"text": "Hi there", "usage": wire.usage(1, 2)} | scenario)
    whole, folded = (json.loads(ask("--json", flag, "x").out) for flag in ("--no-stream", "--stream"))
    events = [json.loads(line) for line in ask("--format", "events", "x").out.splitlines()]
    for answer in (whole, folded, events[-1]):
        answer.pop("id")
        answer["llmcli"].pop("ttft_ms")
        for choice in answer["choices"]:  # null and absent are the same
            choice["message"] = {key: value for key, value in choice["message"].items() if value is not None}
            choice.pop("logprobs", None)
    assert whole == folded == events[-1]
    assert {event["object"] for event in events[:-1]} == {"chat.completion.chunk"}


@pytest.mark.usefixtures("scripted")
def test_events_without_a_stream_are_the_completion_alone(ask):
    assert ask("--format", "events", "--no-stream", "x").out.count("\n") == 1


def test_an_unusable_answer_is_a_record_too(ask, server):
    server.script = wire.ok("par", finish_reason="length")
    result = ask("--format", "jsonl", "x")
    assert result.code == 3
    assert json.loads(result.out)["choices"][0]["finish_reason"] == "length"


def test_attempts_are_counted(ask, server):
    server.script = [wire.status(500), wire.ok("Hi")]
    assert json.loads(ask("--json", "x").out)["llmcli"]["attempts"] == 2


# --- Files --------------------------------------------------------------------------------------------------


def test_output_goes_to_a_file_and_nowhere_else(ask, server, tmp_path):
    server.script = wire.ok(ESCAPES)
    path = tmp_path / "out"
    assert ask("-O", str(path), "x", terminal=True) == Result(0, "", "")
    assert path.read_bytes().decode() == ESCAPES + "\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_output_keeps_the_mode_of_a_file(ask, tmp_path):
    path = tmp_path / "out"
    path.write_text("old")
    path.chmod(0o640)
    assert ask("-O", str(path), "x").code == 0
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("x\n", 0o640)


def test_output_follows_a_link(ask, tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    assert ask("-O", str(tmp_path / "link"), "x").code == 0
    assert (tmp_path / "real").read_text() == "x\n"
    assert (tmp_path / "link").is_symlink()


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="needs a second file system")
def test_output_follows_a_link_to_another_file_system(ask, tmp_path):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as there:
        (tmp_path / "link").symlink_to(f"{there}/real")
        assert ask("-O", str(tmp_path / "link"), "x") == Result(0, "", "")
        assert Path(there, "real").read_text() == "x\n"


def test_output_dash_is_stdout(ask):
    assert ask("-O", "-", "x") == Result(0, "x\n", "")


@pytest.mark.parametrize("old", [None, "old"])
@pytest.mark.parametrize(
    "scenario",
    [
        wire.ok("par", finish_reason="length"),
        wire.status(400),
        wire.ok("part", error={"message": "x"}, after=1),
    ],
)
def test_output_is_as_it_was_after_a_failure(ask, server, tmp_path, old, scenario):
    folder = tmp_path / "folder"
    folder.mkdir()
    if old:
        (folder / "out").write_text(old)
    server.script = scenario
    result = ask("--retries", "0", "-O", str(folder / "out"), "x")
    assert result.code != 0
    assert result.out == ""
    assert {path.name: path.read_text() for path in folder.iterdir()} == ({"out": old} if old else {})


def test_output_is_real_where_the_exit_is_accepted(ask, server, tmp_path):
    server.script = wire.ok("par", finish_reason="length")
    assert ask("--ok", "incomplete", "-O", str(tmp_path / "out"), "x").code == 0
    assert (tmp_path / "out").read_text() == "par\n"


@pytest.mark.parametrize("name", ["no/out", "."])
def test_output_that_cannot_be_written_is_said_before_anything_is_sent(ask, server, tmp_path, name):
    result = ask("-O", str(tmp_path / name), "x")
    assert (result.code, result.out, server.requests) == (74, "", [])


TOOL = '[{"name": "weather"}]'


# --- What had come ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "chunks", "out"),
    [
        (["--n", "2"], [wire.chunk("a"), wire.chunk("b", index=1), wire.chunk("c")], "ac\nb\n"),
        (["--n", "2"], [wire.chunk("b", index=1)], "b\n"),
        (["--tools", TOOL], [wire.chunk("Hel"), wire.chunk("lo")], "Hello\n"),
        (["-x"], [wire.chunk("So:\n```sh\nls\n")], "ls\n"),
        (["-0"], [wire.chunk("one\n")], "one\n\0"),
    ],
)
def test_what_had_come_is_shown_when_the_call_fails(ask, server, argv, chunks, out):
    server.script = wire.events([*chunks, {"error": {"message": "boom"}}])
    result = ask(*argv, "hi")
    assert (result.code, result.out) == (75, out)
    assert result.err.startswith("llmcli: tempfail: the endpoint reported an error: boom")


def test_code_in_a_list_loses_the_indentation_of_its_fence(ask, server):
    server.script = wire.ok("1. So:\n   ```py\n   if x:\n     y\n\n   ```\n2. Then")
    assert ask("-x", "hi").out == "if x:\n  y\n"


# --- Usage --------------------------------------------------------------------------------------------------


@BOTH
def test_a_usage_line_with_a_known_price(cli, server, flag):
    server.script = wire.ok("Hello!", usage=wire.usage(12, 34))
    result = cli("ask", "--base-url", server.base_url, "-m", "gpt-4o-mini", flag, "-u", "x", env=KEY)
    assert result == Result(
        0,
        "Hello!\n",
        "usage: 12 in (0 cached) + 34 out (0 reasoning) = 46 tokens, $0.000022, 0.00 s, openai/gpt-4o-mini\n",
    )


def test_a_usage_line_with_cached_and_reasoning_tokens(cli, server):
    server.script = wire.ok("Hi", usage=wire.usage(1000, 100, cached=400, reasoning=60))
    result = cli("ask", "--base-url", server.base_url, "-m", "gpt-4o-mini", "-u", "x", env=KEY)
    assert result.err == (
        "usage: 1000 in (400 cached) + 100 out (60 reasoning) = 1100 tokens, $0.000180, 0.00 s, openai/gpt-4o-mini\n"
    )


def test_a_usage_line_with_a_price_of_the_users(ask, server, config):
    config.write_text("[prices.tiny]\nin = 1\nout = 10\n")
    server.script = wire.ok("Hi", usage=wire.usage(1000, 100))
    assert "= 1100 tokens, $0.002000, " in ask("-u", "x").err


def test_a_usage_line_without_usage(ask, server):
    server.script = wire.ok("Hi", usage=None)
    assert ask("-u", "x") == Result(0, "Hi\n", "usage: tokens unknown, price unknown, 0.00 s, openai/tiny\n")


@pytest.mark.parametrize(
    "counts",
    [
        {},
        {"total_tokens": None},
        {"prompt_tokens": None, "completion_tokens": None, "total_tokens": 0},
        {"prompt_tokens": "many", "completion_tokens": True},
    ],
)
@BOTH
def test_usage_that_counts_nothing_is_unknown(cli, server, flag, counts):
    server.script = wire.ok("Hi", usage=counts)
    argv = ("-m", "gpt-4o-mini", "--base-url", server.base_url, flag)
    result = cli("ask", "-u", *argv, "x", env=KEY)
    assert result.err == "usage: tokens unknown, cost unknown, 0.00 s, openai/gpt-4o-mini\n"
    record = json.loads(cli("ask", "--json", *argv, "x", env=KEY).out)["llmcli"]
    assert (record["usage"], record["cost_usd"]) == (None, None)


@BOTH
def test_usage_of_other_numbers_is_told_as_it_is_charged(cli, server, flag):
    server.script = wire.ok(
        "Hi", usage={"prompt_tokens": 1000.0, "completion_tokens": -5, "total_tokens": "1000"}
    )
    argv = ("-m", "gpt-4o-mini", "--base-url", server.base_url, flag)
    assert cli("ask", "-u", *argv, "x", env=KEY).err == (
        "usage: 1000 in + 0 out = 1000 tokens, $0.000150, 0.00 s, openai/gpt-4o-mini\n"
    )


def test_a_usage_line_of_an_unusable_answer(ask, server):
    server.script = wire.ok("par", finish_reason="length", usage=wire.usage(1, 2))
    result = ask("-u", "x")
    assert result.err.splitlines()[0].startswith("usage: 1 in (0 cached) + 2 out")


def test_an_event_without_data_is_no_event(ask, server):
    server.script = wire.events(
        [b"data:\n\n", wire.chunk("Hi"), b"data: \n\n", wire.chunk(finish_reason="stop")]
    )
    lines = ask("--format", "events", "x").out.splitlines()
    assert [next(iter(json.loads(line))) for line in lines] == ["id"] * 3


@pytest.mark.usefixtures("scripted")
def test_a_usage_file_gets_one_line_each(ask, tmp_path):
    path = tmp_path / "usage.jsonl"
    for _ in range(3):
        assert ask("--usage-file", str(path), "x") == Result(0, "Hi there\n", "")
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 3
    assert all(line.endswith(b"\n") and list(json.loads(line)) == ENVELOPE for line in lines)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


# --- What people are told -----------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_is_shown_on_stderr_where_asked_for(ask, server, flag, name):
    server.script = wire.ok("Hi", reasoning="Let me\nthink", reasoning_field=name)
    assert ask(flag, "x") == Result(0, "Hi\n", "")
    assert ask(flag, "--reasoning", "x") == Result(0, "Hi\n", "Let me\nthink\n")


def test_quiet_leaves_errors_only(ask, server, cli):
    server.script = wire.ok("Hi", reasoning="Hm")
    assert ask("-q", "-u", "-v", "--reasoning", "x") == Result(0, "Hi\n", "")
    assert cli("ask", "-q", "--dry-run", "-m", "ollama/x", "--user", "u", "x").err == ""


def test_verbose_adds_attempts_waits_and_request_ids(ask, server):
    server.script = [wire.status(500), wire.ok("Hi")]
    assert ask("-v", "x") == Result(
        0,
        "Hi\n",
        "llmcli: attempt 1 failed: The server says 500. (HTTP 500, openai/tiny, request req_1);"
        " try again later; next in 0.5 s\nllmcli: request req_2, 2 attempts\n",
    )
    assert ask("-v", "x").err == "llmcli: request req_3, 1 attempt\n"


def test_a_model_that_will_be_shut_down(cli, server):
    result = cli("ask", "--base-url", server.base_url, "-m", "o3", "x", env=KEY)
    assert result == Result(0, "x\n", "llmcli: warning: openai/o3 will be shut down on 2026-12-11\n")
