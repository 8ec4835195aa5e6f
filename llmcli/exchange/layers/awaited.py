"""Tells what an answer is waited for from: a deadline that passes meanwhile is to say it."""

from __future__ import annotations

from collections.abc import Callable

from llmcli.transport.answer import Answer
from llmcli.transport.base import Transport
from llmcli.wire import Chunk, Request


class Awaited:
    """A transport that tells `waits_for(what, where)` before each wait."""

    def __init__(self, inner: Transport, waits_for: Callable[[str, str], None]) -> None:
        self._inner = inner
        self._waits_for = waits_for

    async def ask(self, request: Request) -> Answer:
        """See Transport."""
        where = request.place
        self._waits_for("the answer", where)
        answer = await self._inner.ask(request)

        def note(chunk: Chunk) -> None:
            if chunk.get("choices"):
                self._waits_for("the rest of the answer", where)

        answer.watch(note)
        return answer

    async def aclose(self) -> None:
        """See Transport."""
        await self._inner.aclose()
