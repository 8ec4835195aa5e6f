"""Thousands of requests at a time over HTTP: the only importer of aiohttp.

One pool of kept-alive connections, no model objects on the way: a tenth of the SDK's CPU for each request.
"""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from llmcli import __version__, jsonl
from llmcli.errors import CallFailed, StreamCut
from llmcli.transport import bodies
from llmcli.transport.answer import Answer
from llmcli.transport.failures import diagnosis as failures
from llmcli.transport.keys import KeyOf, checked_key
from llmcli.transport.stars import starred
from llmcli.wire import Chunk, Request

if TYPE_CHECKING:
    import ssl

    import aiohttp
    from yarl import URL

_KEEP = 75.0  # seconds that an idle connection is kept: longer than a pause between retries
_reused: ContextVar[bool] = ContextVar("reused")  # whether this task's connection was used before


class Pooled:
    """The bottom of the stack for a batch. Parameters as for Sdk; it behaves the same, error for error."""

    def __init__(self, key_of: KeyOf, timeout: float = 600.0, connect: float = 10.0) -> None:
        self._key_of = key_of
        self._timeout = timeout
        self._connect = min(connect, timeout)
        self._session: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None  # each of its requests has a new connection
        self._places: dict[str, _Place] = {}

    async def ask(self, request: Request) -> Answer:
        """See Transport."""
        if request.stream:
            return await self._streamed(request)
        reply, response = await self._post(request, whole=True)
        body = await self._body(reply, response)
        return Answer.of(bodies.completion(reply, body))

    async def _streamed(self, request: Request) -> Answer:
        try:
            async with asyncio.timeout(self._timeout):
                reply, response = await self._post(request, whole=False)
        except TimeoutError:
            raise failures.timed_out(request, self._timeout) from None
        meta, pieces = reply.meta(), self._pieces(reply, response)

        async def chunks() -> AsyncGenerator[Chunk, None]:
            try:
                whole = bodies.chunks(reply, pieces, meta, self._timeout)
                async for chunk in starred(whole, reply.key):
                    yield chunk
            finally:
                response.close()

        return Answer.streamed(chunks(), meta)

    async def aclose(self) -> None:
        """See Transport."""
        for session in (self._session, self._fresh):
            if session is not None:
                await session.close()

    async def _post(self, request: Request, *, whole: bool) -> tuple[failures.Reply, aiohttp.ClientResponse]:
        """Send; give the head of a 2xx reply and its unread body. Raises the CallFailed family."""
        import aiohttp

        place = self._places.get(request.base_url) or self._place(request)
        key = checked_key(await self._key_of(request), request)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key is not None and not place.has_user:  # else the address itself says who
            headers["Authorization"] = f"Bearer {key}"
        try:
            response = await self._sent(
                place.url,
                body=jsonl.dumps(request.fields),
                headers=request.head(headers),
                allow_redirects=False,
                proxy=place.proxy,
                ssl=place.trust,
                timeout=self._limits(whole=whole),
            )
        except aiohttp.ConnectionTimeoutError:
            raise failures.not_connected(request, self._connect) from None
        except (aiohttp.ServerTimeoutError, TimeoutError):
            raise failures.timed_out(request, self._timeout) from None
        except aiohttp.ClientError as error:
            raise _no_reply(request, key, error) from None
        reply = failures.Reply(request, response.status, response.headers, key)
        if not 200 <= response.status < 300:
            raise failures.failure(reply, await self._refusal(reply, response))
        return reply, response

    async def _sent(self, url: URL, *, body: bytes, **how: Any) -> aiohttp.ClientResponse:
        """Send, once more where a connection that was kept open turns out to be closed: that was no attempt."""
        import aiohttp

        _reused.set(False)
        try:
            return await self._client().post(url, data=_payload(body), **how)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            begun = isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str)
            if begun or not _reused.get():
                raise
        if self._fresh is None:
            self._fresh = _session(_connector(force_close=True))
        return await self._fresh.post(url, data=_payload(body), **how)

    async def _body(self, reply: failures.Reply, response: aiohttp.ClientResponse) -> bytes:
        import aiohttp

        try:
            return await response.read()
        except (aiohttp.ServerTimeoutError, TimeoutError):
            raise failures.timed_out(reply.request, self._timeout) from None
        except aiohttp.ClientError as error:
            raise failures.cut(reply, _cause(error)) from None
        finally:
            response.release()

    async def _refusal(self, reply: failures.Reply, response: aiohttp.ClientResponse) -> bytes:
        """The body of an error, as far as it came: the status alone says enough."""
        pieces = []
        try:
            async for piece in self._pieces(reply, response):
                pieces.append(piece)  # noqa: PERF401 - what came before a break is kept
        except StreamCut:
            response.close()
        finally:
            response.release()
        return b"".join(pieces)

    async def _pieces(self, reply: failures.Reply, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        import aiohttp

        try:
            async for piece in response.content.iter_any():
                yield piece
        except (aiohttp.ServerTimeoutError, TimeoutError):
            raise failures.timed_out(reply.request, self._timeout) from None
        except aiohttp.ClientError as error:
            raise failures.cut(reply, _cause(error)) from None

    @cache  # noqa: B019 - two values, and the transport lives as long as the command
    def _limits(self, *, whole: bool) -> aiohttp.ClientTimeout:
        """The time for a whole attempt, or for each silence of a stream."""
        import aiohttp

        if whole:
            return aiohttp.ClientTimeout(total=self._timeout, sock_connect=self._connect)
        return aiohttp.ClientTimeout(total=None, sock_connect=self._connect, sock_read=self._timeout)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = _session(_connector(keepalive_timeout=_KEEP))
        return self._session

    def _place(self, request: Request) -> _Place:
        from yarl import URL

        url = URL(request.url)
        place = _Place(url, _proxy_for(url), _trust_for(url), url.user is not None)
        self._places[request.base_url] = place
        return place


def _session(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    import aiohttp

    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"llmcli/{__version__}"},
    )


def _connector(**settings: Any) -> aiohttp.BaseConnector:
    """Connections without a limit to their number, that tell in `_reused` whether one was used before."""
    import aiohttp
    from aiohttp.client_proto import ResponseHandler

    used: WeakSet[ResponseHandler] = WeakSet()

    class Telling(aiohttp.TCPConnector):
        async def connect(self, *call: Any, **more: Any) -> aiohttp.connector.Connection:
            connection = await super().connect(*call, **more)
            if (protocol := connection.protocol) is not None:
                _reused.set(protocol in used)
                used.add(protocol)
            return connection

    return Telling(limit=0, **settings)


@dataclass(frozen=True, slots=True)
class _Place:
    """An address, worked out once; `has_user`: a name and password stand in it."""

    url: URL
    proxy: str | None
    trust: ssl.SSLContext | bool
    has_user: bool


def _proxy_for(url: URL) -> str | None:
    """The environment's proxy for an address. aiohttp's own look-up takes two threads a request, and reads netrc.

    Raises UsageError for one that aiohttp cannot speak through.
    """
    from urllib.request import getproxies, proxy_bypass

    from yarl import URL

    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(f"{url.host}:{url.port}") or _in_a_network(url, proxies.get("no", "")):
        return None
    try:
        scheme = URL(proxy if "://" in proxy else f"http://{proxy}").scheme
    except ValueError as error:
        raise failures.unusable_proxy(error) from None
    if scheme not in {"http", "https"}:
        raise failures.unusable_proxy(f"{scheme} is not spoken here")
    return proxy if "://" in proxy else f"http://{proxy}"


def _in_a_network(url: URL, excepted: str) -> bool:
    """Whether the address lies in a network (`10.0.0.0/8`) of NO_PROXY, of which Python's own look-up knows nothing."""
    from ipaddress import ip_address, ip_network

    for network in excepted.split(","):
        with suppress(ValueError):  # a name, on either side
            if "/" in network and ip_address(url.host or "") in ip_network(network.strip(), strict=False):
                return True
    return False


def _trust_for(url: URL) -> ssl.SSLContext | bool:
    """The environment's certificates for an address; True: the system's. Raises BadCommand; aiohttp says nothing."""
    file, folder = (os.environ.get(name) or None for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    if url.scheme != "https" or not (file or folder):
        return True
    import ssl

    try:
        context = ssl.create_default_context(cafile=file, capath=None if file else folder)
    except OSError as error:
        raise failures.unusable_certificates(_cause(error)) from None
    context.set_alpn_protocols(["http/1.1"])
    return context


def _payload(body: bytes) -> bytes | io.BytesIO:
    """A body as aiohttp wants it: it warns of bytes above 1 MiB, and sends a stream piece by piece."""
    return body if len(body) <= 1 << 20 else io.BytesIO(body)


def _no_reply(request: Request, key: str | None, error: aiohttp.ClientError) -> CallFailed:
    """The error where the connection failed: before the request was sent, or after."""
    import aiohttp

    before = (aiohttp.ClientConnectorError, aiohttp.ServerFingerprintMismatch, aiohttp.ClientHttpProxyError)
    if isinstance(error, before) or not isinstance(
        error, aiohttp.ClientConnectionError | aiohttp.ClientResponseError | aiohttp.ClientPayloadError
    ):
        return failures.unreachable(request, _cause(error), key)
    if isinstance(error, aiohttp.ClientResponseError):
        return failures.unreadable(request, _cause(error), key)
    return failures.broken(request, _cause(error), key)


def _cause(error: BaseException) -> str:
    """The innermost reason, in the operating system's words where they are its."""
    inner = getattr(error, "os_error", None) or error.__cause__ or error
    if isinstance(inner, OSError) and inner.errno and inner.errno > 0 and type(inner).__module__ != "ssl":
        return os.strerror(inner.errno)
    return str(inner) or type(inner).__name__
