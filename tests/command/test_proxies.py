"""Proxies: who is to blame where a call breaks behind one, or at one, and that nothing shows its password."""

from __future__ import annotations

import re
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmcli.errors import BadCommand
from llmcli.transport.wire.proxies import proxy_for
from tests import server as wire
from tests.certificates import made
from tests.command.test_company import SECRET, call, hidden  # noqa: F401 - a fixture
from tests.server.tunnel import tunnel

ONCE = ("--retries", "0")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Path:
    return made(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def tls(certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    return context


def port_of(server: wire.Server) -> int:
    return int(server.base_url.rpartition(":")[2].partition("/")[0])


class _Waiting(socketserver.StreamRequestHandler):
    """Who begins with TLS waits for ever."""

    def handle(self) -> None:
        word = self.rfile.readline().partition(b" ")[0]
        if word in {b"HEAD", b"CONNECT"}:
            self.wfile.write(
                b"HTTP/1.0 404 Not Found\r\n\r\n" if word == b"HEAD" else b"HTTP/1.0 407 Who\r\n\r\n"
            )
        else:
            self.rfile.read()


@pytest.fixture
def plain() -> Iterator[int]:
    """The port of a plain server."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Waiting) as waiting:
        waiting.daemon_threads = True
        threading.Thread(target=waiting.serve_forever, args=(0.01,), daemon=True).start()
        yield int(waiting.server_address[1])
        waiting.shutdown()


def is_one_attempt(said: str) -> bool:
    return re.search(r"attempts?[ \"]+:? ?[2-9]|[2-9] attempts", said) is None


# --- What it is told, and what it tells -----------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "expected"), [(b"403 Forbidden", 77), (b"503 Busy", 75)])
def test_what_a_proxy_says_for_a_plain_server_names_it_and_shows_nothing_of_who_asks(call, status, expected):  # noqa: F811
    with tunnel(status=status) as port:
        proxy = f"http://ann:{SECRET}@127.0.0.1:{port}"
        code, said = call("http://api.example/v1", *ONCE, HTTP_PROXY=proxy)
    assert code == expected, said
    assert f"through the proxy http://127.0.0.1:{port}" in said
    assert "Denied" in said
    assert hidden(said), said


@pytest.mark.parametrize("password", ["hunter2@secret", "hunter2%40secret", "hunter2:secret"])
def test_a_password_with_a_mark_in_it_is_read_as_it_is_meant(call, password):  # noqa: F811
    with tunnel(status=b"418 Teapot") as port:
        code, said = call(
            "http://api.example/v1", *ONCE, HTTP_PROXY=f"http://ann:{password}@127.0.0.1:{port}"
        )
    assert (code in {65, "rejected"}, "Denied" in said) == (True, True), said
    assert "hunter2" not in said
    assert "Proxy-Authorization: Basic ***" in said


def test_a_password_that_ends_the_address_is_refused_unseen(call):  # noqa: F811
    code, said = call("https://api.example/v1", HTTPS_PROXY="http://ann:first@#hunter2@127.0.0.1:9")
    assert code == 2, said
    assert "cannot use the proxy: it is no address (in a name or password, / ? # and %" in said
    assert "hunter2" not in said
    assert "first" not in said


@pytest.mark.parametrize("mark", ["#", "/", "?", "@#", "@/"])
@pytest.mark.parametrize("scheme", ["http://", "socks5h://", ""])
def test_whatever_ends_the_address(mark, scheme):
    with pytest.raises(BadCommand, match="it is no address") as caught:
        proxy_for("https://api.example/v1", {"ALL_PROXY": f"{scheme}ann:first{mark}hunter2@127.0.0.1:9"})
    assert "hunter2" not in str(caught.value)


def test_socks_without_a_number_is_what_curl_takes_it_for():
    assert (
        proxy_for("http://a.example/v1", {"ALL_PROXY": "socks://s.example:1080"}) == "socks://s.example:1080"
    )


# --- Who is to blame ------------------------------------------------------------------------------------------------


def test_a_proxy_whose_certificate_is_not_trusted_is_named(call, tls):  # noqa: F811
    with tunnel(tls=tls) as port:
        code, said = call("https://api.example/v1", HTTPS_PROXY=f"https://ann:{SECRET}@localhost:{port}")
    assert code == 75
    assert f"the certificate of the proxy https://localhost:{port} is not trusted: " in said
    assert is_one_attempt(said)
    assert hidden(said)


def test_a_server_behind_a_proxy_whose_certificate_is_not_trusted(call, tls):  # noqa: F811
    with tunnel(tls=tls) as inner, tunnel(inner) as port:
        code, said = call("https://api.example/v1", HTTPS_PROXY=f"http://127.0.0.1:{port}")
    assert code == 75
    assert "the server's certificate is not trusted: " in said
    assert is_one_attempt(said)


def test_a_server_behind_a_proxy_that_speaks_tls(call, tls, server, certificates):  # noqa: F811
    server.models = wire.reply({"object": "list", "data": [{"id": "tiny"}]})
    with tunnel(port_of(server), tls=tls) as port:
        where = f"https://ann:{SECRET}@localhost:{port}"
        flags = ("--cacert", f"{certificates}/ca.pem", *ONCE)
        code, said = call("https://api.example/v1", *flags, HTTPS_PROXY=where)
    assert code == 75
    assert "the server does not speak TLS" in said, "it is a plain one"
    assert hidden(said)


@pytest.mark.parametrize("secured", [False, True], ids=["the server", "the proxy"])
def test_who_speaks_no_tls_is_said_once_and_quickly(call, plain, secured):  # noqa: F811
    with tunnel(plain) as port:
        began = time.monotonic()
        proxy = f"https://localhost:{plain}" if secured else f"http://localhost:{port}"
        code, said = call("https://api.example/v1", HTTPS_PROXY=proxy)
        seconds = time.monotonic() - began
    who = f"the proxy {proxy}" if secured else "the server"
    assert (code, f"{who} does not speak TLS" in said) == (75, True), said
    assert is_one_attempt(said)
    assert seconds < 9


def test_a_tunnel_that_ends_at_once_is_not_said_to_be_a_proxy_out_of_reach(call):  # noqa: F811
    with tunnel() as port:
        code, said = call(
            "https://api.example/v1", *ONCE, HTTPS_PROXY=f"http://ann:{SECRET}@localhost:{port}"
        )
    assert code == 75
    assert f"cannot reach the endpoint through the proxy http://localhost:{port}: " in said
    assert hidden(said)


def test_a_challenge_of_a_proxy_to_a_server_of_tools_shows_nothing_of_who_asks(cli):
    with tunnel(status=b"401 No") as port:
        proxy = {"HTTP_PROXY": f"http://ann:{SECRET}@127.0.0.1:{port}"}
        done = cli("ask", "-m", "offline/echo", "--mcp", "http://tools.example/mcp", "Hi", env=proxy)
    assert (done.code, "it says: Basic ***" in done.err) == (77, True), done.err
    assert hidden(done.err)
