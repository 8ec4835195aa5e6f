"""A session with an MCP server: its limits, and servers of other versions."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from llmcli.errors import ToolFailure
from llmcli.mcp.session import Limits, Session
from llmcli.mcp.spec import ServerSpec, label_of, spec_of_words
from tests.bench.mcp_kills import RAW
from tests.conftest import part

part("mcp")


def session(start: float, **how: object) -> Session:
    command = (sys.executable, "-S", str(RAW), json.dumps(how))
    return Session(ServerSpec("raw", "", {}, command), dict(os.environ), Limits(start, 5.0, 1 << 20))


def test_a_server_that_says_nothing_has_a_limit():
    with pytest.raises(ToolFailure, match=r"it did not list its tools within 0.5 s"):
        asyncio.run(session(0.5, silent=True, deaf=True).start())


def test_a_server_of_the_modern_era_alone():
    async def listed() -> list[str]:
        one = session(30.0, modern=True)
        await one.start()
        try:
            ran = await one.call("echo", {"text": "hi"})
        finally:
            await one.close()
        return [one.tools[0]["name"], *map(str, ran.pieces)]

    assert asyncio.run(listed()) == ["echo", "hi"]


@pytest.mark.parametrize(
    ("words", "label"),
    [
        (("uvx", "mcp-server-time"), "mcp-server-time"),
        (("npx", "-y", "@playwright/mcp@latest"), "mcp"),
        (("npx", "-y", "@scope/server-files", "/data"), "server-files"),
        (("/usr/bin/python3.11", "-m", "mcp_server_git"), "mcp_server_git"),
        (("node", "dist/index.js"), "index"),
        (("uv", "run", "server.py"), "server"),
        (("/opt/My Server", "x"), "My_Server"),
        (("python", "-c", "print()"), "python"),
    ],
)
def test_what_a_command_is_called(words, label):
    assert label_of(words) == label


def test_a_home_directory_in_a_command_that_no_shell_has_seen():
    home = str(Path.home())
    assert spec_of_words("server ~/notes '~' x~y ~nobody-here/z").command == (
        "server", f"{home}/notes", home, "x~y", "~nobody-here/z",
    )  # fmt: skip
