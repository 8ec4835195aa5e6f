"""The transport of `local/...`: a server in this process for each model, asked as any llama.cpp is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from llmcli.local.found import check_tools, read_model
from llmcli.local.gguf import GgufHead
from llmcli.local.server import LocalServer
from llmcli.transport.answer import Answer
from llmcli.transport.base import Transport
from llmcli.wire import Request


class Local:
    """Loads a model when it is first asked, and keeps it; `slots` requests are answered side by side.

    `inner` speaks HTTP. What is not streamed is streamed here, since llama.cpp goes on with an unstreamed answer
    that nobody waits for.
    """

    def __init__(self, inner: Transport, env: Mapping[str, str], slots: int) -> None:
        self._inner, self._env, self._slots = inner, env, slots
        self._servers: dict[str, tuple[LocalServer, GgufHead]] = {}

    async def ask(self, request: Request) -> Answer:
        """See Transport. Raises UsageError where the model cannot be had, or knows no tools."""
        server, head = self._server_of(request)
        check_tools(request.model, head, request.fields)
        await server.ready()
        options = (
            dict(request.fields.get("stream_options") or {}) if request.stream else {"include_usage": True}
        )
        fields = {**request.fields, "stream": True}
        if options:
            fields["stream_options"] = options
        answer = await self._inner.ask(replace(request, base_url=server.base_url, keys_of=(), fields=fields))
        if request.stream:
            return answer
        try:
            return Answer.of(await answer.whole())
        finally:
            await answer.aclose()

    def _server_of(self, request: Request) -> tuple[LocalServer, GgufHead]:
        if request.model not in self._servers:
            found, head = read_model(request.model, self._env)
            slots = max(self._slots, request.n)
            self._servers[request.model] = LocalServer(request.model, found, head, slots), head
        return self._servers[request.model]

    async def aclose(self) -> None:
        """See Transport."""
        await self._inner.aclose()
        for server, _ in self._servers.values():
            server.close()
