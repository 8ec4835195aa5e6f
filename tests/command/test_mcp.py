"""MCP: servers on stdio, their tools in the request, their results in the conversation."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import server as wire
from tests.conftest import Result, part

part("mcp")
RAW = Path(__file__).parents[1] / "mcp" / "raw.py"


def raw(**how: object) -> str:
    """The command of a raw server that behaves so."""
    return shlex.join([sys.executable, "-S", str(RAW), json.dumps(how)])


def tool(name: str, **schema: object) -> dict:
    return {"name": name, "inputSchema": {"type": "object", **schema}}


def text(*texts: str, **more: object) -> dict:
    return {"content": [{"type": "text", "text": each} for each in texts], **more}


@pytest.fixture
def sent(cli) -> Callable[..., list[dict]]:
    """The tools that a dry run would send, with a server that behaves as told."""

    def run(*argv: str, **how: object) -> list[dict]:
        result = cli("ask", "-m", "offline/echo", "--dry-run", "--mcp", raw(**how), *argv, "hi")
        assert result.code == 0, result.err
        return [each["function"] for each in json.loads(result.out).get("tools", [])]

    return run


@pytest.fixture
def told(ask, server) -> Callable[..., list[dict]]:
    """What the model is told of one call of a tool of a server that behaves as told."""

    def run(name: str, *argv: str, arguments: object = None, **how: object) -> list[dict]:
        server.script = [wire.ok(tool_calls=[wire.call(name, arguments or {})]), wire.ok("Done.")]
        result: Result = ask("--mcp", raw(**{"tools": [tool(name)], **how}), *argv, "hi")
        assert (result.code, result.out) == (0, "Done.\n"), result.err
        messages = server.requests[1].json["messages"]
        return messages[2:]

    return run


def test_a_tool_of_a_server_is_called_and_its_result_goes_back(cli):
    argv = [
        "ask",
        "-m",
        "offline/echo",
        "--mcp",
        raw(tools=[tool("look")]),
        "--tool-choice",
        "required",
        "-v",
    ]
    result = cli(*argv, "hi")
    assert (result.code, result.out) == (0, "hi\n")
    assert "tool look: raw.look <<< {}\n" in result.err


def test_the_result_is_the_tool_message(told):
    (message,) = told("look", results={"look": text("one", "two")})
    assert (message["role"], message["content"]) == ("tool", "one\ntwo")


def test_a_server_that_does_not_start_is_exit_8_with_its_last_words(cli):
    result = cli(
        "ask", "-m", "offline/echo", "--mcp", raw(say=["Loading", "boom: no database"], exit=1), "hi"
    )
    assert (result.code, result.out) == (8, "")
    assert result.err.startswith(
        "llmcli: tools: MCP server raw: it ended with exit code 1: boom: no database ("
    )


def test_a_command_that_is_not_there(cli):
    result = cli("ask", "-m", "offline/echo", "--mcp", "no-such-server --x", "hi")
    said = "MCP server no-such-server: there is no such command (no-such-server); check the command, and PATH"
    assert (result.code, result.err) == (8, f"llmcli: tools: {said}\n")
