"""`--max-reply`: what one reply may be, in every command that calls, streamed or not."""

from __future__ import annotations

import gzip

import pytest

from tests.command.test_batch import batch, prompts, records  # noqa: F401 - a fixture
from tests.server import Request, Scenario, chunk, echo, events, reply

FLAGS = ("--max-reply", "1000", "--retries", "0")
LONG = "the reply is longer than 1000 bytes (--max-reply)"
PACKED = reply(gzip.compress(b" " * 1_000_000), headers={"content-encoding": "gzip"})
LISTS = [
    ("ask", "Hi", "--base-url", "URL", "-m", "tiny", *FLAGS),
    ("ask", "Hi", "--base-url", "URL", "-m", "tiny", "--no-stream", *FLAGS),
    ("chat", "--base-url", "URL", "-m", "tiny", *FLAGS),
    ("chat", "--base-url", "URL", "-m", "tiny", "--no-stream", *FLAGS),
    ("models", "--live", "--base-url", "URL", "--max-reply", "1000"),
]


@pytest.mark.parametrize("argv", LISTS, ids=" ".join)
def test_an_answer_beyond_it_is_a_failure_that_names_the_flag(cli, server, argv):
    server.script = server.models = PACKED
    words = [server.base_url if word == "URL" else word for word in argv]
    result = cli(*words, stdin=None if argv[0] == "ask" else b"Hi\n")
    assert (result.code, result.out) == (75, "")
    assert LONG in result.err
    assert "raise --max-reply" in result.err


def test_a_stream_beyond_it_shows_what_came(ask, server):
    server.script = events([chunk("x" * 100)] * 50)
    result = ask("Hi", *FLAGS)
    assert result.code == 3
    assert 100 < len(result.out) < 1_000
    assert LONG in result.err


@pytest.mark.parametrize("flags", [(), ("--stream",)])
def test_a_row_beyond_it_is_that_rows_failure(batch, server, flags):  # noqa: F811
    server.script = _long_for_a
    assert batch.ask(prompts("a", "b"), *flags, "-j", "1", *FLAGS).code == 7
    assert batch.answers == {1: "b"}
    (failed,) = records(batch.errors)
    assert LONG in failed["error"]["message"]


def test_how_much_may_be_said_in_models_only_with_live(cli):
    assert cli("models", "--max-reply", "1000").code == 2
    assert cli("ask", "-m", "offline/echo", "--max-reply", "0", "Hi").code == 2
    assert cli("ask", "-m", "offline/echo", "--max-reply", str(10**30), "Hi").code == 0


def _long_for_a(request: Request) -> Scenario:
    return PACKED if request.text == "a" else echo


def test_a_stream_beyond_it_names_what_helps_behind_its_text(ask, server):
    server.script = events([chunk("x" * 100)] * 50)
    assert ask("Hi", *FLAGS).err.endswith("; raise --max-reply, if so long a reply is right\n")
