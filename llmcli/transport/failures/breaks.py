"""Where the wire broke, in our errors: how far an exchange had come says what may have cost and what to do."""

from __future__ import annotations

from collections.abc import Callable

from llmcli.errors import CallFailed
from llmcli.transport.failures import diagnosis, ways
from llmcli.transport.failures.diagnosis import Reply, unsaid
from llmcli.transport.wire.heads import Bounds, Break, How
from llmcli.wire import Request


def no_reply(request: Request, key: str | None, broken: Break, bounds: Bounds) -> CallFailed:
    """The error for an exchange without a reply."""
    reason, proxy = broken.reason, broken.proxy
    errors: dict[How, Callable[[], CallFailed]] = {
        How.NOT_CONNECTED: lambda: ways.not_connected(request, bounds.connecting, proxy),
        How.LATE: lambda: diagnosis.timed_out(request, bounds.timeout),
        How.REFUSED: lambda: ways.proxy_refused(request, proxy, reason, broken.status),
        How.UNTRUSTED: lambda: ways.untrusted(request, reason, proxy),
        How.NOT_SHOWN: lambda: ways.not_shown(request, reason, proxy),
        How.TOO_LONG: lambda: diagnosis.unreadable(request, diagnosis.over_bound(bounds.longest), key),
        How.NO_TLS: lambda: ways.no_tls(request, proxy),
        How.UNREACHABLE: lambda: ways.unreachable(
            request, unsaid(reason, request, key), proxy, broken.status
        ),
        How.UNREADABLE: lambda: diagnosis.unreadable(request, reason, key),
    }
    return errors.get(broken.how, lambda: diagnosis.broken(request, reason, key))()


def not_whole(reply: Reply, broken: Break, bounds: Bounds) -> CallFailed:
    """The error for a reply whose body broke off, goes on beyond its bound, or cannot be unpacked."""
    if broken.how is How.LATE:
        return diagnosis.timed_out(reply.request, bounds.timeout)
    if broken.how is How.TOO_LONG:
        return diagnosis.beyond_bound(reply, bounds.longest)
    if broken.how is How.PACKED:
        return diagnosis.packed(reply, broken.reason)
    return diagnosis.cut(reply, broken.reason)
