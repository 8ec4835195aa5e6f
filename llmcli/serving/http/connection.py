"""A connection, as uvicorn reads it; what uvicorn would say in plain text is said as our other errors are."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from llmcli.serving.http.gathering import Gathering
from llmcli.serving.replies import Response

_SLOWEST_HEAD = 60.0  # seconds that the head of a request may take to come, and may take twice


class Refusing(Protocol):
    """The application, where a request does not reach it as one."""

    def malformed(self) -> Response:
        """The reply to what is no HTTP."""

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

    @property
    def _application(self) -> Refusing:
        return cast("Refusing", self.config.loaded_app)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; `msg` is uvicorn's word for it."""
        del msg
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.close()
            return
        reply = self._application.malformed()
        headers = [*reply.headers.items(), ("content-type", "application/json"), ("connection", "close")]
        said = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        for event in (
            h11.Response(status_code=reply.status, headers=said, reason=b"Bad Request"),
            h11.Data(data=reply.body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _look_later(self, waiting_since: object) -> None:
        self.loop.call_later(_SLOWEST_HEAD, self._look, waiting_since)

    def _look(self, waiting_since: object) -> None:
        """Close a connection on which a request was about to come at the last look, and still is."""
        if self.transport.is_closing():
            return
        is_idle = self.timeout_keep_alive_task is not None
        waits_for_head = not is_idle and (self.cycle is None or self.cycle.response_complete)
        waiting = (self.cycle,) if waits_for_head else None
        if waiting is not None and waiting == waiting_since:
            self.transport.close()
        else:
            self._look_later(waiting)
