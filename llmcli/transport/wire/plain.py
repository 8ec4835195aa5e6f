"""A server that speaks no TLS at an https address: many such wait for the rest of a request that is none for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

import pycurl

from llmcli.address import address_of
from llmcli.transport.wire.handles import Easy, Route
from llmcli.transport.wire.heads import Break, Head, How, Proxy, WireReply

T = TypeVar("T")
AskPlainly = Callable[[Head, Route], Awaitable[WireReply]]

_HANDSHAKE_WAIT = (
    2.0  # seconds that a handshake may take before we ask in plain words, and that the answer may take
)
_OURS = "https"  # what a TLS server says in plain words: "sent to HTTPS port", "to an HTTPS server",
_BAD = 400  # beside this status, which is all that nginx and Apache say to a HEAD


async def watched(easy: Easy, url: str, work: Coroutine[None, None, T], ask: AskPlainly) -> T:
    """The result of an exchange over `easy`. Raises Break early where who is spoken to turns out to speak plain HTTP.

    That is the server, through the proxy before it, or the proxy itself, where it is to be spoken to over TLS.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=_HANDSHAKE_WAIT)
        if not task.done() and not easy.curl.getinfo(pycurl.APPCONNECT_TIME) > 0:
            proxy = easy.route.proxy
            is_at_proxy = proxy.has_tls and not easy.is_beyond
            if await (_is_plain_proxy if is_at_proxy else _is_plain)(url, easy.route, ask):
                raise Break(How.NO_TLS, "it answers in plain HTTP", proxy.url if is_at_proxy else "")
        return await task
    finally:
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _is_plain(url: str, route: Route, ask: AskPlainly) -> bool:
    with suppress(Break):
        reply = await ask(_look_at(url), replace(route, tunnel=True))
        return reply.status != _BAD and _OURS not in str(reply.headers).lower()
    return False


async def _is_plain_proxy(url: str, route: Route, ask: AskPlainly) -> bool:
    """Whether the proxy has a word for who wants a tunnel in plain words. It is not told who that is."""
    try:
        await ask(_look_at(url), replace(route, proxy=Proxy(_plain(route.proxy.url)), tunnel=True))
    except Break as broken:
        return broken.status not in {None, _BAD}
    return True


def _look_at(url: str) -> Head:
    return Head("HEAD", f"{_plain(url)}/", (), _HANDSHAKE_WAIT, _HANDSHAKE_WAIT)


def _plain(url: str) -> str:
    """The same place, with its port, for who speaks plain HTTP."""
    address = address_of(url)
    if address is None:
        return url
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"http://{host}:{address.port}"
