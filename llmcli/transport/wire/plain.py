"""A server that speaks no TLS at an https address: many such wait for the rest of a request that is none for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import TypeVar

import pycurl

from llmcli.address import address_of
from llmcli.transport.wire.handles import Easy
from llmcli.transport.wire.heads import Break, How

T = TypeVar("T")

_HANDSHAKE_WAIT = (
    2.0  # seconds that a handshake may take before we ask in plain words, and that the answer may take
)
_OURS = b"https"  # what a TLS server says in plain words: "sent to HTTPS port", "to an HTTPS server",
_BAD = b" 400 "  # beside a 400, which is all that nginx and Apache say to a HEAD


async def watched(easy: Easy, url: str, work: Coroutine[None, None, T]) -> T:
    """The result of an exchange over `easy`. Raises Break early where the server turns out to speak plain HTTP."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=_HANDSHAKE_WAIT)
        has_tls = easy.curl.getinfo(pycurl.APPCONNECT_TIME) > 0
        if not task.done() and not has_tls and await _is_plain(url):
            raise Break(How.NO_TLS, "it answers in plain HTTP")
        return await task
    finally:
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _is_plain(url: str) -> bool:
    address = address_of(url)
    if address is None:
        return False
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(_HANDSHAKE_WAIT):
            reader, writer = await asyncio.open_connection(address.host, address.port)
            try:
                writer.write(b"HEAD / HTTP/1.0\r\n\r\n")
                said = await reader.read(1000)
            finally:
                writer.close()
        return said.startswith(b"HTTP/") and _BAD not in said[:16] and _OURS not in said.lower()
    return False
