"""What a reply on the wire comes to: an answer, or one of our errors. Both HTTP transports end here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress

from llmcli.errors import CallFailed, StreamCut
from llmcli.transport import bodies
from llmcli.transport.answer import Answer
from llmcli.transport.failures import diagnosis as failures
from llmcli.transport.failures.breaks import not_whole
from llmcli.transport.stars import starred
from llmcli.transport.wire.heads import Break, WireReply
from llmcli.wire import Chunk

_LINGER = 0.05  # seconds that a server may take to end a stream whose [DONE] it has sent


async def answer(reply: failures.Reply, sent: WireReply, seconds: float) -> Answer:
    """The answer in a reply, whole or as it comes. `seconds`: of a refusal's body and of each silence.

    Raises the CallFailed family.
    """
    if _is_good(reply) and sent.pieces is not None:
        return _streamed(reply, sent, _pieces(reply, sent.pieces, seconds), seconds)
    return Answer.of(bodies.completion(reply, await whole(reply, sent, seconds)))


async def whole(reply: failures.Reply, sent: WireReply, seconds: float) -> bytes:
    """The body of a 2xx reply to an unstreamed request. Raises the CallFailed family."""
    if not _is_good(reply):
        raise failures.failure(reply, await _refusal(reply, sent, seconds))
    if sent.broken is not None:
        raise not_whole(reply, sent.broken, seconds)
    return sent.body


def _is_good(reply: failures.Reply) -> bool:
    return 200 <= reply.status < 300


def _streamed(
    reply: failures.Reply, sent: WireReply, pieces: AsyncGenerator[bytes, None], seconds: float
) -> Answer:
    meta = reply.meta()

    async def chunks() -> AsyncGenerator[Chunk, None]:
        try:
            async for chunk in starred(bodies.chunks(reply, pieces, meta, seconds), reply.secrets):
                yield chunk
            await _read_to_end(pieces)
        finally:
            sent.close()

    return Answer.streamed(chunks(), meta)


async def _read_to_end(pieces: AsyncIterator[bytes]) -> None:
    """Read what stands behind [DONE], so that the connection can carry the next request."""
    with suppress(TimeoutError, CallFailed):
        async with asyncio.timeout(_LINGER):
            async for _ in pieces:
                pass


async def _refusal(reply: failures.Reply, sent: WireReply, seconds: float) -> bytes:
    """The body of an error, as far as it came: the status alone says enough."""
    if sent.pieces is None:
        return sent.body
    pieces = []
    try:
        async with asyncio.timeout(seconds), aclosing(_pieces(reply, sent.pieces, seconds)) as coming:
            async for piece in coming:
                pieces.append(piece)  # noqa: PERF401 - what came before a break is kept
    except StreamCut:
        pass
    except TimeoutError:
        raise failures.timed_out(reply.request, seconds) from None
    finally:
        sent.close()
    return b"".join(pieces)


async def _pieces(
    reply: failures.Reply, pieces: AsyncIterator[bytes], seconds: float
) -> AsyncGenerator[bytes, None]:
    try:
        async for piece in pieces:
            yield piece
    except Break as error:
        raise not_whole(reply, error, seconds) from None
