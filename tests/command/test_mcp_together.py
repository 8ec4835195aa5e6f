"""Several MCP servers, and several calls: all at once, and nothing is paid before all are up."""

from __future__ import annotations

import json
import shlex
import sys

import pytest

from tests import server as wire
from tests.command.test_mcp import configured, entry, raw, tool
from tests.conftest import part

part("mcp")

WAITS = """
import runpy, sys, time
from pathlib import Path
mine, other, program, how = sys.argv[1:]
Path(mine).touch()
while not Path(other).exists():
    time.sleep(0.01)
sys.argv = [program, how]
runpy.run_path(program, run_name="__main__")
"""


def test_servers_start_side_by_side(cli, tmp_path):
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    servers = []
    for mine, other in ((first, second), (second, first)):
        program, *how = shlex.split(raw())[2:]
        servers += ["--mcp", shlex.join([sys.executable, "-S", "-c", WAITS, mine, other, program, *how])]
    result = cli("ask", "-m", "offline/echo", "--deadline", "60", "--dry-run", *servers, "hi")
    assert (result.code, len(json.loads(result.out)["tools"])) == (0, 2), result.err


def test_calls_of_one_turn_run_side_by_side(ask, server, tmp_path):
    files = [str(tmp_path / "a"), str(tmp_path / "b")]
    servers = ["--mcp", raw(tools=[tool("a")], meet=files), "--mcp", raw(tools=[tool("b")], meet=files[::-1])]
    calls = [wire.call("a", {}, "1"), wire.call("b", {}, "2")]
    server.script = [wire.ok(tool_calls=calls), wire.ok("Done.")]
    result = ask("--tool-timeout", "60", *servers, "hi")
    assert (result.code, result.out) == (0, "Done.\n"), result.err
    assert [each["content"] for each in server.requests[1].json["messages"][2:]] == ["{}", "{}"]


def test_nothing_is_asked_where_one_server_fails(ask, server):
    result = ask("--mcp", raw(), "--mcp", raw(say=["no licence"], exit=4), "hi")
    assert (result.code, result.out, server.requests) == (8, "", [])
    assert result.err.startswith("llmcli: tools: MCP server raw: it ended with exit code 4: no licence (")


def test_a_model_that_calls_for_ever_is_stopped_by_max_turns(ask, server):
    server.script = wire.ok(tool_calls=[wire.call("echo", {"text": "x"})])
    result = ask("--mcp", raw(), "--max-turns", "3", "hi")
    assert (result.code, len(server.requests)) == (8, 3)
    assert "the model still calls tools after 3 turns" in result.err


def test_a_command_and_a_server_in_one_turn(ask, server):
    definition = json.dumps([{"name": "now", "parameters": {"type": "object"}}])
    calls = [wire.call("echo", {"text": "theirs"}, "1"), wire.call("now", {}, "2")]
    server.script = [wire.ok(tool_calls=calls), wire.ok("Done.")]
    own = ["--tools", definition, "--exec", "now=echo ours"]
    assert ask(*own, "--mcp", raw(), "hi").code == 0
    assert [each["content"] for each in server.requests[1].json["messages"][2:]] == ["theirs", "ours"]


@pytest.mark.parametrize("name", ["echo", "raw.echo", "cfg_echo", "none"])
def test_a_name_that_the_model_gets_wrong_is_told_to_it(ask, server, name):
    server.script = [wire.ok(tool_calls=[wire.call(name, {"text": "x"})]), wire.ok("Done.")]
    assert ask("--mcp", raw(), "hi").code == 0
    told = server.requests[1].json["messages"][-1]["content"]
    assert told == ("x" if name == "echo" else f"error: there is no tool {name}; there are: echo")


def test_one_name_on_a_command_line_and_in_a_file(ask, server, tmp_path):
    calls = [wire.call("raw_echo", {"text": "a"}, "1"), wire.call("cfg_echo", {"text": "b"}, "2")]
    server.script = [wire.ok(tool_calls=calls), wire.ok("Done.")]
    argv = configured(tmp_path / "mcp.json", {"cfg": entry()})
    assert ask("--mcp", raw(), *argv, "hi").code == 0
    assert [each["content"] for each in server.requests[1].json["messages"][2:]] == ["a", "b"]
