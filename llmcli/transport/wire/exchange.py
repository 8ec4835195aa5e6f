"""The seam of the wire: a head and a body go out, a reply comes back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from functools import partial

from llmcli.lean.maker import maker
from llmcli.transport.wire import proxies, trust
from llmcli.transport.wire.drive import Drive
from llmcli.transport.wire.handles import Easy, Route, break_of, check_status, may_go_again
from llmcli.transport.wire.heads import LONGEST, Break, Head, How, WireReply, head_of
from llmcli.transport.wire.inflow import Inflow
from llmcli.transport.wire.names import Names
from llmcli.transport.wire.outflow import Outflow
from llmcli.transport.wire.plain import watched
from llmcli.transport.wire.trust import NO_CERTIFICATES, Certificates

Came = Callable[[WireReply | Exception], None]

_MOST = 2**62  # bytes that libcurl and those who unpack can count


_wire_reply = maker(WireReply)


class Wire:
    """Connections, kept and used again, and the handles that carry requests over them. One loop has one Wire.

    `env` names proxies, and certificates where `trusted` does not. `longest`: bytes that a reply may have, packed and
    unpacked. `names`: what looks names up, once for all requests, where libcurl is not to do it.
    """

    def __init__(
        self,
        env: Mapping[str, str] | None = None,
        longest: int = LONGEST,
        trusted: Certificates = NO_CERTIFICATES,
        *,
        names: Names | None = None,
    ) -> None:
        self._env = os.environ if env is None else env
        self._longest = min(longest, _MOST)
        self._trusted = trusted
        self._names = names
        self._hosts: dict[str, list[str]] = {}  # what libcurl is told of the names of addresses
        self._drive = Drive()
        self._free: list[Easy] = []
        self._routes: dict[str, Route] = {}
        self._met: set[str] = set()  # https addresses that have answered

    async def exchange(self, head: Head, body: bytes | Outflow = b"") -> WireReply:
        """Send, and give the reply: its body whole, or with `head.streamed` in pieces.

        Raises Break where no head of a reply came, or not in time. A body that breaks off says so in the reply, or
        raises it behind its pieces. Raises BadCommand for a proxy or certificates that cannot be used.
        """
        if self._names is not None and not head.socket and not self._route_to(head).proxy.url:
            self._hosts[head.url] = await self._names.told_of(head.url, head.connect)
        easy = self._taken(head, body)
        work = self._opened(head, easy) if head.streamed else self._whole(easy)
        if head.url in self._met or not easy.has_tls:
            return await work
        reply = await watched(easy, head.url, work, self._asked_plainly)
        self._met.add(head.url)
        return reply

    def send(self, head: Head, body: bytes, came: Came) -> None:
        """The same for one who does not wait, along a way that an exchange has gone: its reply is whole.

        `came` is called once with the reply or the Break, later; not where the wire is closed before. It raises
        nothing. Any other exception is a bug, and whoever wanted the reply is to raise it: the loop would only log it.
        """
        easy = self._taken(head, body)
        self._drive.begin(easy.curl, partial(self._ended, easy, came))

    async def _asked_plainly(self, head: Head, route: Route) -> WireReply:
        """What a server, or a proxy, says that is asked without TLS. Raises Break."""
        easy = self._free.pop() if self._free else Easy()
        easy.set_up(head, route, self._longest)
        easy.take(head, b"")
        return await self._whole(easy)

    async def _whole(self, easy: Easy) -> WireReply:
        future: asyncio.Future[WireReply | Exception] = asyncio.get_running_loop().create_future()

        def came(reply: WireReply | Exception) -> None:
            if not future.done():  # who waits may just have been cancelled
                future.set_result(reply)

        self._begin(easy, came)
        try:
            reply = await future
        except asyncio.CancelledError:
            if self._drive.give_up(easy.curl):
                self._free.append(easy)
            raise
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def aclose(self) -> None:
        """Give up what is under way, and close all connections."""
        self._drive.close()
        self._free.clear()

    def _taken(self, head: Head, body: bytes | Outflow) -> Easy:
        """A handle that is ready for this."""
        easy = self._free.pop() if self._free else Easy()
        if easy.head is not head:
            easy.set_up(head, self._route_to(head), self._longest)
            easy.tell_of(self._hosts.get(head.url, []))
        easy.take(head, body)
        return easy

    def _route_to(self, head: Head) -> Route:
        if head.socket is not None:
            return Route(socket=head.socket)
        url = head.url
        if url not in self._routes:
            self._routes[url] = Route(
                proxies.proxy_before(url, self._env),
                trust.certificates_for(url, self._env, self._trusted),
                self._trusted,
            )
        return self._routes[url]

    def _begin(self, easy: Easy, came: Came) -> None:
        """Carry out a transfer, once more where the server cannot have had the request."""
        self._drive.begin(easy.curl, partial(self._ended, easy, came))

    def _ended(self, easy: Easy, came: Came, code: int, message: str) -> None:
        """A method, since a function that knew itself would hold the row until garbage is looked for."""
        try:
            if code and may_go_again(easy, code):
                easy.take_a_fresh_connection()
                self._begin(easy, came)
                return
            reply: WireReply | Exception = self._reply(easy, code, message)
        except Exception as error:  # noqa: BLE001 - a Break, or a bug
            reply = error
        self._free.append(easy)
        came(reply)

    def _reply(self, easy: Easy, code: int, message: str) -> WireReply:
        """The reply that a handle has got whole."""
        failure = break_of(easy, code, message) if code else None
        try:
            status, headers = head_of(easy.lines)
        except ValueError:
            raise failure or Break(How.BROKEN, "it was closed inside the head") from None
        if easy.proxy:
            check_status(easy, status)
        if failure is not None and failure.how is How.LATE:
            raise failure
        body = easy.pieces[0] if len(easy.pieces) == 1 else b"".join(easy.pieces)
        if packed := headers.get("content-encoding"):
            from llmcli.transport.wire.unpack import (
                unpacked,  # here, since few servers pack what nobody asked for
            )

            try:
                body = unpacked(body, packed, self._longest)
            except Break as error:
                body, failure = b"", failure or error
        return _wire_reply(status, headers, body, failure, easy.route.proxy)

    async def _opened(self, head: Head, easy: Easy) -> WireReply:
        """The reply whose body comes in pieces."""
        inflow = Inflow(easy, self._drive, self._free.append)
        try:
            async with asyncio.timeout(head.timeout):
                await inflow.opened()
            status, headers = inflow.head()
            check_status(easy, status)
        except TimeoutError:
            inflow.close()
            raise Break(How.LATE, f"no reply within {head.timeout:g} s") from None
        except BaseException:
            inflow.close()
            raise
        pieces = inflow.pieces()
        if packed := headers.get("content-encoding"):
            from llmcli.transport.wire.unpack import unpacking  # as above

            pieces = unpacking(pieces, packed, self._longest)
        return WireReply(status, headers, pieces=pieces, close=inflow.close, proxy=easy.route.proxy)
