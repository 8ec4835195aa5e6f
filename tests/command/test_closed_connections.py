"""Servers that close connections between two requests: no attempt is lost by it."""

from __future__ import annotations

import shutil

import pytest

from tests import server as wire
from tests.command.test_batch import batch, prompts  # noqa: F401 - a fixture
from tests.server import Request, Scenario, echo

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
STREAMS = [(), ("--no-stream",)]


def after_each(_request: Request) -> Scenario:
    """Keeps nothing open, and does not say so."""
    return wire.closing(echo)


def after_five(request: Request) -> Scenario:
    return wire.closing(echo) if request.number % 5 == 0 else echo


@pytest.mark.parametrize("flags", STREAMS)
@pytest.mark.parametrize("script", [after_each, after_five])
def test_turns_of_a_chat(cli, server, script, flags):
    server.script = script
    turns = [f"turn {number}" for number in range(12)]
    where = ("--base-url", server.base_url, "-m", "tiny")
    result = cli("chat", *where, "--retries", "0", *flags, stdin="\n".join(turns).encode())
    assert (result.code, result.out.splitlines(), result.err) == (0, turns, "")


@pytest.mark.parametrize("flags", [(), ("--stream",)])
@pytest.mark.parametrize("script", [after_each, after_five])
def test_rows_of_a_batch(batch, server, script, flags):  # noqa: F811
    server.script = script
    rows = [f"row {number}" for number in range(40)]
    result = batch.ask(prompts(*rows), "--retries", "0", "--patience", "0", "-j", "3", *flags)
    assert result.code == 0
    assert batch.answers == dict(enumerate(rows))
