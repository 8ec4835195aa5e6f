"""The wire: proxies by the environment's rules, heads, packed bodies, and connections that are kept, lost or left."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from llmcli.errors import BadCommand
from llmcli.transport.pooled import Pooled
from llmcli.transport.wire import sockets
from llmcli.transport.wire.exchange import Wire
from llmcli.transport.wire.heads import Bounds, Break, Head, How, head_of
from llmcli.transport.wire.names import Names
from llmcli.transport.wire.proxies import proxy_for
from llmcli.transport.wire.unpack import unpacked, unpacking
from llmcli.wire import Request
from tests import server as wire
from tests.unit.conformance.asking import always

PROXY = "http://proxy.test:3128"


# --- Proxies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "env", "proxy"),
    [
        ("http://a.test/v1", {"HTTP_PROXY": PROXY}, PROXY),
        ("http://a.test/v1", {"HTTPS_PROXY": PROXY}, None),
        ("https://a.test/v1", {"HTTP_PROXY": PROXY}, None),
        ("https://a.test/v1", {"https_proxy": PROXY, "HTTPS_PROXY": "http://other:1"}, PROXY),
        ("https://a.test/v1", {"ALL_PROXY": "socks5h://s.test:1080"}, "socks5h://s.test:1080"),
        ("https://a.test/v1", {"ALL_PROXY": "socks5://s.test", "HTTPS_PROXY": PROXY}, PROXY),
        ("http://a.test/v1", {"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, None),
        ("http://a.test/v1", {"HTTP_PROXY": ""}, None),
        ("http://a.test/v1", {"http_proxy": "proxy.test:3128"}, PROXY),
    ],
)
def test_the_proxy_for_an_address(url, env, proxy):
    assert proxy_for(url, env) == proxy


@pytest.mark.parametrize(
    ("host", "exceptions", "direct"),
    [
        ("a.test", "a.test", True),
        ("a.test", "A.TEST.", True),
        ("x.a.test", "a.test", True),
        ("x.a.test", ".a.test", True),
        ("x.a.test", "*.a.test", True),
        ("xa.test", "a.test", False),
        ("a.test", "*", True),
        ("a.test", "b.test a.test", True),
        ("a.test:8080", "a.test:8080", True),
        ("a.test:8081", "a.test:8080", False),
        ("a.test", "a.test:80", True),
        ("127.0.0.1", "127.0.0.0/8", True),
        ("128.0.0.1", "127.0.0.0/8", False),
        ("[::1]:80", "[::1]", True),
        ("[::1]", "::1", True),
        ("[::1]:8080", "[::1]:8080", True),
        ("[fd00::1]", "fd00::/8", True),
        ("a.test", "nonsense/8", False),
        ("a.test", ", ,", False),
    ],
)
def test_the_exceptions_of_no_proxy(host, exceptions, direct):
    env = {"HTTP_PROXY": PROXY, "NO_PROXY": exceptions}
    assert proxy_for(f"http://{host}/v1", env) == (None if direct else PROXY)


@pytest.mark.parametrize("proxy", ["ftp://proxy.test", "http://[::1", "proxy.test:99999", "http://"])
def test_a_proxy_that_cannot_be_used(proxy):
    with pytest.raises(BadCommand, match="cannot use the proxy"):
        proxy_for("http://a.test/v1", {"ALL_PROXY": proxy})


# --- Heads and bodies ---------------------------------------------------------------------------------------


def test_the_head_that_counts_is_the_last_and_trailers_are_none_of_it():
    lines = [b"HTTP/1.1 100 Continue\r\n", b"\r\n", b"HTTP/1.1 200 OK\r\n", b"X-A: 1\r\n", b"x-a:2\r\n"]
    lines += [b"\r\n", b"X-Trailer: 3\r\n"]
    assert head_of(lines) == (200, {"x-a": "1, 2"})


@pytest.mark.parametrize("lines", [[], [b"HTTP/1.1 200 OK\r\n"], [b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"]])
def test_a_head_that_is_not_whole(lines):
    with pytest.raises(ValueError, match="no head"):
        head_of(lines)


SAID = b"Hello, hello, hello! " * 50
BARE = zlib.compressobj(wbits=-zlib.MAX_WBITS)
PACKED = {
    "gzip": ("gzip", gzip.compress(SAID)),
    "gzip of several members": ("GZip", gzip.compress(SAID[:30]) + gzip.compress(SAID[30:])),
    "deflate": ("deflate", zlib.compress(SAID)),
    "deflate without a head": ("deflate", BARE.compress(SAID) + BARE.flush()),
    "twice": ("deflate, gzip", gzip.compress(zlib.compress(SAID))),
    "not at all": ("identity", SAID),
}


@pytest.mark.parametrize("name", PACKED)
def test_a_packed_body(name):
    encoding, body = PACKED[name]
    assert unpacked(body, encoding, len(SAID)) == SAID

    async def letters():
        for at in range(len(body)):
            yield body[at : at + 1]

    async def work() -> bytes:
        return b"".join([piece async for piece in unpacking(letters(), encoding, len(SAID))])

    assert asyncio.run(work()) == SAID


@pytest.mark.parametrize(
    ("body", "encoding", "longest", "how"),
    [
        (gzip.compress(b"x" * 1001), "gzip", 1000, How.TOO_LONG),
        (gzip.compress(SAID)[:-9], "gzip", 10_000, How.PACKED),
        (b"nonsense", "gzip", 10_000, How.PACKED),
        (b"nonsense", "rot13", 10_000, How.PACKED),
    ],
)
def test_a_packed_body_that_cannot_be_had(body, encoding, longest, how):
    with pytest.raises(Break) as caught:
        unpacked(body, encoding, longest)
    assert caught.value.how is how


# --- Connections --------------------------------------------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK"


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a server that gives each connection to `serve`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=served, args=(connection,), daemon=True).start()

    def served(connection: socket.socket) -> None:
        with connection:
            serve(connection)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1/chat/completions"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def head_to(url: str, *, streamed: bool = False) -> Head:
    return Head("POST", url, (("Content-Type", "application/json"),), 10.0, 10.0, streamed)


def received(connection: socket.socket, size: int) -> bool:
    """Whether a request with a body of so many bytes came whole."""
    with connection.makefile("rb") as body:
        while (line := body.readline()).strip():
            pass
        return bool(line) and len(body.read(size)) == size


@pytest.mark.parametrize("streamed", [False, True])
def test_a_connection_that_was_closed_while_it_was_idle_costs_no_attempt(streamed):
    def serve(connection: socket.socket) -> None:
        if received(connection, 1):
            connection.sendall(OK)
            received(connection, 1)  # the next is taken, and never answered

    async def work(url: str) -> list[int]:
        wire, head, seen = Wire({}), head_to(url, streamed=streamed), []
        for _ in range(5):
            reply = await wire.exchange(head, b"x")
            seen.append(reply.status)
            if reply.pieces is not None:
                assert b"".join([piece async for piece in reply.pieces]) == b"OK"
        await wire.aclose()
        return seen

    with listening(serve) as url:
        assert asyncio.run(work(url)) == [200] * 5


@pytest.mark.parametrize("status", [401, 413, 429])
def test_an_answer_that_comes_while_the_body_is_still_going_out(status):
    def serve(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 %d No\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno" % status)

    async def work(url: str) -> tuple[int, bytes]:
        wire = Wire({})
        reply = await wire.exchange(head_to(url), b"x" * 5_000_000)
        await wire.aclose()
        return reply.status, reply.body

    with listening(serve) as url:
        assert asyncio.run(work(url)) == (status, b"no")


@pytest.mark.parametrize("streamed", [False, True])
def test_who_no_longer_waits_hangs_up_at_once(streamed):
    asked, gone = threading.Event(), threading.Event()

    def serve(connection: socket.socket) -> None:
        received(connection, 1)
        asked.set()
        if not connection.recv(1):
            gone.set()

    async def work(url: str) -> None:
        wire = Wire({})
        waiting = asyncio.ensure_future(wire.exchange(head_to(url, streamed=streamed), b"x"))
        await asyncio.to_thread(asked.wait, 10)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await asyncio.to_thread(gone.wait, 10), "while the wire is still open"
        await wire.aclose()

    with listening(serve) as url:
        asyncio.run(work(url))


def test_a_sender_is_held_back_by_a_slow_reader():
    size, sent = 20_000_000, [0]

    def serve(connection: socket.socket) -> None:
        received(connection, 1)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while sent[0] < size:
            sent[0] += connection.send(b"x" * 100_000)

    async def work(url: str) -> int:
        wire, came = Wire({}), 0
        reply = await wire.exchange(head_to(url, streamed=True), b"x")
        before = -1
        while sent[0] != before:  # until nothing moves any more
            before = sent[0]
            await asyncio.sleep(0.1)
        assert sent[0] < size
        async for piece in reply.pieces:
            came += len(piece)
        await wire.aclose()
        return came

    with listening(serve) as url:
        assert asyncio.run(work(url)) == size


def test_a_reply_has_a_bound():
    def serve(connection: socket.socket) -> None:
        received(connection, 1)
        connection.sendall(b"HTTP/1.1 500 No\r\nconnection: close\r\n\r\n" + b"x" * 5000)

    async def work(url: str) -> tuple[int, How]:
        wire = Wire({}, longest=1000)
        reply = await wire.exchange(head_to(url), b"x")
        await wire.aclose()
        return reply.status, reply.broken.how

    with listening(serve) as url:
        assert asyncio.run(work(url)) == (500, How.TOO_LONG)


def test_a_name_is_looked_up_once_for_a_crowd():
    async def work() -> list[list[str]]:
        names = Names()
        crowd = [names.told_of("http://0x7f.1:8080/v1", 10.0) for _ in range(300)]
        return [*await asyncio.gather(*crowd), await names.told_of("https://127.0.0.1/v1", 10.0)]

    *told, nothing = asyncio.run(work())
    assert nothing == [], "an address needs no look-up"
    assert told[0][0].startswith("0x7f.1:8080:")
    assert "127.0.0.1" in told[0][0]
    assert all(each is told[0] for each in told)


def test_a_name_that_is_none_is_said_as_libcurl_says_it():
    with pytest.raises(Break, match=r"^Could not resolve host: nowhere\.invalid$") as caught:
        asyncio.run(Names().told_of("http://nowhere.invalid/v1", 10.0))
    assert caught.value.how is How.UNREACHABLE


@pytest.mark.parametrize("kind", [sockets.Selector, sockets.Epoll])
def test_sockets_are_watched_by_every_means_alike(kind):
    watched, (here, there) = kind(), socket.socketpair()
    watched.want(here.fileno(), sockets.READ)
    assert list(watched.ready()) == []
    there.send(b"x")
    assert list(watched.ready()) == [(here.fileno(), sockets.READ)]
    watched.want(here.fileno(), sockets.READ | sockets.WRITE)
    assert list(watched.ready()) == [(here.fileno(), sockets.READ | sockets.WRITE)]
    watched.leave(here.fileno())
    assert list(watched.ready()) == []
    watched.want(here.fileno(), sockets.WRITE)
    assert list(watched.ready()) == [(here.fileno(), sockets.WRITE)]
    watched.leave(here.fileno())
    here.close()
    there.close()
    watched.close()


# --- Bugs ---------------------------------------------------------------------------------------------------


class Bad(int):
    """A bound that raises where a body is unpacked within it."""

    def __add__(self, other: int) -> int:
        raise ZeroDivisionError("a bug")


def test_a_bug_in_the_handling_of_a_reply_is_raised_and_hangs_nobody(server):
    server.script = wire.reply(gzip.compress(SAID), headers={"content-encoding": "gzip"})
    head = Head("POST", f"{server.base_url}/chat/completions", (), 10.0, 10.0)

    async def work() -> None:
        over = Wire({}, Bad(1000))
        try:
            async with asyncio.timeout(10):
                await over.exchange(head, b"{}")
        finally:
            await over.aclose()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(work())


def test_a_bug_in_the_handling_of_a_rows_reply_is_what_its_reader_raises(server):
    server.script = [wire.ok("Hello"), wire.reply(gzip.compress(SAID), headers={"content-encoding": "gzip"})]

    async def work() -> None:
        pooled = Pooled(always("sk-test-1234"), Bounds(longest=Bad(1000)), {})
        asked = Request("openai", "tiny", server.base_url, {"messages": []})
        try:
            await pooled.ask(asked)
            come = asyncio.get_running_loop().create_future()
            send = pooled.sender(asked)
            send(asked, b"{}", lambda read, it: come.set_result((read, it)))
            async with asyncio.timeout(10):
                read, it = await come
                read(it)
        finally:
            await pooled.aclose()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(work())
