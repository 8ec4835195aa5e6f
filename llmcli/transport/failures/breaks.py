"""Where the wire broke, in our errors: how far an exchange had come says what may have cost and what to do."""

from __future__ import annotations

from collections.abc import Callable

from llmcli.errors import CallFailed
from llmcli.transport.failures import diagnosis, ways
from llmcli.transport.failures.diagnosis import Reply
from llmcli.transport.wire.heads import Break, How
from llmcli.wire import Request


def no_reply(request: Request, key: str | None, broken: Break, timeout: float, connect: float) -> CallFailed:
    """The error for an exchange without a reply. `timeout` and its `connect` part are in seconds."""
    reason, proxy = broken.reason, broken.proxy
    errors: dict[How, Callable[[], CallFailed]] = {
        How.NOT_CONNECTED: lambda: ways.not_connected(request, connect, proxy),
        How.LATE: lambda: diagnosis.timed_out(request, timeout),
        How.REFUSED: lambda: ways.proxy_refused(request, proxy, reason, broken.status),
        How.UNTRUSTED: lambda: ways.untrusted(request, reason),
        How.NO_TLS: lambda: ways.no_tls(request),
        How.UNREACHABLE: lambda: ways.unreachable(request, reason, key, proxy),
        How.UNREADABLE: lambda: diagnosis.unreadable(request, reason, key),
    }
    return errors.get(broken.how, lambda: diagnosis.broken(request, reason, key))()


def not_whole(reply: Reply, broken: Break, timeout: float) -> CallFailed:
    """The error for a reply whose body broke off. `timeout` is in seconds."""
    if broken.how is How.LATE:
        return diagnosis.timed_out(reply.request, timeout)
    return diagnosis.cut(reply, broken.reason)
