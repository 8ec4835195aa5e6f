"""MCP with servers that people use, from the package index."""

from __future__ import annotations

import shutil
import subprocess
import sys

from tests import server as wire
from tests.conftest import part

part("mcp_server_time")
part("mcp_server_git")


def test_time_and_git_side_by_side(ask, server, tmp_path):
    subprocess.run([shutil.which("git") or "git", "init", "-q", "-b", "trunk", str(tmp_path)], check=True)
    given = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    calls = [
        wire.call("convert_time", given, "1"),
        wire.call("git_status", {"repo_path": str(tmp_path)}, "2"),
    ]
    server.script = [wire.ok(tool_calls=calls), wire.ok("Done.")]
    git = f"{sys.executable} -m mcp_server_git --repository {tmp_path}"
    result = ask("--mcp", f"{sys.executable} -m mcp_server_time", "--mcp", git, "hi")
    assert (result.code, result.out, result.err) == (0, "Done.\n", "")
    first, second = server.requests[1].json["messages"][2:]
    assert '"day_of_week"' in first["content"]
    assert "On branch trunk" in second["content"]
    tools = server.requests[0].json["tools"]
    assert len(tools) == 14
    assert all("strict" not in each["function"] for each in tools)
