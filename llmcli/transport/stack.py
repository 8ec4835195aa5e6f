"""The stack: the one place where transports are put on top of each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from llmcli.transport.base import Transport
from llmcli.wire import Completion, Request, Stream

Make = Callable[[], Transport]


class ByProvider:
    """The bottom: a transport of its own for each provider in `own`, one for all others; made when first needed."""

    def __init__(self, others: Make, own: Mapping[str, Make]) -> None:
        self._others, self._own = others, own
        self._made: dict[Make, Transport] = {}

    def _for(self, request: Request) -> Transport:
        make = self._own.get(request.provider, self._others)
        if make not in self._made:
            self._made[make] = make()
        return self._made[make]

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


Wrap = Callable[[Transport], Transport]


def stacked(bottom: Transport, *wraps: Wrap) -> Transport:
    """Wraps around a bottom, the outermost last.

    The order that makes sense of them all is Store(Repair(Fallback(Retry(Guard(ByProvider(...)))))).
    """
    for wrap in wraps:
        bottom = wrap(bottom)
    return bottom
