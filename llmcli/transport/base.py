"""The Transport protocol: what carries a request to a model, or wraps something that does."""

from __future__ import annotations

from typing import Protocol

from llmcli.transport.answer import Answer
from llmcli.wire import Request


class Transport(Protocol):
    """One way to ask. It raises the CallFailed family of errors, whatever the server did."""

    async def ask(self, request: Request) -> Answer:
        """Send a request; the answer is there whole, or, where `request.stream`, it has begun to come."""

    async def aclose(self) -> None:
        """Let go of connections."""
