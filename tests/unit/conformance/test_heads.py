"""Heads that real servers and proxies send: long, twice the same, old, or at odds with the body. The body counts."""

from __future__ import annotations

import asyncio

import pytest

from llmcli.transport.sdk import Sdk
from llmcli.wire import Json, Request
from tests import server as wire
from tests.server import Scenario
from tests.server.replies import dumps
from tests.unit.conformance.asking import WHOLE, Row, always, becomes, cases

CHUNKED = "Transfer-Encoding: chunked\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
EVENTS = b"".join(
    b"data: %b\n\n" % each
    for each in (
        dumps({"choices": [{"index": 0, "delta": {"content": "Hello"}}]}),
        dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
        b"[DONE]",
    )
)


def sent(headers: str, body: bytes, version: str = "HTTP/1.1", kind: str = "application/json") -> Scenario:
    """These very headers, and these bytes behind them; then the connection is closed."""
    head = f"{version} 200 OK\r\nContent-Type: {kind}\r\n{headers}\r\n"
    return wire.raw(head.encode() + body)


def heads(body: bytes) -> dict[str, Scenario]:
    """Replies with this body."""
    size, chunks = f"Content-Length: {len(body)}\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return {
        "a header of 8 kB": sent(f"X-Long: {'x' * 8_000}\r\n{size}", body),
        "a header of 64 kB": sent(f"X-Long: {'x' * 64_000}\r\n{size}", body),
        "1,000 headers": sent("".join(f"X-{number}: some value\r\n" for number in range(1_000)) + size, body),
        "a header 1,000 times": sent("Set-Cookie: a=b\r\n" * 1_000 + size, body),
        "a length twice": sent(size + size, body),
        "a length twice in one line": sent(f"Content-Length: {len(body)}, {len(body)}\r\n", body),
        "a length beside chunks": sent(size + CHUNKED, chunks),
        "a wrong length beside chunks": sent("Content-Length: 5\r\n" + CHUNKED, chunks),
        "chunks, and a length": sent(CHUNKED + size, chunks),
        "chunked twice": sent(CHUNKED + CHUNKED, chunks),
        "identity, then chunked": sent("Transfer-Encoding: identity\r\n" + CHUNKED, chunks),
        "chunked twice in one line": sent("Transfer-Encoding: chunked, chunked\r\n", chunks),
        "CHUNKED": sent("Transfer-Encoding: CHUNKED\r\n", chunks),
        "HTTP/1.0": sent(size, body, version="HTTP/1.0"),
        "HTTP/1.0 without a length": sent("", body, version="HTTP/1.0"),
        "HTTP/1.0, kept open": sent(size + "Connection: keep-alive\r\n", body, version="HTTP/1.0"),
        "neither a length nor chunks": sent("", body),
        "no reason behind the status": wire.raw(f"HTTP/1.1 200\r\n{size}\r\n".encode() + body),
        "LF alone": wire.raw(f"HTTP/1.1 200 OK\n{size}\n".replace("\r", "").encode() + body),
        "a header without a value": sent("X-Empty:\r\nX-Blank: \r\n" + size, body),
        "a header that is not ASCII": sent("X-Name: Jos\xe9\r\n" + size, body),
        "a folded header": sent("X-Folded: one\r\n two\r\n" + size, body),
        "interim heads": wire.raw(INTERIM + f"HTTP/1.1 200 OK\r\n{size}\r\n".encode() + body),
        "trailers": sent(CHUNKED, chunks[:-2] + b"X-Sum: 1\r\n\r\n"),
        "chunk extensions": sent(CHUNKED, chunks.replace(b"\r\n", b";a=b\r\n", 1)),
        "JSON that is called events": sent(size, body, kind="text/event-stream"),
        "JSON of no kind": sent(size, body, kind=""),
    }


STREAMS = {
    "events": sent(CHUNKED, b"%x\r\n%b\r\n0\r\n\r\n" % (len(EVENTS), EVENTS), kind="text/event-stream"),
    "events of HTTP/1.0": sent("", EVENTS, "HTTP/1.0", "text/event-stream"),
    "events that are called JSON": sent("", EVENTS),
}
ROWS = [Row(name, head, "Hello", chat_only=True) for name, head in (heads(dumps(WHOLE)) | STREAMS).items()]
LISTS = heads(dumps({"object": "list", "data": [{"id": "tiny"}]}))


@pytest.mark.parametrize(("row", "way"), cases(ROWS))
def test_the_body_behind_such_a_head_counts(row, way, server, new_transport):
    becomes(row, way, server, new_transport)


@pytest.mark.parametrize("head", LISTS.values(), ids=LISTS)
def test_a_list_of_models_behind_such_a_head_counts(head, server):
    server.models = head
    asked = Request("openai", "", server.base_url, {})

    async def work() -> list[Json]:
        transport = Sdk(always(None), {})
        try:
            return await transport.list_models(asked)
        finally:
            await transport.aclose()

    assert asyncio.run(work()) == [{"id": "tiny"}]
