"""The transport of `local/...`: a server in this process for each model, asked as any llama.cpp is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from llmcli.errors import CallFailed
from llmcli.local.grammar import for_grammar
from llmcli.transport.answer import Answer
from llmcli.transport.base import Transport
from llmcli.wire import Completion, Request


class Loaded(Protocol):
    """A server with a model that is there, or soon."""

    base_url: str

    def check(self, fields: Mapping[str, Any]) -> None:
        """Raise UsageError where the model takes no request of these fields."""

    async def ready(self) -> None:
        """Wait until it answers. Raises UsageError where it never will."""

    def close(self) -> None:
        """Nothing more is asked."""


class Local:
    """Loads a model when it is first asked, and keeps it; `slots` requests are answered side by side.

    `inner` speaks HTTP, `load(model, slots)` gives the server. What is not streamed is streamed here, since llama.cpp
    goes on with an unstreamed answer that nobody waits for.
    """

    def __init__(self, inner: Transport, load: Callable[[str, int], Loaded], slots: int) -> None:
        self._inner, self._load, self._slots = inner, load, slots
        self._servers: dict[str, Loaded] = {}

    async def ask(self, request: Request) -> Answer:
        """See Transport. Raises UsageError where the model cannot be had, or knows no tools."""
        if request.model not in self._servers:
            self._servers[request.model] = self._load(request.model, max(self._slots, request.n))
        server = self._servers[request.model]
        server.check(request.fields)
        await server.ready()
        asked = replace(_streamed(request), base_url=server.base_url, keys_of=())
        try:
            answer = await self._inner.ask(asked)
            return answer if request.stream else Answer.of(await _whole(answer))
        except CallFailed as error:
            error.where = error.where.replace(asked.place, request.place)  # the socket is nobody's business
            raise

    async def aclose(self) -> None:
        """See Transport."""
        await self._inner.aclose()
        for server in self._servers.values():
            server.close()


def _streamed(request: Request) -> Request:
    streams = {} if request.stream else {"stream": True, "stream_options": {"include_usage": True}}
    return replace(request, fields=for_grammar({**request.fields, **streams}))


async def _whole(answer: Answer) -> Completion:
    """The completion; half of one is none, which to `Answer.whole` it is."""
    try:
        async for _ in answer:
            pass
    finally:
        await answer.aclose()
    return await answer.whole()
