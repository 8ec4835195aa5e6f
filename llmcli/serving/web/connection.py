"""A connection, as uvicorn reads it; what uvicorn would say in plain text is said as our other errors are."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from llmcli.serving.replies import Response
from llmcli.serving.web.front import WORK
from llmcli.serving.web.gathering import Gathering

_WORDS = {400: b"Bad Request", 408: b"Request Timeout"}


class Application(Protocol):
    """What answers, where a request does not reach it as one."""

    @property
    def patience(self) -> float:
        """Seconds that a request may take to come, and may take twice."""

    def malformed(self) -> Response:
        """The reply to what is no HTTP."""

    def late(self) -> Response:
        """The reply to a request that comes too slowly."""

    async def crowded(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers a request on a connection that is one too many. See ASGI."""


class Connection(H11Protocol):
    """One connection. No more than `limit_concurrency` are served at a time."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as there
        """See asyncio.Protocol."""
        super().connection_made(Gathering(transport, self.loop))
        limit, self.limit_concurrency = self.limit_concurrency, None  # uvicorn would refuse in plain text
        if limit is not None and len(self.connections) > limit:
            self.app = self._application.crowded
        self._look_later(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol. What is under way for a client that went away is cancelled."""
        if self.cycle is not None and not self.cycle.response_complete:
            work: asyncio.Task[None] | None = self.cycle.scope["state"].pop(WORK, None)
            if work is not None:
                work.cancel()
        self._looking.cancel()
        super().connection_lost(exc)

    @property
    def _application(self) -> Application:
        return cast("Application", self.config.loaded_app)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; `msg` is uvicorn's word for it."""
        del msg
        self._refuse(self._application.malformed())

    def _refuse(self, reply: Response) -> None:
        """Reply to what is no request yet, and close."""
        size = str(len(reply.body))
        own = {"content-type": "application/json", "content-length": size, "connection": "close"}
        headers = {**reply.headers, **own}.items()
        said = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        events = (
            h11.Response(status_code=reply.status, headers=said, reason=_WORDS[reply.status]),
            h11.Data(data=reply.body),
            h11.EndOfMessage(),
        )
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            for event in events:
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _look_later(self, last: object) -> None:
        self._looking = self.loop.call_later(self._application.patience, self._look, last)

    def _look(self, last: object) -> None:
        """Close a connection on which the same request was about to come at the last look."""
        coming = self._coming
        if coming is not None and coming == last:
            self._refuse(self._application.late())
        else:
            self._look_later(coming)

    @property
    def _coming(self) -> tuple[object, bool] | None:
        """Which request is about to come, by the one before it, and whether its head is there."""
        if self.cycle is not None and not self.cycle.response_complete:
            return (self.cycle, True) if self.cycle.more_body else None
        return None if self.timeout_keep_alive_task is not None else (self.cycle, False)
