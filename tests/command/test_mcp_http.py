"""MCP behind HTTP: a real server of the SDK, and what other servers answer."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from tests import server as wire
from tests.command.test_mcp import raw, tool
from tests.conftest import part
from tests.mcp.web import serving

part("mcp")


@pytest.fixture
def real(request) -> Iterator[str]:
    """The URL of a real server, over streamable HTTP or HTTP+SSE."""
    with serving(request.param) as url:
        yield url


@pytest.mark.parametrize("real", ["streamable-http", "json", "sse"], indirect=True)
def test_a_server_is_asked_and_lost(ask, server, real):
    calls = [
        wire.ok(tool_calls=[wire.call("add", {"a": 1, "b": 2})]),
        wire.ok(tool_calls=[wire.call("die", {})]),
    ]
    server.script = [*calls, wire.ok(tool_calls=[wire.call("add", {"a": 1, "b": 2})]), wire.ok("Done.")]
    result = ask("--mcp", real, "hi")
    assert (result.code, result.out, result.err) == (0, "Done.\n", "")
    told = [each["content"] for each in server.requests[3].json["messages"] if each["role"] == "tool"]
    assert told[0] == "3"
    assert told[1].startswith("error: MCP server 127.0.0.1: ")
    assert told[2] == "error: the server 127.0.0.1 is gone"


HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "odd", "version": "1"},
}
LOOK = {"name": "look", "inputSchema": {"type": "object"}}


class Odd(BaseHTTPRequestHandler):
    """Answers with the status of the path; `/call/STATUS` to a call alone, `/once/STATUS` to the first one of all."""

    asked: ClassVar[set[str]] = set()  # paths at which a call has come

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        is_call = message.get("method") == "tools/call"
        if (self.path.startswith("/call/") and not is_call) or self.goes_on(is_call=is_call):
            self.begin(message)
        else:
            self.refuse(int(self.path.rpartition("/")[2]))

    def goes_on(self, *, is_call: bool) -> bool:
        """Whether it is not the first call of a path that refuses one."""
        first = is_call and self.path not in self.asked
        if is_call:
            self.asked.add(self.path)
        return self.path.startswith("/once/") and not first

    def begin(self, message: dict) -> None:
        """Answer what comes before a call."""
        if "id" not in message:
            self.send_response(405 if self.command != "POST" else 202)
            self.end_headers()
            return
        done = {"content": [{"type": "text", "text": "fine"}]}
        methods = {"initialize": HELLO, "tools/list": {"tools": [LOOK]}, "tools/call": done}
        result = methods.get(message["method"])
        said = {"error": {"code": -32601, "message": "Unknown"}} if result is None else {"result": result}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Mcp-Session-Id", "1")
        self.end_headers()
        self.wfile.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **said}).encode())

    def refuse(self, status: int) -> None:
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Bearer resource_metadata="http://x.test/meta"')
        if status == 302:
            self.send_header("Location", "http://login.test/")
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html>")

    do_GET = do_DELETE = do_POST  # noqa: N815 - the library's name

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def odd() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Odd) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (401, 77, "auth: MCP server 127.0.0.1: HTTP 401 (URL); it wants the header Authorization"),
        (403, 77, "auth: MCP server 127.0.0.1: HTTP 403 (URL); it wants the header Authorization"),
        (404, 8, "tools: MCP server 127.0.0.1: HTTP 404 (URL); check the URL"),
        (503, 8, "tools: MCP server 127.0.0.1: HTTP 503 (URL); check the URL"),
        (302, 8, "tools: MCP server 127.0.0.1: Redirect to http://login.test/ not followed"),
        (200, 8, "tools: MCP server 127.0.0.1: Unexpected content type: text/html (URL)"),
    ],
)
def test_what_servers_answer(cli, odd, status, code, said):
    url = f"{odd}/{status}"
    result = cli("ask", "-m", "offline/echo", "--mcp", url, "hi")
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith(f"llmcli: {said}".replace("URL", url, 1))
    assert ("http://x.test/meta" in result.err) == (status == 401)


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_wants_to_know_in_a_call_who_asks(ask, server, odd, status):
    server.script = wire.ok(tool_calls=[wire.call("look", {})])
    url = f"{odd}/call/{status}"
    result = ask("--mcp", url, "hi")
    assert (result.code, result.out) == (77, "")
    assert result.err.startswith(
        f"llmcli: auth: MCP server 127.0.0.1: HTTP {status} ({url}); it wants the header Authorization"
    )


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (429, "error: the server answered HTTP 429"),
        (503, "error: the server answered HTTP 503"),
        (404, "error: MCP server 127.0.0.1: HTTP 404"),
    ],
)
def test_a_refused_call_is_told_to_the_model(ask, server, odd, cli, status, content):
    cli.env["SECRET_API_KEY"] = "sk-1"  # which no server behind HTTP could miss
    server.script = [wire.ok(tool_calls=[wire.call("look", {})]), wire.ok("Done.")]
    result = ask("--mcp", f"{odd}/call/{status}", "hi")
    assert (result.code, result.err) == (0, "")
    assert server.requests[1].json["messages"][-1]["content"] == content


def test_a_session_that_was_forgotten_is_opened_anew_for_all_calls_of_a_turn(ask, server, odd):
    Odd.asked.clear()
    two = [wire.call("look", {}, each) for each in ("1", "2", "3")]
    server.script = [wire.ok(tool_calls=two[:1]), wire.ok(tool_calls=two), wire.ok("Done.")]
    assert ask("--mcp", f"{odd}/once/404", "hi").code == 0
    told = [each["content"] for each in server.requests[2].json["messages"] if each["role"] == "tool"]
    assert told == ["error: MCP server 127.0.0.1: HTTP 404", "fine", "fine", "fine"]


def test_a_lost_server_is_one_error_and_the_others_go_on(ask, server, odd):
    calls = [wire.call(name, {}, f"call_{name}") for name in ("look", "add", "wall", "echo")]
    again = [wire.call("echo", {"text": "still here"})]
    server.script = [wire.ok(tool_calls=calls), wire.ok(tool_calls=again), wire.ok("Done.")]
    with serving("streamable-http") as url:
        local = ["--mcp", raw(tools=[tool("wall")], die="wall"), "--mcp", raw(tools=[tool("echo")])]
        result = ask(
            "--mcp",
            f"{odd}/call/404",
            "--mcp",
            url,
            *local,
            "--mcp-allow",
            "[!a]*",
            "--mcp-allow",
            "add",
            "hi",
        )
    assert (result.code, result.out) == (0, "Done.\n"), result.err
    messages = server.requests[2].json["messages"]
    told = [each["content"] for each in messages if each["role"] == "tool"]
    assert told[0] == "error: MCP server 127.0.0.1: HTTP 404"
    assert "validation" in told[1]  # the real server's own check of arguments
    assert told[2:] == ["error: MCP server raw: it ended with exit code 3: it hit a wall", "{}", "still here"]


def test_nobody_is_there(cli):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/mcp"
    result = cli("ask", "-m", "offline/echo", "--mcp", url, "hi", env={"SECRET_API_KEY": "sk-1"})
    said = f"MCP server 127.0.0.1: cannot reach it: Connection refused ({url}); check the URL"
    assert (result.code, result.err) == (8, f"llmcli: tools: {said}\n")


def test_a_token_of_the_environment_is_sent_and_never_shown(cli, odd, tmp_path):
    cli.env["TOKEN"] = "a-secret-token"
    entry = {"url": f"{odd}/401", "headers": {"Authorization": "Bearer ${TOKEN}"}}
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {"a": entry}}))
    result = cli("ask", "-m", "offline/echo", "-v", "--mcp-config", str(tmp_path / "mcp.json"), "hi")
    assert result.code == 77
    assert "check the header Authorization" in result.err
    assert "a-secret-token" not in result.err
