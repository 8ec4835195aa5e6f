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


def test_what_real_servers_refuse_is_told_to_the_model(ask, server, tmp_path):
    calls = [
        wire.call("get_current_time", {"timezone": "Mars/Olympus"}, "1"),
        wire.call("convert_time", {}, "2"),
        wire.call("git_status", {"repo_path": "/"}, "3"),
    ]
    server.script = [wire.ok(tool_calls=calls), wire.ok("Done.")]
    subprocess.run([shutil.which("git") or "git", "init", "-q", str(tmp_path)], check=True)
    git = f"{sys.executable} -m mcp_server_git --repository {tmp_path}"
    result = ask("--mcp", f"{sys.executable} -m mcp_server_time", "--mcp", git, "-v", "hi")
    assert (result.code, result.out) == (0, "Done.\n"), result.err
    told = [each["content"] for each in server.requests[1].json["messages"][2:]]
    assert all(text.startswith("error: ") for text in told)
    assert "Mars/Olympus" in told[0]
    assert result.err.count(": failed\n") == 3


def test_a_loop_with_a_real_server_is_counted_and_replayed(cli, tmp_path):
    argv = ["-m", "offline/echo?tools=each", "--mcp", f"{sys.executable} -m mcp_server_time", "hi"]
    kept = str(tmp_path / "kept")
    first = cli("ask", *argv, "--mcp-allow", "get_*", "--record", kept)
    assert (first.code, first.out) == (0, "hi\n"), first.err
    again = cli("ask", *argv, "--mcp-allow", "get_*", "--replay", kept)
    assert (again.code, again.out, again.err) == (0, "hi\n", "")
    counted = [cli("count", *argv, "--replay", kept, *more).out for more in ([], ["--mcp-allow", "get_*"])]
    assert int(counted[0]) > int(counted[1]) > 50
