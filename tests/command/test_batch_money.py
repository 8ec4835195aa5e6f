"""Money of a batch whose answers may have been begun, and charged for, though they never came."""

from __future__ import annotations

import json

import pytest

from tests import server as wire
from tests.server import Server

BEGUN = {"it hangs": wire.hang(), "it breaks": wire.cut(wire.echo, 20), "it is reset": wire.drop()}


@pytest.fixture
def batch(cli, server, tmp_path):
    def run(*argv, rows=3):
        lines = "".join(json.dumps({"prompt": f"row {number}"}) + "\n" for number in range(rows))
        money = ("--price", "0,1000000", "-M", "2", "--max-cost", "5", "-j", "1")  # $2 a row at most
        flags = ("-m", "tiny", "--base-url", server.base_url, "-O", str(tmp_path / "out.jsonl"))
        return cli("batch", "-", *flags, *money, *argv, stdin=lines.encode())

    return run


@pytest.mark.parametrize("how", BEGUN)
def test_an_attempt_that_may_have_cost_counts_as_if_it_had_cost_the_most(batch, server: Server, how):
    server.script = BEGUN[how]
    result = batch("--timeout", "0.2", "--patience", "0", "--retries", "9")
    assert result.code == 6
    assert len(server.requests) == 2, "twice $2 leaves too little for a third"
    said = (
        "may cost $2.000000 on top of $4.000000 ($4.000000 of it for answers that broke off), and --max-cost"
    )
    assert said in result.err


def test_an_attempt_that_surely_cost_nothing_does_not_count(batch, server: Server):
    refusals = [wire.status(503), wire.status(429), wire.status(500)] * 3
    server.script = [*refusals, wire.ok("x", usage=wire.usage(1, 1))]
    assert batch("--patience", "0", "--retries", "20").code == 0
