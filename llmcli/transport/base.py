"""The Transport protocol: what carries a request to a model, or wraps something that does."""

from __future__ import annotations

from typing import Protocol

from llmcli.wire import Completion, Request, Stream


class Transport(Protocol):
    """Two ways to ask. Both raise the CallFailed family of errors, whatever the server did."""

    async def send(self, request: Request) -> Completion:
        """Send a request that does not ask for a stream, and wait for the whole answer."""

    async def open_stream(self, request: Request) -> Stream:
        """Send a request with `stream: true`; return once the server has begun to answer."""

    async def aclose(self) -> None:
        """Let go of connections."""
