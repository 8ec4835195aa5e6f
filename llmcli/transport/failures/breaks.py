"""Where the wire broke, in our errors: how far an exchange had come says what may have cost and what to do."""

from __future__ import annotations

from llmcli.errors import CallFailed
from llmcli.transport.failures import diagnosis
from llmcli.transport.failures.diagnosis import Reply
from llmcli.transport.wire.heads import Break, How
from llmcli.wire import Request


def no_reply(request: Request, key: str | None, broken: Break, timeout: float, connect: float) -> CallFailed:
    """The error for an exchange without a reply. `timeout` and its `connect` part are in seconds."""
    if broken.how is How.NOT_CONNECTED:
        return diagnosis.not_connected(request, connect)
    if broken.how is How.LATE:
        return diagnosis.timed_out(request, timeout)
    if broken.how is How.UNREACHABLE:
        return diagnosis.unreachable(request, broken.reason, key)
    if broken.how is How.UNREADABLE:
        return diagnosis.unreadable(request, broken.reason, key)
    return diagnosis.broken(request, broken.reason, key)


def not_whole(reply: Reply, broken: Break, timeout: float) -> CallFailed:
    """The error for a reply whose body broke off. `timeout` is in seconds."""
    if broken.how is How.LATE:
        return diagnosis.timed_out(reply.request, timeout)
    return diagnosis.cut(reply, broken.reason)
