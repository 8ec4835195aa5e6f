"""The way to MCP servers behind HTTP: certificates, proxies, and what goes to whom."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import server as wire
from tests.certificates import made
from tests.conftest import Result, part
from tests.mcp.web import serving
from tests.server.socks import socks

part("mcp")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Path:
    return made(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def guarded(certificates) -> Iterator[str]:
    """The URL of a real server that speaks TLS, and wants to see our certificate."""
    own = {"ssl_certfile": f"{certificates}/server.pem", "ssl_keyfile": f"{certificates}/server.key"}
    asks = {"ssl_ca_certs": f"{certificates}/ca.pem", "ssl_cert_reqs": int(ssl.CERT_REQUIRED)}
    with serving("streamable-http", **own, **asks) as url:
        yield url


@pytest.fixture(scope="module")
def plain() -> Iterator[str]:
    with serving("json") as url:
        yield url


@pytest.fixture
def told(ask, server) -> Callable[..., str]:
    """What the model is told of a call of a server's tool."""

    def run(name: str, arguments: dict, *argv: str) -> str:
        server.script = [wire.ok(tool_calls=[wire.call(name, arguments)]), wire.ok("Done.")]
        result: Result = ask(*argv, "hi")
        assert (result.code, result.out) == (0, "Done.\n"), result.err
        return server.requests[-1].json["messages"][-1]["content"]

    return run


def test_a_server_of_a_private_authority_that_asks_for_our_certificate(told, guarded, certificates):
    both = ["--cacert", f"{certificates}/ca.pem", "--cert", f"{certificates}/both.pem"]
    assert told("add", {"a": 1, "b": 2}, *both, "--mcp", guarded) == "3"


def test_authorities_of_the_environment(told, cli, guarded, certificates):
    cli.env["SSL_CERT_FILE"] = f"{certificates}/ca.pem"
    own = ["--cert", f"{certificates}/client.pem", "--cert-key", f"{certificates}/client.key"]
    assert told("add", {"a": 1, "b": 2}, *own, "--mcp", guarded) == "3"


def test_a_certificate_that_nobody_trusted_signed(cli, guarded):
    result = cli("ask", "-m", "offline/echo", "--mcp", guarded, "hi")
    assert (result.code, result.out) == (8, "")
    assert result.err.startswith("llmcli: tools: MCP server 127.0.0.1: its certificate is not trusted: ")
    assert "name who signed it with --cacert FILE or SSL_CERT_FILE" in result.err


def test_a_plain_server_at_an_https_address(cli, plain):
    result = cli("ask", "-m", "offline/echo", "--mcp", plain.replace("http:", "https:"), "hi")
    assert result.code == 8
    assert "it does not speak TLS" in result.err


def test_a_socks_proxy_and_what_it_is_not_for(told, cli, plain):
    with socks(int(plain.split(":")[2].split("/")[0])) as proxy:
        cli.env.update(ALL_PROXY=f"socks5h://127.0.0.1:{proxy.port}", NO_PROXY="127.0.0.1")
        assert told("add", {"a": 1, "b": 2}, "--mcp", plain) == "3"
        assert proxy.asked == []
        through = plain.replace("127.0.0.1", "localhost")
        assert told("add", {"a": 1, "b": 2}, "--mcp", through) == "3"
        assert {*proxy.asked} == {"localhost"}


def test_a_proxy_that_is_not_there(cli, plain):
    env = {"HTTP_PROXY": "http://user:secretsecret@127.0.0.1:1"}
    result = cli("ask", "-m", "offline/echo", "--mcp", plain, "hi", env=env)
    assert result.code == 8
    assert "MCP server 127.0.0.1: cannot reach the proxy http://127.0.0.1:1: Connection refused" in result.err
    assert "secretsecret" not in result.err


def test_headers_are_the_providers_and_those_of_an_entry_the_servers(told, cli, plain, tmp_path):
    cli.env["TOKEN"] = "tokentoken1"
    entry = {"url": plain, "headers": {"X-Mine": "${TOKEN}"}}
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {"a": entry}}))
    argv = ["-H", "X-Team: research", "--mcp-config", str(tmp_path / "mcp.json")]
    assert told("seen", {"name": "X-Team"}, *argv) == "None"
    assert told("seen", {"name": "X-Mine"}, *argv) == "tokentoken1"


def test_who_asks_in_a_url(told, plain, cli):
    url = plain.replace("//", "//ann:secretsecret@")
    assert told("seen", {"name": "Authorization"}, "--mcp", url) == "Basic YW5uOnNlY3JldHNlY3JldA=="
    result = cli("ask", "-m", "offline/echo", "-v", "--mcp", f"{url}/none", "hi")
    assert result.code == 8
    assert "secretsecret" not in result.err


def test_an_answer_beyond_the_bound(told, plain):
    content = told("big", {"size": 200_000}, "--max-reply", "100000", "--mcp", plain)
    assert content == (
        "error: MCP server 127.0.0.1: it sent more than 100,000 bytes in one message; see --max-reply"
    )
