"""What went wrong on the way to a server, before it was reached: a port, a proxy, a certificate."""

from __future__ import annotations

import errno
import os
import re

from llmcli.address import is_this_machine
from llmcli.errors import AuthFailure, CallFailed, NotRunning, TransientFailure, WrongWay
from llmcli.registry.providers import find_provider, provider_of_url
from llmcli.wire import Request

_PORT_REFUSED = os.strerror(errno.ECONNREFUSED)
_VARIABLES = "HTTPS_PROXY, HTTP_PROXY and ALL_PROXY"
_AGAIN = {408, 429, *range(500, 600)}  # what a proxy says of a trouble that passes


def unreachable(
    request: Request, reason: str, proxy: str = "", status: int | None = None
) -> TransientFailure:
    """The error where there was no connection: to the server, or to the proxy before it, which has let nothing pass.

    `reason` is fit to be shown; `status` is the proxy's.
    """
    if proxy and status is None:
        todo = f"check {_VARIABLES}, or except the host by NO_PROXY"
        return _no_connection(f"cannot reach the proxy {proxy}: {reason}", request, todo)
    if not proxy and _PORT_REFUSED in reason and is_this_machine(request.base_url):
        return _not_running(request)
    through = f" through the proxy {proxy}" if proxy else ""
    what = f"cannot reach the endpoint{through}: {reason}"
    return _no_connection(what, request, "check the address and the network")


def _not_running(request: Request) -> NotRunning:
    """The error for a port of this machine at which nothing listens; names the server that should, where known."""
    named, there = find_provider(request.provider), provider_of_url(request.base_url)
    server = next((each for each in (named, there) if each and each.start), None)
    return NotRunning(
        f"the local server is not running: {_PORT_REFUSED}",
        request.place,
        f"start it ({server.start}), or check the address" if server else "start it, or check the address",
    )


def not_connected(request: Request, seconds: float, proxy: str = "") -> TransientFailure:
    """The error where the time for a connection was up."""
    through = f" through the proxy {proxy}" if proxy else ""
    todo = f"check {_VARIABLES}, and the network" if proxy else "check the address and the network"
    return _no_connection(f"cannot connect within {seconds:g} s{through}", request, todo)


def _no_connection(what: str, request: Request, todo: str) -> TransientFailure:
    error = TransientFailure(what, request.place, todo)
    error.no_connection = True
    return error


def proxy_refused(request: Request, proxy: str, reason: str, status: int | None) -> CallFailed:
    """The error where a proxy did not let a request pass. `status`: its own, or what comes to the same."""
    what = f"the proxy {proxy} refused: {reason}"
    if status == 407:
        return AuthFailure(what, request.place, f"check the name and the password in {_VARIABLES}")
    if status in {401, 403}:
        return AuthFailure(what, request.place, "ask who runs it, or except the host by NO_PROXY")
    if status is None or status in _AGAIN:
        return _no_connection(what, request, f"try again later, or check {_VARIABLES}")
    return WrongWay(what, request.place, f"check {_VARIABLES}")


def untrusted(request: Request, reason: str, proxy: str = "") -> WrongWay:
    """The error where nobody that is trusted answers for the certificate of a server, or of the proxy before it."""
    whose = f"the certificate of the proxy {proxy}" if proxy else "the server's certificate"
    return WrongWay(
        f"{whose} is not trusted: {reason}",
        request.place,
        "if it is right, name who signed it with --cacert FILE or SSL_CERT_FILE",
    )


def not_shown(request: Request, reason: str, proxy: str = "") -> WrongWay:
    """The error where a server, or the proxy, does not take the certificate that says who we are, or wants one."""
    alert = re.search(r"alert ([a-z ]+)", reason)
    return WrongWay(
        f"{_who(proxy)} does not take our certificate: {alert[1].strip() if alert else reason}",
        request.place,
        "show one that it knows with --cert and --cert-key",
    )


def no_tls(request: Request, proxy: str = "") -> WrongWay:
    """The error where a server speaks no TLS at an https address, or the proxy does not."""
    place = proxy or request.place.rpartition(" at ")[2]
    plain = place.replace("https://", "http://", 1)
    kind = "proxy" if proxy else "server"
    return WrongWay(
        f"{_who(proxy)} does not speak TLS", request.place, f"if it is a plain {kind}, write {plain}"
    )


def _who(proxy: str) -> str:
    return f"the proxy {proxy}" if proxy else "the server"
