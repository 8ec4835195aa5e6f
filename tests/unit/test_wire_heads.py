"""Heads that a server sends amiss, and what a break is said to be: each by a server of one connection at a time."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from llmcli.transport.wire.exchange import Wire
from llmcli.transport.wire.heads import Break, How, WireReply
from llmcli.transport.wire.names import Names
from llmcli.transport.wire.trust import Certificates
from llmcli.transport.wire.unpack import unpacked
from tests.certificates import made
from tests.unit.test_wire import OK, head_to, listening, received

STREAMED = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


def answered(url: str, *, streamed: bool, trusted: Certificates | None = None) -> WireReply:
    """What comes of one exchange. Raises Break."""

    async def work() -> WireReply:
        wire = Wire({}, trusted=trusted or Certificates())
        try:
            return await wire.exchange(head_to(url, streamed=streamed), b"x")
        finally:
            await wire.aclose()

    return asyncio.run(work())


def broken(url: str, *, streamed: bool, trusted: Certificates | None = None) -> Break:
    with pytest.raises(Break) as caught:
        answered(url, streamed=streamed, trusted=trusted)
    return caught.value


@STREAMED
def test_interim_replies_without_end_do_not_hold_up_the_time_that_a_reply_has(streamed):
    def serve(connection: socket.socket) -> None:
        received(connection, 1)
        while True:
            try:
                connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n" * 1000)
            except OSError:
                return

    with listening(serve) as url:
        began = time.process_time()
        assert broken(url, streamed=streamed).how is How.UNREADABLE
        assert time.process_time() - began < 5, "11,000 heads are read once each"


@STREAMED
def test_interim_replies_before_the_reply_are_none_of_it(streamed):
    def serve(connection: socket.socket) -> None:
        received(connection, 1)
        interim = b"HTTP/1.1 103 Early Hints\r\ncontent-encoding: gzip\r\n\r\n"
        connection.sendall(interim * 3 + b"HTTP/1.1 201 Yes\r\ncontent-length: 0\r\nx-a: 1\r\n\r\n")

    with listening(serve) as url:
        reply = answered(url, streamed=streamed)
        assert (reply.status, dict(reply.headers)) == (201, {"content-length": "0", "x-a": "1"})


@STREAMED
@pytest.mark.parametrize(
    "head",
    [
        b"".join(b"x-%d: %s\r\n" % (at, b"v" * 4000) for at in range(100)),
        b"x: 1\r\n" * 6000,
        b"transfer-encoding: gzip, chunked\r\n",
    ],
    ids=["400 kB", "6,000 headers", "a transfer encoding that nobody asked for"],
)
def test_a_head_that_libcurl_does_not_take_is_no_broken_connection(head, streamed):
    def serve(connection: socket.socket) -> None:
        received(connection, 1)
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")

    with listening(serve) as url:
        assert broken(url, streamed=streamed).how is How.UNREADABLE


@STREAMED
def test_a_name_of_which_one_address_refuses_is_not_said_to_refuse_where_the_other_breaks_off(streamed):
    def serve(connection: socket.socket) -> None:
        received(connection, 1)

    with listening(serve) as url:
        error = broken(url.replace("127.0.0.1", "localhost"), streamed=streamed)
        assert (error.how, "refused" in error.reason) == (How.BROKEN, False), error.reason


def test_a_failed_handshake_behind_an_address_that_refuses_is_not_said_to_be_refused():
    def serve(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"\x15\x03\x03\x00\x02\x02\x28")  # the alert handshake_failure
        connection.recv(1000)

    with listening(serve) as url:
        error = broken(url.replace("http://127.0.0.1", "https://localhost"), streamed=False)
        assert (error.how, "refused" in error.reason) == (How.UNREACHABLE, False), error.reason


@pytest.fixture(scope="module")
def authorities(tmp_path_factory) -> list[Path]:
    """Two folders of certificates, of two authorities."""
    return [made(tmp_path_factory.mktemp("certificates")) for _ in range(2)]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("ours", ["none", "of nobody"])
def test_a_server_that_does_not_take_our_certificate(authorities, version, ours):
    folder, other = authorities
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode, context.maximum_version = ssl.CERT_REQUIRED, version

    def serve(connection: socket.socket) -> None:
        with (
            connection.dup() as below,
            context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as secured,
        ):
            with contextlib.suppress(OSError):
                secured.do_handshake()
                secured.recv(1)
            below.shutdown(socket.SHUT_WR)
            while below.recv(10_000):  # what is on its way, or the alert is lost behind a reset
                pass

    own = None if ours == "none" else str(other / "both.pem")
    with listening(serve) as url:
        where = url.replace("http://127.0.0.1", "https://localhost")
        error = broken(where, streamed=False, trusted=Certificates(str(folder / "ca.pem"), own))
    if version is ssl.TLSVersion.TLSv1_2 and ours == "none":
        assert error.how in {How.UNREACHABLE, How.NOT_SHOWN}  # its alert says only that the handshake failed
    else:
        assert error.how is How.NOT_SHOWN, error.reason


@pytest.mark.parametrize("encoding", ["none", "utf-8", "UTF8", "identity", "gzip, none"])
def test_an_encoding_that_says_nothing_is_none(encoding):
    body = gzip.compress(b"Hello") if "gzip" in encoding else b"Hello"
    assert unpacked(body, encoding, 100) == b"Hello"


def test_zeros_behind_a_gzip_body_are_padding():
    assert unpacked(gzip.compress(b"Hello") + bytes(20), "gzip", 100) == b"Hello"
    assert unpacked(gzip.compress(b"Hel") + bytes(3) + gzip.compress(b"lo"), "gzip", 100) == b"Hello"


def test_a_length_that_nobody_can_count_is_beyond_the_bound():
    def serve(connection: socket.socket) -> None:
        received(connection, 1)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n")

    with listening(serve) as url:
        assert broken(url, streamed=False).how is How.TOO_LONG


def test_a_crowd_finds_localhost_where_a_server_is_at_its_ipv6_address_alone():
    """What a resolver knows of that name differs; libcurl knows both addresses."""
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("needs IPv6")

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            received(connection, 1)
            connection.sendall(OK)

    async def work(url: str) -> int:
        wire = Wire({}, names=Names())
        try:
            return (await wire.exchange(head_to(url), b"x")).status
        finally:
            await wire.aclose()

    with listener:
        threading.Thread(target=serve, daemon=True).start()
        assert asyncio.run(work(f"http://localhost:{listener.getsockname()[1]}/v1")) == 200
