"""What went wrong with a reply, or where none came: statuses, bodies and broken connections to our errors.

All transports share this table, so that the same misbehaviour comes out as the same error.
"""

from __future__ import annotations

import errno
import html
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from llmcli import jsonl
from llmcli.errors import (
    AuthFailure,
    BadCommand,
    CallFailed,
    NotRunning,
    QuotaExhausted,
    Rejected,
    StreamCut,
    TransientFailure,
)
from llmcli.registry.providers import find_provider, is_this_machine, provider_of_url
from llmcli.wire import Json, Meta, Request, http_url

_NO_MONEY = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"}
_TRANSIENT = {408, 409, 425, 429}
_LONGEST_MESSAGE = 500
_VERSION = re.compile(r"/v\d[^/?]*/?(\?|$)")  # at the end of a base URL
_PORT_REFUSED = os.strerror(errno.ECONNREFUSED)


@dataclass(frozen=True, slots=True)
class Reply:
    """The head of an HTTP reply to `request`. Header names are lower case.

    `key` is the key that was sent: servers quote it in their errors, nobody else may.
    """

    request: Request
    status: int
    headers: Mapping[str, str]
    key: str | None = field(default=None, repr=False)

    @property
    def request_id(self) -> str | None:
        """What the provider calls this request, where it says so."""
        given = self.headers.get("x-request-id") or self.headers.get("request-id")
        return str(self.without_key(given)) if given else None

    @property
    def where(self) -> str:
        """The place in an error message."""
        parts = [f"HTTP {self.status}", self.request.name]
        return ", ".join([*parts, *([f"request {self.request_id}"] if self.request_id else [])])

    def meta(self) -> Meta:
        """The Meta of the answer that begins here."""
        return Meta(self.request.provider, self.request.model, self.request_id, self.headers)

    def without_key(self, value: Any) -> Any:
        """Text, or JSON as it is when it is parsed, fit to be shown."""
        return without_key(value, self.key)

    def words(self, body: bytes) -> str:
        """What a body of text or HTML says, on one line, fit to be shown."""
        text = self.without_key(body.decode("utf-8", "replace"))[:20_000]
        if "<" in text:
            title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
            text = html.unescape(
                title.group(1) if title else re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", text)
            )
        return _short(self.without_key(text))


def without_key(value: Any, key: str | None) -> Any:
    """Text or JSON with stars where the key stood; servers that write broken JSON may escape its slashes."""
    if not key:
        return value
    if isinstance(value, str):
        return value.replace(key, "***").replace(key.replace("/", "\\/"), "***")
    if isinstance(value, list):
        return [without_key(part, key) for part in value]
    if isinstance(value, dict):
        return {without_key(name, key): without_key(part, key) for name, part in value.items()}
    return value


def failure(reply: Reply, body: bytes) -> CallFailed:
    """The error for a reply whose status is not 2xx."""
    data = reply.without_key(parsed(body))
    code, message = error_words(data)
    if data is None:
        message = reply.words(body)
    status = reply.status
    kind, todo = _kind(status, code)
    if kind is Rejected and status in {404, 405}:
        todo = " ".join(["check the model's name and the address", *_asked(reply.request)])
    if issubclass(kind, AuthFailure):
        todo = _about_the_key(reply)
    error = kind(
        message or f"the endpoint answered {status} and said nothing",
        reply.where,
        todo,
        status=status,
        code=code,
        request_id=reply.request_id,
        retry_after=retry_after(reply.headers),
        body=_as_sent(reply, body),
    )
    if error.asks_too_long:
        error.what += f"; the server asks to wait {error.retry_after:.0f} s"
    return error


def _as_sent(reply: Reply, body: bytes) -> Any:
    """A body as a record keeps it: JSON, else text."""
    data = parsed(body)
    return reply.without_key(body.decode("utf-8", "replace") if data is None else data)


def unusable_proxy(reason: object) -> BadCommand:
    """The error for a proxy of the environment that nothing can be sent through."""
    return BadCommand(f"cannot use the proxy: {reason}", todo="check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY")


def unusable_certificates(reason: str) -> BadCommand:
    """The error for certificates of the environment that cannot be read."""
    return BadCommand(f"cannot read the certificates: {reason}", todo="check SSL_CERT_FILE and SSL_CERT_DIR")


def unreachable(request: Request, reason: str, key: str | None) -> TransientFailure:
    """The error where no reply came."""
    if _PORT_REFUSED in reason and is_this_machine(request.base_url):
        return _not_running(request)
    return TransientFailure(
        f"cannot reach the endpoint: {without_key(reason, key)}",
        display(request),
        "check the address and the network",
    )


def _not_running(request: Request) -> NotRunning:
    """The error for a port of this machine at which nothing listens; names the server that should, where known."""
    named, there = find_provider(request.provider), provider_of_url(request.base_url)
    server = next((each for each in (named, there) if each and each.start), None)
    return NotRunning(
        f"the local server is not running: {_PORT_REFUSED}",
        display(request),
        f"start it ({server.start}), or check the address" if server else "start it, or check the address",
    )


def not_connected(request: Request, seconds: float) -> TransientFailure:
    """The error where the time for a connection was up."""
    return TransientFailure(
        f"cannot connect within {seconds:g} s", display(request), "check the address and the network"
    )


def timed_out(request: Request, seconds: float) -> TransientFailure:
    """The error where the time for an attempt was up."""
    error = TransientFailure(
        f"no answer within {seconds:g} s", display(request), "raise --timeout or try again later"
    )
    error.may_have_cost = True
    return error


def cut(reply: Reply, reason: str) -> StreamCut:
    """The error where the connection broke while the answer was coming."""
    return StreamCut(
        f"the connection broke in the middle of the answer: {reply.without_key(reason)}",
        reply.where,
        "try again",
        request_id=reply.request_id,
    )


def display(request: Request) -> str:
    """The model and the address, without a password that may stand in it."""
    parts = urlsplit(request.base_url)
    host = parts.hostname or ""
    return f"{request.name} at {parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _kind(status: int, code: str | None) -> tuple[type[CallFailed], str]:
    if status == 402 or code in _NO_MONEY:
        return QuotaExhausted, "check the account's plan and billing"
    if status in {401, 403}:
        return AuthFailure, "check the key"
    if status in _TRANSIENT or status >= 500:
        return TransientFailure, "try again later"
    if 300 <= status < 400:
        return Rejected, "the address has moved: give the new one with --base-url"
    return Rejected, "change the request"


def _asked(request: Request) -> list[str]:
    """The address that was asked, and a question where it is nobody's that we know and looks like a root."""
    if http_url(request.base_url) is None:  # nothing was asked
        return []
    is_root = not _VERSION.search(request.base_url) and provider_of_url(request.base_url) is None
    return [display(request).rpartition(" at ")[2], *["(does it end in /v1?)"] * is_root]


def _about_the_key(reply: Reply) -> str:
    """What to do about a key that was refused, or that was not there."""
    if reply.key is not None:
        return "check the key"
    if urlsplit(reply.request.base_url).username:
        return "check the user and the password in the address"
    provider = find_provider([*reply.request.keys_of, reply.request.provider][0])
    return f"no key was sent: {provider.how_to_give_a_key if provider else 'use --api-key-file'}"


def in_band(reply: Reply, data: Json) -> CallFailed:
    """The error that stands in a 200 body or a stream."""
    data = reply.without_key(data)
    code, message = error_words(data)
    kind = QuotaExhausted if code in _NO_MONEY else TransientFailure
    return kind(
        f"the endpoint reported an error: {message or 'it gave no message'}",
        reply.where,
        "try again later",
        status=reply.status,
        code=code,
        request_id=reply.request_id,
        body=data,
    )


def odd(reply: Reply, what: str, code: str | None = None, body: bytes | None = None) -> TransientFailure:
    """The error for a reply that is none of a Chat Completions API."""
    return TransientFailure(
        what,
        reply.where,
        "check that the address is that of a Chat Completions API",
        status=reply.status,
        code=code,
        request_id=reply.request_id,
        body=None if body is None else _as_sent(reply, body),
    )


def parsed(body: bytes) -> Any:
    """The JSON of a body; None where it is not JSON."""
    try:
        return jsonl.loads(body)
    except ValueError:
        return None


def error_words(data: Any) -> tuple[str | None, str]:
    """(code, message) of an error body in any of the shapes that servers have: object, string, list, `detail`."""
    if isinstance(data, list):
        data = next((item for item in data if isinstance(item, dict)), {})
    if not isinstance(data, dict):
        return None, _short(str(data)) if data else ""
    inner = data.get("error") or data
    if not isinstance(inner, dict):
        return None, _short(str(inner))
    kind = inner.get("type")
    code = next((word for word in (inner.get("code"), kind) if word and isinstance(word, str | int)), None)
    message = inner.get("message") or inner.get("detail") or inner.get("msg") or data.get("message") or ""
    if isinstance(kind, str) and kind in _NO_MONEY:
        code = kind
    return None if code is None else str(code), _short(
        message if isinstance(message, str) else _json(message)
    )


def _json(value: Any) -> str:
    return jsonl.dumps(value).decode("utf-8", "replace")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "..."


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that the server asks to wait: `retry-after-ms`, else `retry-after` (seconds or a date)."""
    value = headers.get("retry-after", "")
    wishes = (_number(headers.get("retry-after-ms", ""), 1000), _number(value), _until(value, now))
    return next((max(0.0, seconds) for seconds in wishes if seconds is not None), None)


def _number(text: str, scale: int = 1) -> float | None:
    try:
        seconds = float(text) / scale
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def _until(date: str, now: datetime | None) -> float | None:
    try:
        when = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return (when - (now or datetime.now(UTC))).total_seconds()
