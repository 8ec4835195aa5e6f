"""Replies that are odd in one thing: how they are packed, what an index is, where an image is."""

from __future__ import annotations

import gzip
import json

import pytest

from tests import server as wire
from tests.conftest import Result

HOW = pytest.mark.parametrize("how", ["--stream", "--no-stream"])
URL = "https://example.com/a.png"
ANSWER = {"choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}]}
PACKED = {
    "snappy": (b"\xff\x06", "it is not known here"),
    "gzip": (b"nonsense", "Error -3"),
    "gzip, snappy": (b"nonsense", "it is not known here"),
    "br": (b"nonsense", "brotli"),
    "zstd": (b"nonsense", "zstd"),
}


@HOW
@pytest.mark.parametrize("encoding", PACKED)
def test_a_reply_that_cannot_be_unpacked_is_no_broken_connection(ask, server, encoding, how):
    body, why = PACKED[encoding]
    server.script = wire.reply(body, headers={"content-encoding": encoding})
    result = ask(*([how] if how == "--no-stream" else []), "--retries", "0", "x")
    assert (result.code, result.out) == (75, "")
    said = f"llmcli: tempfail: the reply, packed as {encoding}, cannot be unpacked: "
    assert result.err.startswith(said)
    assert why in result.err
    assert result.err.endswith("; have the server, or a proxy before it, send it plain or as gzip\n")


def test_a_row_whose_reply_cannot_be_unpacked_says_so(cli, server):
    server.script = wire.reply(gzip.compress(b"{}")[:-3], headers={"content-encoding": "gzip"})
    argv = ["batch", "--base-url", server.base_url, "-m", "tiny", "--retries", "0"]
    result = cli(*argv, stdin=b'{"prompt":"x"}\n')
    message = json.loads(result.out)["error"]["message"]
    assert message.startswith("the reply, packed as gzip, cannot be unpacked: it is not whole (HTTP 200")


@HOW
@pytest.mark.parametrize("index", ["0", 0.0, " 0 "])
def test_an_index_that_is_a_number_in_another_dress_is_that_number(ask, server, index, how):
    choice = {"index": index, "message": {"content": "Hello"}, "finish_reason": "stop"}
    server.script = wire.reply({"choices": [choice]})
    if how == "--stream":
        delta = {"index": index, "delta": {"content": "Hello"}}
        server.script = wire.events(
            [{"choices": [delta]}, {"choices": [{"index": index, "finish_reason": "stop"}]}, wire.DONE]
        )
    flags = [how] if how == "--no-stream" else []
    assert ask(*flags, "x") == Result(0, "Hello\n", "")
    assert json.loads(ask(*flags, "--json", "x").out)["choices"][0]["index"] == 0


def test_calls_whose_indexes_are_strings_are_told_apart(ask, server):
    def piece(index: str, **function: str):
        return {
            "choices": [{"index": "0", "delta": {"tool_calls": [{"index": index, "function": function}]}}]
        }

    end = {"choices": [{"index": "0", "delta": {}, "finish_reason": "tool_calls"}]}
    pieces = [
        piece("0", name="f"),
        piece("1", name="g"),
        piece("0", arguments="{}"),
        piece("1", arguments="{}"),
    ]
    server.script = wire.events([*pieces, end, wire.DONE])
    tools = [{"type": "function", "function": {"name": name}} for name in "fg"]
    result = ask("--tools", json.dumps(tools), "x")
    assert [json.loads(line)["name"] for line in result.out.splitlines()] == ["f", "g"]
    assert [json.loads(line)["arguments"] for line in result.out.splitlines()] == [{}, {}]


@pytest.mark.parametrize("index", ["x", [0], 0.5, "-"])
def test_an_index_that_is_no_number_is_no_answer(ask, server, index):
    choice = {"index": index, "message": {"content": "Hello"}, "finish_reason": "stop"}
    server.script = wire.reply({"choices": [choice]})
    assert ask("--no-stream", "--retries", "0", "x").code == 75


IMAGE = {"type": "image_url", "image_url": {"url": URL}}
MESSAGES = {
    "beside no text": ({"content": "", "images": [IMAGE]}, f"{URL}\n"),
    "twice": ({"content": None, "images": [IMAGE, IMAGE]}, f"{URL}\n"),
    "in the content": ({"content": [IMAGE]}, f"{URL}\n"),
    "beside a text": ({"content": "Here.", "images": [IMAGE]}, f"Here.\n{URL}\n"),
    "that the text names": ({"content": f"![a]({URL})", "images": [IMAGE]}, f"![a]({URL})\n"),
    "as the API of images has it": ({"content": "", "images": [{"url": URL}]}, f"{URL}\n"),
}


@HOW
@pytest.mark.parametrize("what", MESSAGES)
def test_an_image_that_is_only_an_address_is_printed_as_that(ask, server, tmp_path, what, how):
    message, shown = MESSAGES[what]
    server.script = wire.reply({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    if how == "--stream":
        choices = [{"index": 0, "delta": message}, {"index": 0, "delta": {}, "finish_reason": "stop"}]
        server.script = wire.events([*({"choices": [choice]} for choice in choices), wire.DONE])
    flags = [how] if how == "--no-stream" else []
    assert ask(*flags, "x") == Result(0, shown, "")
    assert ask(*flags, "-O", str(tmp_path / "out"), "x") == Result(0, "", "")
    assert (tmp_path / "out").read_text() == shown


@pytest.mark.parametrize("what", MESSAGES)
def test_an_image_that_is_only_an_address_is_a_rows_text(cli, server, what):
    message, shown = MESSAGES[what]
    server.script = wire.reply({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    argv = ["--base-url", server.base_url, "-m", "tiny"]
    row = cli("batch", *argv, "--format", "csv", stdin=b'{"prompt":"x"}\n')
    assert row.out == f'"prompt","answer"\n"x","{shown.rstrip()}"\n'
    assert cli("chat", *argv, stdin=b"x\n").out == shown
