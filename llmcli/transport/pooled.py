"""Thousands of requests at a time over HTTP: the only importer of aiohttp.

One pool of kept-alive connections, no model objects on the way: a tenth of the SDK's CPU for each request.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llmcli import __version__, jsonl
from llmcli.errors import TransientFailure
from llmcli.transport import replies
from llmcli.transport.keys import KeyOf, checked_key
from llmcli.wire import Chunk, Completion, Request, Stream

if TYPE_CHECKING:
    import aiohttp

_KEEP = 75.0  # seconds that an idle connection is kept: longer than a pause between retries


class Pooled:
    """The bottom of the stack for a batch. Parameters as for Sdk; it behaves the same, error for error."""

    def __init__(self, key_of: KeyOf, timeout: float = 600.0, connect: float = 10.0) -> None:
        self._key_of = key_of
        self._timeout = timeout
        self._connect = min(connect, timeout)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: Request) -> Completion:
        """See Transport."""
        try:
            async with asyncio.timeout(self._timeout), self._open(request) as (reply, response):
                body = b"".join([piece async for piece in self._pieces(reply, response)])
        except TimeoutError:
            raise self._timed_out(request) from None
        return replies.completion(reply, body)

    async def open_stream(self, request: Request) -> Stream:
        """See Transport."""
        opened = self._open(request)
        try:
            async with asyncio.timeout(self._timeout):
                reply, response = await opened.__aenter__()
        except TimeoutError:
            raise self._timed_out(request) from None
        meta = reply.meta()

        async def chunks() -> AsyncGenerator[Chunk, None]:
            try:
                async for chunk in replies.chunks(reply, self._pieces(reply, response), meta):
                    yield chunk
            finally:
                await opened.__aexit__(None, None, None)

        return Stream(chunks(), meta)

    async def aclose(self) -> None:
        """See Transport."""
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def _open(self, request: Request) -> AsyncIterator[tuple[replies.Reply, aiohttp.ClientResponse]]:
        """Send; give the head of a 2xx reply and its unread body. Raises the CallFailed family."""
        key = checked_key(self._key_of(request), request)
        response = await self._post(request, key)
        reply = replies.Reply(request, response.status, _lower(response), key)
        try:
            if not 200 <= response.status < 300:
                raise replies.failure(reply, await self._refusal(reply, response))
            yield reply, response
        except BaseException:
            response.close()  # its connection is of no use to another request
            raise
        finally:
            response.release()

    async def _post(self, request: Request, key: str | None) -> aiohttp.ClientResponse:
        import aiohttp

        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key is not None and urlsplit(request.url).username is None:  # else the address itself says who
            headers["Authorization"] = f"Bearer {key}"
        try:
            return await self._client().post(
                request.url, data=jsonl.dumps(request.body()), headers=headers, allow_redirects=False
            )
        except (aiohttp.ServerTimeoutError, TimeoutError):
            raise self._timed_out(request) from None
        except aiohttp.ClientError as error:
            raise replies.unreachable(request, _cause(error), key) from None

    async def _refusal(self, reply: replies.Reply, response: aiohttp.ClientResponse) -> bytes:
        """The body of an error, as far as it came: the status alone says enough."""
        pieces = []
        try:
            async for piece in self._pieces(reply, response):
                pieces.append(piece)  # noqa: PERF401 - what came before a break is kept
        except TransientFailure:
            pass
        return b"".join(pieces)

    async def _pieces(self, reply: replies.Reply, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        import aiohttp

        try:
            async for piece in response.content.iter_any():
                yield piece
        except (aiohttp.ServerTimeoutError, TimeoutError):
            raise self._timed_out(reply.request) from None
        except aiohttp.ClientError as error:
            raise replies.cut(reply, _cause(error)) from None

    def _timed_out(self, request: Request) -> TransientFailure:
        return replies.timed_out(request, self._timeout)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=self._connect, sock_read=self._timeout
                ),
                headers={"User-Agent": f"llmcli/{__version__}"},
                trust_env=True,
            )
        return self._session


def _lower(response: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _cause(error: BaseException) -> str:
    """The innermost reason, in the operating system's words where they are its."""
    inner = getattr(error, "os_error", None) or error.__cause__ or error
    if isinstance(inner, OSError) and inner.errno and inner.errno > 0 and type(inner).__module__ != "ssl":
        return os.strerror(inner.errno)
    return str(inner) or type(inner).__name__
