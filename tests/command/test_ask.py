"""`llmcli ask` as a user types it: the whole stdout, stderr and exit code."""

from __future__ import annotations

from tests import server as wire
from tests.conftest import Result


def test_the_embedded_provider_echoes(cli):
    assert cli("ask", "-m", "offline/echo", "hello", "there") == Result(0, "hello there\n", "")


def test_a_streamed_answer_and_its_usage_line(ask, server):
    server.script = wire.ok("Hello!", usage=wire.usage(12, 34))
    assert ask("-u", "hi") == Result(
        0,
        "Hello!\n",
        "usage: 12 in (0 cached) + 34 out (0 reasoning) = 46 tokens, price unknown, 0.00 s, openai/tiny\n",
    )


def test_a_rate_limit_is_waited_for_as_the_server_asks(ask, server, clock):
    server.script = [wire.status(429, headers={"retry-after": "7"}), wire.status(500), wire.ok("Done")]
    assert ask("hi").out == "Done\n"
    assert clock.slept == [7.0, 1.0]
