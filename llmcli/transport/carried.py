"""Carried: a client of httpx2 whose requests go over our own wire, for an SDK that brings its own protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING

from llmcli import __version__
from llmcli.lean.dataclass import dataclass
from llmcli.transport.stars import told_apart, without
from llmcli.transport.wire.heads import Head, WireReply

if TYPE_CHECKING:
    import httpx2

    from llmcli.transport.wire.trust import Certificates

_FOR_EVER = 86_400.0  # seconds until the head of a reply: who asks has a limit of his own
_GOODBYE = 2.0  # and for the answer to a DELETE, at the end
_CONNECT = 10.0
_ENDLESS = 1 << 62
_OWN = {"connection", "content-length", "accept-encoding"}  # headers that the wire writes itself
_UNPACKED = {"content-encoding", "content-length", "transfer-encoding"}  # of a body that is plain by now


@dataclass(frozen=True, slots=True)
class WebWay:
    """The way to servers: `env` names proxies and authorities, `longest` is the bytes of a reply to a POST."""

    env: Mapping[str, str]
    trusted: Certificates
    longest: int


def client_over(
    way: WebWay, headers: Mapping[str, str], heard: Callable[[str, int, Mapping[str, str]], None]
) -> httpx2.AsyncClient:
    """The client. `heard` gets the method, the status and the headers of each reply.

    Its exchanges raise Break, or BadCommand, as the wire does.
    """
    import httpx2

    from llmcli.transport.wire.exchange import Wire

    bounded = Wire(way.env, way.longest, way.trusted)
    endless = Wire(
        way.env, _ENDLESS, way.trusted
    )  # for streams of events, which go on as long as a conversation

    class Body(httpx2.AsyncByteStream):
        def __init__(self, reply: WireReply) -> None:
            self._reply = reply

        async def __aiter__(self) -> AsyncIterator[bytes]:
            if self._reply.pieces is not None:
                async for piece in self._reply.pieces:
                    yield piece

        async def aclose(self) -> None:
            self._reply.close()

    class Streamed(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            sent = tuple(each for each in request.headers.items() if each[0].lower() not in _OWN)
            seconds = _GOODBYE if request.method == "DELETE" else _FOR_EVER
            head = Head(request.method, str(request.url), sent, seconds, _CONNECT, streamed=True)
            wire = endless if request.method == "GET" else bounded
            reply = await wire.exchange(head, await request.aread())
            told = without(dict(reply.headers), told_apart(reply.proxy.secrets))
            heard(request.method, reply.status, told)
            plain = {name: value for name, value in told.items() if name not in _UNPACKED}
            return httpx2.Response(reply.status, headers=plain, stream=Body(reply))

        async def aclose(self) -> None:
            await bounded.aclose()
            await endless.aclose()

    client = httpx2.AsyncClient(transport=Streamed(), trust_env=False)
    client.headers = httpx2.Headers({"User-Agent": f"llmcli/{__version__}", **headers})
    return client
