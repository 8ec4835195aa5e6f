"""Thousands of requests at a time, straight on the wire: no model objects on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any

from llmcli import __version__, jsonl
from llmcli.address import asked
from llmcli.errors import StreamCut
from llmcli.transport import bodies
from llmcli.transport.answer import Answer
from llmcli.transport.failures import diagnosis as failures
from llmcli.transport.failures.breaks import no_reply, not_whole
from llmcli.transport.keys import KeyOf, checked_key, credentials
from llmcli.transport.stars import starred
from llmcli.transport.wire.heads import Break, Head, WireReply
from llmcli.wire import Chunk, Request

if TYPE_CHECKING:
    from llmcli.transport.wire.exchange import Wire

_OURS = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    "User-Agent": f"llmcli/{__version__}",
}


class Pooled:
    """The bottom of the stack for a batch. Parameters as for Sdk; it behaves the same, error for error."""

    def __init__(self, key_of: KeyOf, timeout: float = 600.0, connect: float = 10.0) -> None:
        self._key_of = key_of
        self._timeout = timeout
        self._connect = min(connect, timeout)
        self._wire: Wire | None = None
        self._heads: dict[tuple[Any, ...], Head] = {}

    async def ask(self, request: Request) -> Answer:
        """See Transport."""
        key = checked_key(await self._key_of(request), request)
        sent = await self._sent(request, key)
        reply = failures.Reply(request, sent.status, sent.headers, key)
        if not 200 <= sent.status < 300:
            raise failures.failure(reply, await self._refusal(reply, sent))
        if sent.pieces is not None:
            return self._streamed(reply, sent, sent.pieces)
        if sent.broken is not None:
            raise not_whole(reply, sent.broken, self._timeout)
        return Answer.of(bodies.completion(reply, sent.body))

    def _streamed(self, reply: failures.Reply, sent: WireReply, said: AsyncIterator[bytes]) -> Answer:
        meta, pieces = reply.meta(), self._pieces(reply, said)

        async def chunks() -> AsyncGenerator[Chunk, None]:
            try:
                whole = bodies.chunks(reply, pieces, meta, self._timeout)
                async for chunk in starred(whole, reply.secrets):
                    yield chunk
            finally:
                sent.close()

        return Answer.streamed(chunks(), meta)

    async def aclose(self) -> None:
        """See Transport."""
        if self._wire is not None:
            await self._wire.aclose()

    async def _sent(self, request: Request, key: str | None) -> WireReply:
        """Send, and give the reply, or the head of a streamed one. Raises the CallFailed family."""
        if self._wire is None:
            from llmcli.transport.wire.exchange import Wire

            self._wire = Wire()
        head = self._head(request, key)
        try:
            return await self._wire.exchange(head, jsonl.dumps(request.fields))
        except Break as error:
            raise no_reply(request, key, error, self._timeout, self._connect) from None

    def _head(self, request: Request, key: str | None) -> Head:
        """One for all that go the same way."""
        place = (request.base_url, key, request.stream, request.headers)
        if place not in self._heads:
            headers = request.headers.sent({**_OURS, **credentials(request, key)})
            self._heads[place] = Head(
                "POST",
                asked(request.url),
                (*headers.items(), *((name, None) for name in request.headers.removed)),
                self._timeout,
                self._connect,
                bool(request.stream),
            )
        return self._heads[place]

    async def _refusal(self, reply: failures.Reply, sent: WireReply) -> bytes:
        """The body of an error, as far as it came: the status alone says enough."""
        if sent.pieces is None:
            return sent.body
        pieces = []
        try:
            async with asyncio.timeout(self._timeout):
                async for piece in self._pieces(reply, sent.pieces):
                    pieces.append(piece)  # noqa: PERF401 - what came before a break is kept
        except StreamCut:
            pass
        except TimeoutError:
            raise failures.timed_out(reply.request, self._timeout) from None
        finally:
            sent.close()
        return b"".join(pieces)

    async def _pieces(self, reply: failures.Reply, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for piece in pieces:
                yield piece
        except Break as error:
            raise not_whole(reply, error, self._timeout) from None
