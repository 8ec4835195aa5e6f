"""A server that falls silent in the middle of an answer: what was shown decides."""

from __future__ import annotations

import json

from tests import server as wire
from tests.conftest import Result
from tests.server import chunk

WAIT = ("--timeout", "0.3", "--retries", "0")
PART = wire.stall(wire.events([chunk("Hel", role="assistant"), chunk("lo", finish_reason="stop")]), -120)
SAID = "llmcli: incomplete: the answer broke off: nothing more came within 0.3 s (openai/tiny, request req_1)"


def test_a_stall_after_text_was_shown_is_an_answer_that_broke_off(ask, server):
    server.script = PART
    result = ask(*WAIT, "hi")
    assert (result.code, result.out) == (3, "Hel\n")
    assert result.err == f"{SAID}; raise --timeout or try again later\n"


def test_in_a_chat_too(cli, server):
    server.script = PART
    result = cli("chat", "--base-url", server.base_url, "-m", "tiny", *WAIT, stdin=b"hi\n")
    assert (result.code, result.out) == (3, "Hel\n")
    assert result.err.startswith(SAID)


def test_a_stall_before_any_text_is_tempfail_and_tried_again(ask, server):
    quiet = wire.stall(wire.events([chunk("", role="assistant"), chunk("Hello", finish_reason="stop")]), -120)
    server.script = [quiet, wire.ok("Hello")]
    assert ask("--timeout", "0.3", "--retries", "1", "hi") == Result(0, "Hello\n", "")
    server.script = quiet
    result = ask(*WAIT, "hi")
    assert (result.code, result.out) == (75, "")
    assert "no answer within 0.3 s" in result.err


def test_an_unstreamed_answer_that_stalls_is_tempfail(ask, server):
    server.script = wire.stall(wire.ok("Hello"), 40)
    result = ask(*WAIT, "--no-stream", "hi")
    assert (result.code, result.out) == (75, "")


def test_a_streamed_row_that_stalls_is_asked_again(cli, server):
    server.script = [PART, wire.ok("Hello")]
    argv = ("--base-url", server.base_url, "-m", "tiny", "--stream", "--timeout", "0.3")
    result = cli("batch", *argv, stdin=b'{"prompt":"hi"}\n')
    assert (result.code, len(server.requests)) == (0, 2)
    assert json.loads(result.out)["response"]["body"]["choices"][0]["message"]["content"] == "Hello"


def test_a_row_that_stalls_for_good_is_a_timeout(cli, server):
    server.script = PART
    argv = ("--base-url", server.base_url, "-m", "tiny", "--stream", "-q", "--patience", "0", *WAIT)
    result = cli("batch", *argv, stdin=b'{"prompt":"hi"}\n')
    assert result.code == 7
    assert json.loads(result.out)["error"]["code"] == "tempfail"


def test_a_head_that_is_too_long_is_said_to_be(ask, server):
    server.script = wire.raw(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 400_000 + b"\r\n\r\n")
    result = ask("--retries", "0", "hi")
    assert result.code == 75
    assert "the reply cannot be read: (" not in result.err
    assert "the reply cannot be read:  (" not in result.err


def test_tokens_that_no_answer_tells_of_are_unknown_to_the_summary(cli, server):
    server.script = wire.ok("Hello", usage=None)
    result = cli("batch", "--base-url", server.base_url, "-m", "tiny", stdin=b'{"prompt":"hi"}\n')
    assert "\ntokens    unknown\n" in result.err
