"""The proxy for an address, by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, and the exceptions of NO_PROXY."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from llmcli.address import Address, address_of
from llmcli.errors import BadCommand
from llmcli.transport.wire.heads import NO_PROXY, Proxy

_SPOKEN = ("http", "https", "socks", "socks4", "socks4a", "socks5", "socks5h")
_PORTS = {"http": 80, "https": 443}
_UNESCAPED = "it is no address (in a name or password, / ? # and % are written %2F %3F %23 %25)"


def proxy_for(url: str, env: Mapping[str, str]) -> str | None:
    """The proxy's address, with its scheme; None where the way is direct.

    Raises BadCommand for one that cannot be used. As in curl, small letters win over capital ones.
    """
    parts = urlsplit(url)
    proxy = _named(f"{parts.scheme}_proxy", env) or _named("all_proxy", env)
    if not proxy or _is_excepted(parts, _named("no_proxy", env)):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    scheme = proxy.partition("://")[0].lower()
    if re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme) and scheme not in _SPOKEN:
        raise _unusable(f"{scheme} is not spoken here")
    try:
        _ = urlsplit(proxy).port
    except ValueError as error:  # which quotes what may be the end of a password
        raise _unusable(_UNESCAPED if "'" in str(error) else str(error)) from None
    there = _as_http(proxy)
    if there is None or "@" in there.parts._replace(scheme="", netloc="").geturl():
        raise _unusable(_UNESCAPED if "@" in proxy else "it names no host")
    return proxy


def proxy_before(url: str, env: Mapping[str, str]) -> Proxy:
    """The proxy before an address, read. Raises BadCommand as proxy_for does."""
    proxy = proxy_for(url, env)
    there = _as_http(proxy or "")
    if proxy is None or there is None:
        return NO_PROXY
    name, colon, password = (there.user or "").partition(":")
    user = (name, password) if colon else None
    answers = url.startswith("http:") and proxy.lower().startswith("http")
    scheme = proxy.partition("://")[0].lower()
    return Proxy(f"{scheme}://{there.parts.netloc.rpartition('@')[2]}", user, there.secrets, answers)


def _as_http(proxy: str) -> Address | None:
    """The address of a proxy, whatever is spoken there."""
    return address_of(f"http://{proxy.partition('://')[2]}")


def shown_proxy(proxy: str) -> str:
    """A proxy's address as anybody may read it."""
    return re.sub(r"(?<=://)[^/]*@", "", proxy).rstrip("/")


def _named(name: str, env: Mapping[str, str]) -> str:
    """A variable in small letters, or in capital ones. HTTP_PROXY may be a header of a request, to a CGI script."""
    if name == "http_proxy" and "REQUEST_METHOD" in env:
        return env.get(name, "").strip()
    return (env.get(name) or env.get(name.upper(), "")).strip()


def _is_excepted(parts: SplitResult, exceptions: str) -> bool:
    port = parts.port or _PORTS.get(parts.scheme, 0)
    host = (parts.hostname or "").rstrip(".").lower()
    return any(_fits(each.lower(), host, port) for each in re.split(r"[\s,]+", exceptions) if each)


def _fits(exception: str, host: str, port: int) -> bool:
    """Whether a word of NO_PROXY means a host: a name and all below it, an address, a network, a port behind each."""
    if exception == "*":
        return True
    if "/" in exception:
        with suppress(ValueError):  # a name, on either side
            return ip_address(host) in ip_network(exception.replace("[", "").replace("]", ""), strict=False)
        return False
    name, given = _split(exception)
    if given and given != port:
        return False
    with suppress(ValueError):
        return ip_address(name) == ip_address(host)
    name = name.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _split(exception: str) -> tuple[str, int | None]:
    """(host, port) of `host`, `host:port`, `[::1]:port` and `::1`."""
    found = re.fullmatch(r"\[([^]]*)\](?::(\d+))?|([^:]*):(\d+)", exception)
    if found is None:
        return exception, None
    host, port = (found[1], found[2]) if found[1] is not None else (found[3], found[4])
    return host, int(port) if port else None


def _unusable(reason: str) -> BadCommand:
    return BadCommand(f"cannot use the proxy: {reason}", todo="check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY")
