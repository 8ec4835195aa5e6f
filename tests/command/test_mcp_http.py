"""MCP behind HTTP: a real server of the SDK, and what other servers answer."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests import server as wire
from tests.conftest import part
from tests.mcp.web import serving

part("mcp")


@pytest.fixture
def real(request) -> Iterator[str]:
    """The URL of a real server, over streamable HTTP or HTTP+SSE."""
    with serving(request.param) as url:
        yield url


@pytest.mark.parametrize("real", ["streamable-http", "sse"], indirect=True)
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


class Odd(BaseHTTPRequestHandler):
    """Answers with the status of the path."""

    def do_POST(self) -> None:
        status = int(self.path.strip("/"))
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Bearer resource_metadata="http://x.test/meta"')
        if status == 302:
            self.send_header("Location", "http://login.test/")
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html>")

    do_GET = do_POST  # noqa: N815 - the library's name

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


def test_nobody_is_there(cli):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/mcp"
    result = cli("ask", "-m", "offline/echo", "--mcp", url, "hi")
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
