"""The Transport protocol: what carries a request to a model, or wraps something that does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from llmcli.transport.answer import Answer
from llmcli.wire import Completion, Request

ReadAnswer = Callable[[Any], Completion]
"""Gives the answer in what has come, or raises what `Transport.ask` raises."""

AnswerCame = Callable[[ReadAnswer, Any], None]
"""`came(read, it)`: `read(it)` is the answer. It raises nothing."""

SendUnawaited = Callable[[Request, bytes, AnswerCame], bool]
"""`send(request, body, came)`: send a request, whose JSON `body` is, for one who does not wait: what costs little.

`came` is called once, later; not where the transport is closed before.
False where a request has to be asked instead, as what is streamed has, or the first of its kind. Raises as `ask` does.
"""

SendKind = Callable[[Request, bytes, AnswerCame], None]
"""The same for requests of one `kind`, of which none has to be asked."""

FindSend = Callable[[Request], SendKind | None]
"""`sender(request)`: what sends requests of the same kind as this one; None where it has to be asked, for now."""


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


def sender_of(transport: Transport) -> FindSend:
    """The `sender` of a transport; what finds none, for those that have none."""
    sender: FindSend = getattr(transport, "sender", _find_none)
    return sender


def _find_none(_request: Request) -> None:
    return None
