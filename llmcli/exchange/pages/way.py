"""Where a page's redirects may lead: from a public address to no private one, whatever its name is looked up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from llmcli.address import is_this_machine, shown_url
from llmcli.errors import UsageError
from llmcli.transport.wire.names import Names
from llmcli.transport.wire.proxies import proxy_for

_NAT64 = IPv6Network("64:ff9b::/96")


class PageNames(Names):
    """The names on a page's way. The host that was typed may be anywhere; what follows a public one must be public.

    A name is looked up here, once, and libcurl connects to what was found: no second look-up can find another.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        super().__init__()
        self._env = env
        self._was_public = False

    def enter(self, url: str) -> None:
        """Take an address onto the way, as far as it says where it is. Raises UsageError."""
        host = (urlsplit(url).hostname or "").partition("%")[0]
        with suppress(ValueError):
            self._check(url, [str(ip_address(host))])
            return
        if is_this_machine(url):
            self._check(url, ["127.0.0.1"])
        elif proxy_for(url, self._env):
            self._was_public = True  # the proxy looks the name up, and may be where the web is

    async def told_of(self, url: str, seconds: float) -> list[str]:
        """See Names. Raises UsageError for a private address behind a public one."""
        told = await super().told_of(url, seconds)
        if told:
            self._check(url, [each.strip("[]") for each in told[0].split(":", 2)[2].split(",")])
        return told

    def _check(self, url: str, numbers: Sequence[str]) -> None:
        private = [number for number in numbers if is_private(number)]
        if private and self._was_public:
            raise UsageError(
                f"the redirect to {shown_url(url)} leads from a public address to a private one",
                todo="give that address itself, if it is meant",
            )
        self._was_public = self._was_public or len(private) < len(numbers)


def is_private(number: str) -> bool:
    """Whether an IP address is of no public network: loopback, private, link-local, or one that embeds such a one."""
    address = ip_address(number.partition("%")[0])
    inner = _embedded(address) if isinstance(address, IPv6Address) else None
    if inner is not None:
        return is_private(str(inner))
    return not address.is_global or address.is_multicast


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
