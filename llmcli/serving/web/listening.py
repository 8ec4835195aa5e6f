"""The listener: a socket, the server library behind it, and its end."""

from __future__ import annotations

import asyncio
import errno
import gc
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from llmcli.errors import Busy, UsageError

AsgiScope = MutableMapping[str, Any]
AsgiReceive = Callable[[], Awaitable[MutableMapping[str, Any]]]
AsgiSend = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApplication = Callable[[AsgiScope, AsgiReceive, AsgiSend], Awaitable[None]]

_KEPT = (
    120  # seconds that an idle connection is kept: longer than clients keep theirs, so that they close first
)
_WAITING = 2048  # connections that the system holds until we take them
_STUCK = 1.0  # seconds for which a reader may take nothing while we are ending
_LOOK = 0.05  # seconds between two looks at those
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what a client of this machine is to say instead


def bound(host: str, port: int) -> socket.socket:
    """A socket that is bound, not yet listening. Raises Busy where the port is taken, UsageError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{host}: {reason}", todo="name an address of this machine", flag="--host") from None
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise Busy(f"port {port} is taken", host, "choose another --port, or 0 for a free one") from None
        flag = "--host" if error.errno == errno.EADDRNOTAVAIL else "--port"
        raise UsageError(f": cannot listen on {host}, port {port}: {error.strerror}", flag=flag) from None
    return sock


def base_url(sock: socket.socket) -> str:
    """The base URL by which clients of this machine reach a socket."""
    name, port = sock.getsockname()[:2]
    host = _ANYWHERE.get(name, name)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"


class Listener:
    """Connections that are served; see `listening`."""

    def __init__(self, application: AsgiApplication, most: int) -> None:
        import uvicorn

        from llmcli.serving.web.connection import Connection

        config = uvicorn.Config(
            application,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",  # what goes wrong with a request, the application tells
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            backlog=_WAITING,
            limit_concurrency=most,
            timeout_keep_alive=_KEPT,
        )
        config.load()
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)

    async def begin(self, sock: socket.socket) -> None:
        """Take connections from a socket."""
        gc.collect()
        gc.freeze()  # what is there stays: each look through it for garbage would cost as much as 100 requests
        await self._server.startup(sockets=[sock])

    async def end(self, grace: float) -> None:
        """Take no more, let what is under way end within `grace` seconds, cancel the rest. A stuck reader is left."""
        state = self._server.server_state
        for server in self._server.servers:
            server.close()
        for connection in list(state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(grace):
                await self._drained()
        except TimeoutError:
            pass
        finally:
            self._cut()

    def _cut(self) -> None:
        state = self._server.server_state
        for task in list(state.tasks):
            task.cancel()
        for connection in list(state.connections):
            connection.transport.abort()

    async def _drained(self) -> None:
        """Wait until each connection has its answer, or takes nothing of it any more."""
        state = self._server.server_state
        stuck: dict[Any, tuple[int, float]] = {}
        clock = asyncio.get_running_loop().time
        while state.connections or state.tasks:
            for connection in list(state.connections):
                transport: Any = connection.transport
                left = transport.get_write_buffer_size()
                before, since = stuck.get(connection, (0, 0.0))
                if not left or left != before:
                    stuck[connection] = left, clock()
                elif clock() - since > _STUCK:
                    transport.abort()
            await asyncio.sleep(_LOOK)


@asynccontextmanager
async def listening(application: AsgiApplication, sock: socket.socket, most: int) -> AsyncIterator[Listener]:
    """Serve connections, `most` of them at a time, from a bound socket; at the end, whatever is left is cut."""
    listener = Listener(application, most)
    await listener.begin(sock)
    try:
        yield listener
    finally:
        await listener.end(0)
        sock.close()
