"""The Transport protocol: what carries a request to a model, or wraps something that does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from llmcli.transport.answer import Answer
from llmcli.wire import Completion, Request

ReadAnswer = Callable[[], Completion]
"""Gives the answer that has come, or raises what `Transport.ask` raises."""

SendUnawaited = Callable[[Request, bytes, Callable[[ReadAnswer], None]], bool]
"""`send(request, body, came)`: send a request, whose JSON `body` is, for one who does not wait: what costs little.

`came` is called once, later, with what reads the answer; not where the transport is closed before. It raises nothing.
False where a request has to be asked instead, as what is streamed has, or the first of its kind. Raises as `ask` does.
"""


class Transport(Protocol):
    """One way to ask. It raises the CallFailed family of errors, whatever the server did."""

    async def ask(self, request: Request) -> Answer:
        """Send a request; the answer is there whole, or, where `request.stream`, it has begun to come."""

    async def aclose(self) -> None:
        """Let go of connections."""


def send_of(transport: Transport) -> SendUnawaited | None:
    """The `send` of a transport that has one; those that wait for more than a reply have none."""
    send: SendUnawaited | None = getattr(transport, "send", None)
    return send
