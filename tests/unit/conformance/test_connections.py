"""Connections that break, stall or never come about: the same error of ours from every transport."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from llmcli.errors import (
    StreamCut,
    TransientFailure,
    WrongWay,
)
from tests import server as wire
from tests.server import ok
from tests.unit.conformance.asking import (
    STOP,
    WAYS,
    Fails,
    Row,
    ask,
    becomes,
    cases,
    hello,
    request_to,
)


def connections() -> Iterator[Row]:
    lost = Fails(TransientFailure, "the connection broke before an answer came: ", request_id=None)
    strange = Fails(TransientFailure, "the reply cannot be read: ", request_id=None)
    broke = Fails(StreamCut, "the connection broke in the middle of the answer")
    late = Fails(TransientFailure, "no answer within 0.2 s", request_id=None)
    yield Row("dropped", wire.drop(), lost)
    yield Row("reset", wire.reset(), lost)
    yield Row("no HTTP", wire.raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), strange)
    yield Row("half a head", wire.raw(b"HTTP/1.1 200 OK\r\ncontent-le"), lost)
    yield Row("hanging", wire.hang(), late, timeout=0.2)
    yield Row("stalled in the body", wire.stall(ok("Hello"), 9), late, timeout=0.2)
    silent = Fails(StreamCut, "nothing more came within 0.2 s")
    yield Row("stalled after some deltas", wire.stall(hello(STOP), -60), silent, ("stream",), timeout=0.2)
    yield Row(
        "stalled at the end of the body",
        wire.stall(ok("Hello"), -9),
        late,
        ("whole",),
        timeout=0.2,
        unstreamed=True,
    )
    for how in ("close", "reset", "half"):
        yield Row(f"body cut by {how}", wire.cut(ok("Hello"), -9, how), broke, ("whole",))
        yield Row(f"stream cut by {how}", wire.cut(ok("Hello", done=False), -200, how), broke, ("stream",))
    unpackable = Fails(StreamCut, "the reply, packed as gzip, cannot be unpacked: ")
    yield Row("bad gzip", wire.gzipped(ok("Hello"), broken=True), unpackable)


ROWS = [
    *connections(),
]


@pytest.mark.parametrize(("row", "way"), cases(ROWS))
def test_what_becomes_of_it(row, way, server, new_transport):
    becomes(row, way, server, new_transport)


@pytest.mark.parametrize("way", WAYS)
def test_connection_refused(way, new_transport):
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unheard.getsockname()[1]}/v1"
        with pytest.raises(TransientFailure) as caught:
            ask(new_transport(), request_to(address, way))
    assert str(caught.value) == (
        f"the local server is not running: Connection refused (openai/tiny at {address});"
        " start it, or check the address"
    )


@pytest.fixture
def deaf() -> Iterator[str]:
    """The address of a socket that nobody accepts from, and whose queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


@pytest.mark.parametrize("way", WAYS)
def test_a_connection_that_does_not_come_about(way, deaf, new_transport):
    with pytest.raises(TransientFailure) as caught:
        ask(new_transport(connect=0.1), request_to(deaf, way))
    assert str(caught.value) == (
        f"cannot connect within 0.1 s (openai/tiny at {deaf}); check the address and the network"
    )
    assert not caught.value.may_have_cost


@pytest.mark.parametrize("way", WAYS)
def test_a_name_that_does_not_exist(way, new_transport):
    with pytest.raises(TransientFailure, match="cannot reach the endpoint: "):
        ask(new_transport(), request_to("http://nowhere.invalid/v1", way))


@pytest.mark.parametrize("way", WAYS)
def test_http_spoken_to_https(way, server, new_transport):
    with pytest.raises(
        WrongWay, match=r"the server does not speak TLS .*; if it is a plain server, write http://"
    ):
        ask(new_transport(), request_to(server.base_url.replace("http:", "https:"), way))
