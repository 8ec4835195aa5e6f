"""What a reply on the wire comes to: an answer, or one of our errors. Both HTTP transports end here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress

from llmcli.errors import CallFailed
from llmcli.transport import bodies
from llmcli.transport.answer import Answer
from llmcli.transport.failures import diagnosis as failures
from llmcli.transport.failures.breaks import not_whole
from llmcli.transport.wire.heads import Bounds, Break, How, WireReply
from llmcli.wire import Chunk, Completion

_BEGINNING = 20_000  # bytes that are read of a body that is too long
_LINGER = 0.05  # seconds that a server may take to end a stream whose [DONE] it has sent


async def answer(reply: failures.Reply, sent: WireReply, bounds: Bounds) -> Answer:
    """The answer in a reply, whole or as it comes. Its timeout is that of a refusal's body and of each silence.

    Raises the CallFailed family.
    """
    if sent.pieces is None:
        return Answer.of(whole_answer(reply, sent, bounds))
    if _is_good(reply):
        return _streamed(reply, sent, _pieces(reply, sent.pieces, bounds), bounds.timeout)
    body, broken = await _read(reply, sent.pieces, bounds.timeout)
    sent.close()
    raise _refusal(reply, body, broken, bounds)


def whole_answer(reply: failures.Reply, sent: WireReply, bounds: Bounds) -> Completion:
    """The answer in a reply that is there whole. Raises the CallFailed family."""
    return bodies.completion(reply, whole(reply, sent, bounds))


def whole(reply: failures.Reply, sent: WireReply, bounds: Bounds) -> bytes:
    """The body of a 2xx reply to an unstreamed request. Raises the CallFailed family."""
    if not _is_good(reply):
        raise _refusal(reply, sent.body, sent.broken, bounds)
    if sent.broken is not None:
        raise not_whole(reply, sent.broken, bounds)
    return sent.body


def _is_good(reply: failures.Reply) -> bool:
    return 200 <= reply.status < 300


def _streamed(
    reply: failures.Reply, sent: WireReply, pieces: AsyncGenerator[bytes, None], seconds: float
) -> Answer:
    from llmcli.transport.streams.chunks import chunks  # here, since few batches are streamed

    meta = reply.meta()

    async def shown() -> AsyncGenerator[Chunk, None]:
        try:
            async for chunk in chunks(reply, pieces, meta, seconds):
                yield chunk
            await _read_to_end(pieces)
        finally:
            sent.close()

    return Answer.streamed(shown(), meta)


async def _read_to_end(pieces: AsyncIterator[bytes]) -> None:
    """Read what stands behind [DONE], so that the connection can carry the next request."""
    with suppress(TimeoutError, CallFailed):
        async with asyncio.timeout(_LINGER):
            async for _ in pieces:
                pass


def _refusal(reply: failures.Reply, body: bytes, broken: Break | None, bounds: Bounds) -> CallFailed:
    """The error that a status means. Its body counts as far as it came: the status alone says enough."""
    if broken is not None and broken.how is How.TOO_LONG:
        return failures.with_a_long_body(failures.failure(reply, body[:_BEGINNING]), bounds.longest)
    return failures.failure(reply, body)


async def _read(
    reply: failures.Reply, pieces: AsyncGenerator[bytes, None], seconds: float
) -> tuple[bytes, Break | None]:
    """What comes of a body, and how it broke off. Raises TransientFailure where that takes more than `seconds`."""
    come = []
    try:
        async with asyncio.timeout(seconds), aclosing(pieces):
            async for piece in pieces:
                come.append(piece)  # noqa: PERF401 - what came before a break is kept
    except Break as error:
        return b"".join(come), error
    except TimeoutError:
        raise failures.timed_out(reply.request, seconds) from None
    return b"".join(come), None


async def _pieces(
    reply: failures.Reply, pieces: AsyncIterator[bytes], bounds: Bounds
) -> AsyncGenerator[bytes, None]:
    try:
        async for piece in pieces:
            yield piece
    except Break as error:
        raise not_whole(reply, error, bounds) from None
