"""Replies longer than a reply may be: no more of them is read, and the error names the bound and its flag."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from llmcli.errors import AuthFailure, Rejected, StreamCut, TransientFailure
from llmcli.transport.base import Transport
from llmcli.wire import Chunk, Request
from tests import server as wire
from tests.server import Answer, chunk, event, ok
from tests.server.replies import dumps
from tests.unit.conformance.asking import WHOLE, Fails, Row, ask, becomes, cases, hello, request_to, text

BOUND = 10_000


def endless(status: int, first: bytes, again: bytes) -> wire.Scenario:
    """More than anybody reads, without a length."""
    return wire.framed(
        lambda _: Answer((first, *[again] * 5_000), status, {"content-type": "text/plain"}), "chunked"
    )


def rows() -> Iterator[Row]:
    blanks = b" " * 1_000
    long = Fails(StreamCut, "the reply is longer than 10000 bytes (--max-reply)")
    yield Row("a body without end", endless(200, b"{", blanks), long, longest=BOUND)
    yield Row("a line without end", endless(200, b"data: ", b"x" * 1_000), long, ("stream",), longest=BOUND)
    yield Row("comments without end", endless(200, b": ", b":\n" * 500), long, ("stream",), longest=BOUND)
    yield Row("a length beyond it", wire.framed(ok("x" * BOUND), "length"), long, ("whole",), longest=BOUND)
    for status, kind in ((400, Rejected), (401, AuthFailure), (503, TransientFailure)):
        error = Fails(kind, "xxx...; its body is longer than 10000 bytes (--max-reply)", status)
        page = endless(status, b"Too bad. ", b"x" * 1_000)
        yield Row(f"an error {status} without end", page, error, longest=BOUND)


@pytest.mark.parametrize(("row", "way"), cases(rows()))
def test_a_reply_beyond_its_bound(row, way, server, new_transport):
    becomes(row, way, server, new_transport)


async def read(transport: Transport, request: Request) -> tuple[list[Chunk], str | None]:
    """The chunks that came before it broke off, and why it did."""
    seen = []
    answer = await transport.ask(request)
    try:
        async for each in answer:
            seen.append(each)  # noqa: PERF401 - it ends in an error
    except StreamCut:
        pass
    await transport.aclose()
    return seen, answer.meta.cut


def test_what_came_of_a_stream_before_its_bound(server, new_transport):
    server.script = hello(*[event(chunk("x" * 900))] * 20)
    seen, cut = asyncio.run(read(new_transport(longest=BOUND), request_to(server.base_url, "stream")))
    assert cut == "the reply is longer than 10000 bytes (--max-reply)"
    assert 3 < len(seen) < 12


@pytest.mark.parametrize("way", ["whole", "stream"])
def test_a_reply_of_just_so_many_bytes(way, server, new_transport):
    body = dumps(WHOLE)
    server.script = wire.reply(body.ljust(BOUND))
    assert text(ask(new_transport(longest=BOUND), request_to(server.base_url, way))) == "Hello"
