"""A long body that goes out in pieces: whole, once more from its beginning, and given up where it cannot be read."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llmcli.transport.wire.exchange import Wire
from llmcli.transport.wire.heads import Break, How
from llmcli.transport.wire.outflow import Outflow
from tests.unit.test_wire import OK, head_to, listening

PIECES = [b"a" * 100_000, b"", b"b" * 7, b"c" * 8_000_000]
BODY = b"".join(PIECES)


def sent(serve: Callable[[socket.socket], None], pieces: Callable[[], Any]) -> int:
    """The status of the reply to a body that goes out in pieces."""

    async def work(url: str) -> int:
        wire = Wire({})
        try:
            reply = await wire.exchange(head_to(url), Outflow(len(BODY), pieces))
            assert (await wire.exchange(head_to(url), b"x")).status, "the handle is fit for the next"
            return reply.status
        finally:
            await wire.aclose()

    with listening(serve) as url:
        return asyncio.run(work(url))


def taken(connection: socket.socket) -> bytes:
    """The body of a request."""
    with connection.makefile("rb") as request:
        head = dict(
            line.decode().lower().split(": ") for line in iter(request.readline, b"\r\n") if b": " in line
        )
        return request.read(int(head["content-length"]))


def test_it_arrives_whole_with_its_length():
    came = []

    def serve(connection: socket.socket) -> None:
        came.append(taken(connection))
        connection.sendall(OK)
        came.append(taken(connection))
        connection.sendall(OK)

    assert sent(serve, lambda: PIECES) == 200
    assert came == [BODY, b"x"]


def test_it_goes_once_more_from_its_beginning_where_the_server_closed_before_it_was_out():
    came, connections = [], itertools.count()

    def serve(connection: socket.socket) -> None:
        if not next(connections):
            connection.recv(1000)
            return
        for _ in range(2):
            came.append(taken(connection))
            connection.sendall(OK)

    assert sent(serve, lambda: PIECES) == 200
    assert came[0] == BODY


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), None], ids=["unreadable", "too short"])
def test_one_that_cannot_be_read_to_its_end_breaks(error):
    def pieces() -> Iterator[bytes]:
        yield BODY[:1000]
        if error is not None:
            raise error

    with pytest.raises(Break) as broke:
        sent(lambda connection: taken(connection) and None, pieces)
    assert broke.value.how is How.BROKEN
