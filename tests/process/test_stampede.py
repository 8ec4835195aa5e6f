"""Many processes at once that want the same answer, or spend the same money."""

from __future__ import annotations

import json
from pathlib import Path

from tests import server as wire


def answers(home: Path) -> list[str]:
    return [path.read_text() for path in home.glob("*.txt")]


def test_a_stampede_of_identical_calls_sends_one_request(shell, server, tmp_path):
    server.script = wire.slow(wire.ok("Hello!", size=1), 0.05)
    ask = f"llmcli ask -q --no-stdin --cache --base-url {server.base_url} -m tiny -O {{}}.txt hi"
    result = shell(f"seq 24 | xargs -P8 -I{{}} {ask}")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert answers(tmp_path) == ["Hello!\n"] * 24
    assert len(server.requests) == 1


def test_where_one_fails_the_next_asks(shell, server, tmp_path):
    server.script = [wire.status(400), wire.ok("Hello!")]
    ask = f"llmcli ask -q --no-stdin --cache --base-url {server.base_url} -m tiny -O {{}}.txt hi"
    result = shell(f"seq 4 | xargs -P4 -I{{}} {ask}")
    assert result.err.count("\n") == 1
    assert answers(tmp_path) == ["Hello!\n"] * 3
    assert len(server.requests) == 2


def test_a_budget_of_many_processes_is_never_passed(shell, server, tmp_path):
    server.script = wire.ok("Hello!", usage=wire.usage(8, 100))
    # Each call costs $0.000108, and may cost $0.000113, with the margin of an estimate: three fit.
    ask = f"llmcli ask --no-stdin --base-url {server.base_url} -m tiny --price 1,1 -M 100 -O {{}}.txt hi"
    result = shell(f"seq 12 | xargs -P8 -I{{}} {ask} --budget-file budget --max-cost 0.0004")
    assert answers(tmp_path) == ["Hello!\n"] * 3
    assert (
        result.err.count(" may cost $0.000113 on top of $0.0003") == 9
    )  # a call under way stands there as well
    assert result.err.count(" spent, and --max-cost is $0.0004; ") == 9
    assert len(server.requests) == 3
    lines = [json.loads(line) for line in (tmp_path / "budget").read_text().splitlines()]
    assert [(line["state"], line["cost_usd"]) for line in lines] == [("spent", 0.000108)] * 3
