"""Tells what an answer is waited for from: a deadline that passes meanwhile is to say it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from llmcli.transport.base import Transport
from llmcli.transport.replies import display
from llmcli.wire import Chunk, Completion, Request, Stream


class Awaited:
    """A transport that tells `waits_for(what, where)` before each wait."""

    def __init__(self, inner: Transport, waits_for: Callable[[str, str], None]) -> None:
        self._inner = inner
        self._waits_for = waits_for

    async def send(self, request: Request) -> Completion:
        """See Transport."""
        self._waits_for("the answer", display(request))
        return await self._inner.send(request)

    async def open_stream(self, request: Request) -> Stream:
        """See Transport."""
        self._waits_for("the answer", display(request))
        stream = await self._inner.open_stream(request)

        async def chunks() -> AsyncGenerator[Chunk, None]:
            async with aclosing(stream.chunks):
                async for chunk in stream:
                    if chunk.get("choices"):
                        self._waits_for("the rest of the answer", display(request))
                    yield chunk

        return Stream(chunks(), stream.meta)

    async def aclose(self) -> None:
        """See Transport."""
        await self._inner.aclose()
