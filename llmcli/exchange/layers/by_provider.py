"""The bottom of every stack: the transport of a request's provider, made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from llmcli.transport.answer import Answer
from llmcli.transport.base import SendKind, Transport, sender_of
from llmcli.wire import Request

Make = Callable[[], Transport]


class ByProvider:
    """A transport of its own for each provider in `own`, one for all others; made when first needed."""

    def __init__(self, others: Make, own: Mapping[str, Make]) -> None:
        self._others, self._own = others, own
        self._made: dict[Make, Transport] = {}
        self._found: dict[str, Transport] = {}

    def _for(self, request: Request) -> Transport:
        provider = request.provider
        if provider not in self._found:
            make = self._own.get(provider, self._others)
            self._made[make] = self._found[provider] = self._made.get(make) or make()
        return self._found[provider]

    def ask(self, request: Request) -> Coroutine[Any, Any, Answer]:
        """See Transport."""
        return self._for(request).ask(request)

    def sender(self, request: Request) -> SendKind | None:
        """See FindSend."""
        return sender_of(self._for(request))(request)

    async def aclose(self) -> None:
        """See Transport. More than one layer may stand on this one, and close it."""
        made = list(self._made.values())
        self._made.clear()
        self._found.clear()
        for transport in made:
            await transport.aclose()
