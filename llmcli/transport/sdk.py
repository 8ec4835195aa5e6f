"""One request at a time over HTTP: the only importer of openai (and of httpx2, which it brings).

The SDK gives the connection, proxies, certificates and headers; its retries are off, and bodies and
streams are read here as bytes, since it lets pass in silence what a script must know of.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from llmcli import __version__, jsonl
from llmcli.address import asked
from llmcli.errors import CallFailed, TransientFailure
from llmcli.transport import bodies
from llmcli.transport.answer import Answer
from llmcli.transport.failures import diagnosis as failures
from llmcli.transport.keys import KeyOf, checked_key, credentials
from llmcli.transport.lazy import import_openai
from llmcli.transport.stars import starred
from llmcli.wire import Chunk, Json, Request

if TYPE_CHECKING:
    import ssl

    import httpx2
    from openai import AsyncOpenAI

_LINGER = 0.05  # seconds that a server may take to end a stream whose [DONE] it has sent


class Sdk:
    """The bottom of the stack for a single request.

    `key_of` gives the key for a request (None: send none). `timeout` is in seconds: of a whole
    unstreamed attempt; of the opening and of each silence of a streamed one. `connect` is its connect part.
    """

    def __init__(
        self, key_of: KeyOf, env: Mapping[str, str], timeout: float = 600.0, connect: float = 10.0
    ) -> None:
        self._key_of = key_of
        self._env = env
        self._timeout = timeout
        self._connect = min(connect, timeout)
        self._clients: dict[tuple[str, str | None], AsyncOpenAI] = {}

    async def ask(self, request: Request) -> Answer:
        """See Transport."""
        if request.stream:
            return await self._streamed(request)
        async with self._open(request) as (reply, response):
            body = await self._whole(reply, response)
        return Answer.of(bodies.completion(reply, body))

    async def _streamed(self, request: Request) -> Answer:
        opened = self._open(request)
        reply, response = await opened.__aenter__()
        meta, pieces = reply.meta(), self._pieces(reply, response)

        async def chunks() -> AsyncGenerator[Chunk, None]:
            try:
                whole = bodies.chunks(reply, pieces, meta, self._timeout)
                async for chunk in starred(whole, reply.secrets):
                    yield chunk
                await _read_to_end(pieces)
            finally:
                await opened.__aexit__(None, None, None)

        return Answer.streamed(chunks(), meta)

    async def list_models(self, request: Request) -> list[Json]:
        """What the address of `request` offers: the model objects, as it sends them."""
        async with self._open(request, "models") as (reply, response):
            return bodies.models(reply, await self._whole(reply, response))

    async def aclose(self) -> None:
        """See Transport."""
        for client in self._clients.values():
            await client.close()

    @asynccontextmanager
    async def _open(
        self, request: Request, listing: str | None = None
    ) -> AsyncIterator[tuple[failures.Reply, httpx2.Response]]:
        """Send; give the head of a 2xx reply and its unread body. Raises the CallFailed family.

        `listing` is a path that is read instead.
        """
        key = checked_key(await self._key_of(request), request)
        client = self._client(request, key)  # importing the SDK takes nothing of the attempt's time
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._reply(client, request, key, listing)
        except TimeoutError:
            raise self._timed_out(request) from None
        try:
            yield failures.Reply(request, response.status_code, response.headers, key), response
        finally:
            await response.aclose()

    async def _reply(
        self, client: AsyncOpenAI, request: Request, key: str | None, listing: str | None
    ) -> httpx2.Response:
        openai = import_openai()
        import httpx2

        how: dict[str, Any] = {
            "cast_to": httpx2.Response,
            "stream": True,
            "stream_cls": openai.AsyncStream[object],
            "options": {"headers": self._headers(request, key), "security": {"bearer_auth": True}},
        }
        try:
            if listing is not None:
                response: httpx2.Response = await client.get(asked(request.url_of(listing)), **how)
            else:
                response = await client.post(asked(request.url), content=jsonl.dumps(request.body()), **how)
        except openai.APIStatusError as error:
            raise _refusal(request, key, error.response, error.response.content) from None
        except (openai.APITimeoutError, httpx2.TimeoutException) as error:
            if isinstance(error.__cause__ or error, httpx2.ConnectTimeout):
                raise failures.not_connected(request, self._connect) from None
            raise self._timed_out(request) from None
        except openai.APIConnectionError as error:
            raise _no_reply(request, key, error) from None
        except (httpx2.TransportError, httpx2.DecodingError, httpx2.StreamError) as error:
            if (answer := _status_error(error)) is None:
                raise
            raise _refusal(request, key, answer.response, b"") from None
        return response

    async def _whole(self, reply: failures.Reply, response: httpx2.Response) -> bytes:
        try:
            async with asyncio.timeout(self._timeout):
                return b"".join([piece async for piece in self._pieces(reply, response)])
        except TimeoutError:
            raise self._timed_out(reply.request) from None

    async def _pieces(self, reply: failures.Reply, response: httpx2.Response) -> AsyncIterator[bytes]:
        import httpx2

        try:
            async for piece in response.aiter_bytes():
                yield piece
        except httpx2.TimeoutException:
            raise self._timed_out(reply.request) from None
        except (httpx2.TransportError, httpx2.DecodingError, httpx2.StreamError) as error:
            raise failures.cut(reply, _cause(error)) from None

    def _timed_out(self, request: Request) -> TransientFailure:
        return failures.timed_out(request, self._timeout)

    def _client(self, request: Request, key: str | None) -> AsyncOpenAI:
        place = (request.base_url, key)
        if place not in self._clients:
            self._clients[place] = self._new_client(request, key)
        return self._clients[place]

    def _new_client(self, request: Request, key: str | None) -> AsyncOpenAI:
        openai = import_openai()
        import httpx2

        timeout = openai.Timeout(self._timeout, connect=self._connect)
        try:
            _check_proxies()
            http = openai.DefaultAsyncHttpxClient(
                timeout=timeout, follow_redirects=False, verify=_verify(request.base_url)
            )
            del http.headers["User-Agent"]  # or it is sent where the user took ours away
        except OSError as error:
            raise failures.unusable_certificates(_cause(error)) from None
        except (httpx2.InvalidURL, ValueError, ImportError) as error:
            raise failures.unusable_proxy(error) from None
        client: AsyncOpenAI = openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=asked(request.base_url),
            max_retries=0,
            timeout=timeout,
            http_client=http,
        )
        return client

    def _headers(self, request: Request, key: str | None) -> dict[str, Any]:
        """What goes out beside the body. The SDK reads the environment too: of that, nothing goes out by itself."""
        openai = import_openai()
        ours = {"User-Agent": f"llmcli/{__version__}", "Content-Type": "application/json"}
        sent = request.headers.sent({**ours, **credentials(request, key)})
        names = {name.lower() for name in sent}
        custom = self._env.get("OPENAI_CUSTOM_HEADERS", "")
        theirs = [line.partition(":")[0].strip() for line in custom.split("\n") if ":" in line]
        theirs += [header.name for header in request.headers.all]
        theirs += ["OpenAI-Organization", "OpenAI-Project", "Authorization", "Accept", *ours]
        return {name: openai.Omit() for name in theirs if name.lower() not in names} | sent


async def _read_to_end(pieces: AsyncIterator[bytes]) -> None:
    """Read what stands behind [DONE], so that the connection can carry the next request."""
    with suppress(TimeoutError, CallFailed):
        async with asyncio.timeout(_LINGER):
            async for _ in pieces:
                pass


def _check_proxies() -> None:
    """Raise ValueError for a proxy at a port that there is none of, which httpx2 finds out in a connect."""
    from urllib.request import getproxies

    for scheme, proxy in getproxies().items():
        if scheme in {"http", "https", "all"}:
            _ = urlsplit(proxy if "://" in proxy else f"http://{proxy}").port


def _verify(base_url: str) -> ssl.SSLContext | bool:
    """Certificates are loaded only where there is something to check (17 ms)."""
    if urlsplit(base_url).scheme == "https":
        return True
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _cause(error: BaseException) -> str:
    """The innermost reason: the words of the operating system, not of three libraries."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    if isinstance(error, ExceptionGroup):
        return _cause(error.exceptions[0])
    if isinstance(error, OSError) and type(error).__module__ == "ssl":  # its errno is none of the system's
        return str(error)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)
    return str(error) or type(error).__name__


def _no_reply(request: Request, key: str | None, error: Exception) -> CallFailed:
    """The error where the connection failed: before the request was sent, or after."""
    import httpx2

    kind: BaseException = error.__cause__ or error
    if isinstance(kind, httpx2.RemoteProtocolError) and "disconnected" not in str(kind):
        return failures.unreadable(request, _cause(error), key)
    if isinstance(
        kind, httpx2.ReadError | httpx2.WriteError | httpx2.CloseError | httpx2.RemoteProtocolError
    ):
        return failures.broken(request, _cause(error), key)
    return failures.unreachable(request, _cause(error), key)


def _refusal(request: Request, key: str | None, answer: httpx2.Response, body: bytes) -> CallFailed:
    return failures.failure(failures.Reply(request, answer.status_code, answer.headers, key), body)


def _status_error(error: BaseException | None) -> httpx2.HTTPStatusError | None:
    """The refusal whose body broke: the SDK reads that body while it handles the status."""
    import httpx2

    while error is not None and not isinstance(error, httpx2.HTTPStatusError):
        error = error.__context__
    return error
