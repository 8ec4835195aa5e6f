"""What went wrong on the way to a server, before it was reached: a port, a proxy, a certificate."""

from __future__ import annotations

import errno
import os
import re

from llmcli.address import is_this_machine
from llmcli.errors import AuthFailure, CallFailed, NotRunning, TransientFailure, WrongWay
from llmcli.registry.providers import find_provider, provider_of_url
from llmcli.transport.failures.diagnosis import unsaid
from llmcli.wire import Request

_PORT_REFUSED = os.strerror(errno.ECONNREFUSED)
_VARIABLES = "HTTPS_PROXY, HTTP_PROXY and ALL_PROXY"
_AGAIN = {408, 429, *range(500, 600)}  # what a proxy says of a trouble that passes


def unreachable(request: Request, reason: str, key: str | None, proxy: str = "") -> TransientFailure:
    """The error where there was no connection: to the server, or to the proxy before it."""
    if proxy:
        what, todo = f"the proxy {proxy}", f"check {_VARIABLES}, or except the host by NO_PROXY"
        return _no_connection(f"cannot reach {what}: {unsaid(reason, request, key)}", request, todo)
    if _PORT_REFUSED in reason and is_this_machine(request.base_url):
        return _not_running(request)
    what = f"cannot reach the endpoint: {unsaid(reason, request, key)}"
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


def untrusted(request: Request, reason: str) -> WrongWay:
    """The error where nobody that is trusted answers for a server's certificate."""
    return WrongWay(
        f"the server's certificate is not trusted: {reason}",
        request.place,
        "if it is right, name who signed it with --cacert FILE or SSL_CERT_FILE",
    )


def not_shown(request: Request, reason: str) -> WrongWay:
    """The error where a server does not take the certificate that says who we are, or wants one."""
    alert = re.search(r"alert ([a-z ]+)", reason)
    return WrongWay(
        f"the server does not take our certificate: {alert[1].strip() if alert else reason}",
        request.place,
        "show one that it knows with --cert and --cert-key",
    )


def no_tls(request: Request) -> WrongWay:
    """The error where a server speaks no TLS at an https address."""
    plain = request.place.rpartition(" at ")[2].replace("https://", "http://", 1)
    return WrongWay("the server does not speak TLS", request.place, f"if it is a plain server, write {plain}")
