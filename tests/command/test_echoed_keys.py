"""An answer that echoes the key: it is starred wherever it would come out, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import server as wire
from tests.conftest import Result

KEY = "sk-secret-0123456789"
ENV = {"OPENAI_API_KEY": KEY}


@pytest.mark.parametrize(
    "flags", [[], ["--json"], ["--format", "events"], ["--format", "jsonl"], ["--reasoning"]]
)
@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_an_echoed_key_is_in_no_output(ask, server, flags, stream, size):
    server.script = wire.ok(f"my key is {KEY}, isn't it: {KEY}", size=size, reasoning=f"{KEY}?")
    result = ask(stream, *flags, "x", env=ENV)
    assert result.code == 0
    assert KEY not in result.out + result.err
    assert flags[:1] == ["--format"] or "my key is ***, isn't it: ***" in result.out


@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
def test_an_echoed_key_is_in_no_call(ask, server, stream):
    calls = [wire.call("f", {"key": KEY}, "call_1"), wire.call("g", {"key": KEY[:9]}, "call_2")]
    server.script = wire.ok(tool_calls=calls, size=3)
    lines = ask(stream, "x", env=ENV).out.splitlines()
    assert [json.loads(line)["arguments"] for line in lines] == [{"key": "***"}, {"key": "sk-secret"}]


@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
def test_an_echoed_key_is_in_no_cache_and_no_record(ask, server, tmp_path, stream):
    server.script = wire.ok(f"my key is {KEY}", size=3)
    ask(
        stream,
        "--cache",
        "--record",
        str(tmp_path / "record"),
        "x",
        env={**ENV, "XDG_CACHE_HOME": str(tmp_path)},
    )
    files = [path for path in Path(tmp_path).rglob("*") if path.is_file() and path.name != "config.toml"]
    assert files
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def test_an_echoed_key_is_in_no_record_of_a_batch(cli, server, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "a"}\n{"prompt": "b"}\n')
    escaped = wire.dumps(f"my key is {KEY}").replace(b"sk-", b"\\u0073k-")
    body = b'{"choices": [{"message": {"content": %b}, "finish_reason": "stop"}]}' % escaped
    server.script = lambda request: wire.ok(f"my key is {KEY}") if request.text == "a" else wire.reply(body)
    out = tmp_path / "out.jsonl"
    argv = ("batch", str(rows), "--base-url", server.base_url, "-m", "tiny", "-O", str(out), "-q")
    assert cli(*argv, env=ENV).code == 0
    texts = [
        json.loads(line)["response"]["body"]["choices"][0]["message"]["content"]
        for line in out.read_text().splitlines()
    ]
    assert texts == ["my key is ***"] * 2


@pytest.mark.parametrize("text", ["asks", "sk-secret", "sk-secret-012345678", "ss", "sk-sk-sk-", "s\nk"])
@pytest.mark.parametrize("size", [1, 2, 100])
def test_the_beginning_of_a_key_is_no_key(ask, server, text, size):
    server.script = wire.ok(text, size=size)
    assert ask("x", env=ENV) == Result(0, f"{text}\n", "")


def test_only_what_may_be_the_beginning_of_the_key_is_held_back(ask, server):
    server.script = wire.events(
        [wire.chunk("many words"), wire.chunk(", a sk"), wire.chunk("y", finish_reason="stop"), wire.DONE]
    )
    lines = [json.loads(line) for line in ask("--format", "events", "x", env=ENV).out.splitlines()]
    deltas = [line["choices"][0]["delta"]["content"] for line in lines[:-1]]
    assert deltas == ["many word", "s, a ", "sky"]


def test_what_was_held_back_is_shown_where_the_stream_breaks(ask, server):
    server.script = wire.events([wire.chunk("many words")])
    result = ask("x", env=ENV)
    assert (result.code, result.out) == (3, "many words\n")


def test_what_was_held_back_is_shown_before_an_error(ask, server):
    server.script = wire.events([wire.chunk("many words"), {"error": {"message": "It broke."}}])
    result = ask("x", env=ENV)
    assert (result.code, result.out) == (75, "many words\n")


def test_a_key_that_goes_on_behind_the_finish_is_not_whole(ask, server):
    events = [wire.chunk(f"my {KEY[:12]}"), wire.chunk(finish_reason="stop"), wire.chunk(KEY[12:]), wire.DONE]
    server.script = wire.events(events)
    assert KEY not in ask("--json", "--stream", "x", env=ENV).out


@pytest.mark.parametrize("key", ["x", "e", "exceeds"])
def test_a_short_key_is_not_starred_out_of_texts(ask, server, key):
    server.script = wire.status(400, {"error": {"message": "it exceeds the limit", "code": "exceeds"}})
    assert "it exceeds the limit" in ask("x", env={"OPENAI_API_KEY": key}).err
    server.script = wire.ok("it exceeds")
    assert ask("x", env={"OPENAI_API_KEY": key}).out == "it exceeds\n"


@pytest.mark.parametrize("key", ["insufficient_quota", "error", "exceeded", "message", "choices"])
def test_bodies_are_read_before_anything_is_starred(ask, server, key):
    server.script = wire.quota()
    assert ask("x", env={"OPENAI_API_KEY": key}).code == 69
    server.script = wire.ok("Hello")
    assert ask("x", env={"OPENAI_API_KEY": key}) == Result(0, "Hello\n", "")


@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
def test_a_character_in_two_halves_is_whole(ask, server, stream):
    server.script = wire.events([wire.chunk("a\ud83d"), wire.chunk("\ude00b"), wire.DONE])
    assert ask(stream, "x", env=ENV).out == "a\N{GRINNING FACE}b\n"
