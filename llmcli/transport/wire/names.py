"""Host names, looked up once for a whole crowd: hundreds of look-ups at a time get lost in libcurl's own resolver."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

from llmcli.transport.wire.heads import Break, How

_PORTS = {"http": 80, "https": 443}


class Names:
    """What libcurl is to be told of a host (`host:port:address,...`), by address; each is looked up once."""

    def __init__(self) -> None:
        self._known: dict[str, asyncio.Future[list[str]]] = {}

    async def told_of(self, url: str, seconds: float) -> list[str]:
        """Nothing for a host that is an address, nor for this machine by its name, which libcurl knows.

        Raises Break, also where the look-up takes longer than `seconds`.
        """
        if url not in self._known:
            self._known[url] = asyncio.ensure_future(_looked_up(url))
        looking = self._known[url]
        if not looking.done():
            await asyncio.wait([looking], timeout=seconds)
        if looking.done() and looking.exception() is None:
            return looking.result()
        self._known.pop(url, None)  # the next attempt looks again
        if not looking.done():
            raise Break(How.NOT_CONNECTED, "the look-up of the name takes too long")
        raise Break(How.UNREACHABLE, f"Could not resolve host: {urlsplit(url).hostname}")


async def _looked_up(url: str) -> list[str]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    if f".{host}".endswith(".localhost"):  # of which resolvers often know one address alone
        return []
    with suppress(ValueError):
        ip_address(host)
        return []
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys(str(place[0]) for *_, place in found)
    return [f"{host}:{port}:" + ",".join(f"[{each}]" if ":" in each else each for each in addresses)]
