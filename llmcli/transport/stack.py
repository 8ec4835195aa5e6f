"""The stack: the one place where transports are put on top of each other."""

from __future__ import annotations

from collections.abc import Callable

from llmcli.transport.base import Transport
from llmcli.wire import Completion, Request, Stream


class ByProvider:
    """The bottom: the embedded provider for `offline`, HTTP for all others; each made when first needed."""

    def __init__(self, http: Callable[[], Transport]) -> None:
        self._make_http = http
        self._made: dict[bool, Transport] = {}

    def _for(self, request: Request) -> Transport:
        offline = request.provider == "offline"
        if offline not in self._made:
            self._made[offline] = _offline() if offline else self._make_http()
        return self._made[offline]

    async def send(self, request: Request) -> Completion:
        """See Transport."""
        return await self._for(request).send(request)

    async def open_stream(self, request: Request) -> Stream:
        """See Transport."""
        return await self._for(request).open_stream(request)

    async def aclose(self) -> None:
        """See Transport."""
        for transport in self._made.values():
            await transport.aclose()


def _offline() -> Transport:
    from llmcli.transport.offline import Offline

    return Offline()


Wrap = Callable[[Transport], Transport]


def stacked(bottom: Transport, *wraps: Wrap) -> Transport:
    """Wraps around a bottom, the outermost last.

    The order that makes sense of them all is Store(Repair(Fallback(Retry(Guard(ByProvider(...)))))).
    """
    for wrap in wraps:
        bottom = wrap(bottom)
    return bottom
