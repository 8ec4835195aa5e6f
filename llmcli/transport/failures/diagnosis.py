"""What went wrong with a reply, or where none came: statuses, bodies and broken connections to our errors.

All transports share this table, so that the same misbehaviour comes out as the same error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from llmcli import jsonl
from llmcli.address import address_of, resolved, shown_url
from llmcli.errors import (
    AuthFailure,
    CallFailed,
    Rejected,
    StreamCut,
    Told,
    TransientFailure,
    UnfitModel,
)
from llmcli.lean.dataclass import dataclass
from llmcli.lean.maker import maker
from llmcli.lean.once import once
from llmcli.lean.pattern import lazy_pattern
from llmcli.registry.models import nearest_model
from llmcli.registry.providers import KEY_FILE, find_provider, provider_of_url
from llmcli.responses.names import RESPONSES
from llmcli.transport.failures.complaints import Complaint, compact, complaint, plain_text
from llmcli.transport.failures.kinds import kind_of, meant
from llmcli.transport.failures.waits import retry_after
from llmcli.transport.stars import Secrets, may_hold, secrets_of, without, without_in
from llmcli.transport.wire.heads import NO_PROXY, Proxy
from llmcli.wire import CHAT, Meta, Request

BROKEN_EVENT = "broken_event"
"""The code of an error for an event of a stream that is none of ours; it may have been cut."""

_API_NAMES = {RESPONSES: "Responses API"}
_LONGEST_MESSAGE = 500
_SILENT = " and said nothing"
_meta = maker(Meta)
_VERSION = lazy_pattern(r"/v\d[^/?]*/?(\?|$)")  # at the end of a base URL


@dataclass
class Reply:
    """The head of an HTTP reply to `request`. Header names are lower case.

    `key` is the key that was sent: servers quote it in their errors, nobody else may. `proxy` was on the way.
    """

    request: Request
    status: int
    headers: Mapping[str, str]
    key: str | None = field(default=None, repr=False)
    proxy: Proxy = NO_PROXY

    @property
    def request_id(self) -> str | None:
        """What the provider calls this request, where it says so."""
        given = self.headers.get("x-request-id") or self.headers.get("request-id")
        return without_in(given, self.secrets) if given else None

    @property
    def where(self) -> str:
        """The place in an error message."""
        proxy = [f"through the proxy {self.proxy.url}"] if self.proxy.answers else []
        named = [f"request {self.request_id}"] if self.request_id else []
        return ", ".join([f"HTTP {self.status}", self.request.name, *proxy, *named])

    def meta(self, *, done: bool = False) -> Meta:
        """The Meta of the answer that begins here, or, where it is `done`, that came whole."""
        asked = self.request
        return _meta(asked.provider, asked.model, self.request_id, self.headers, done, asked.api.name)

    @once
    def secrets(self) -> Secrets:
        """What was sent, or is sent elsewhere, and may not be shown."""
        secrets = self.ours
        if not 300 <= self.status < 400:
            return secrets
        target = address_of(self.target)
        return secrets if target is None else (*secrets, *target.secrets)

    @property
    def ours(self) -> Secrets:
        """What was sent and may not be shown, to a proxy too."""
        return secrets_of(self.request, self.key, self.proxy.secrets)

    @property
    def target(self) -> str:
        """The address that a redirect leads to; nothing where the reply is none."""
        place = self.headers.get("location", "") if 300 <= self.status < 400 else ""
        return resolved(self.request.url, place.strip()) if place else ""

    def without_key(self, value: Any) -> Any:
        """Text, or JSON as it is when it is parsed, fit to be shown."""
        return without(value, self.secrets)

    def words(self, body: bytes) -> str:
        """What a body of text or HTML says, on one line, fit to be shown."""
        return self.shown(plain_text(self.without_key(body.decode("utf-8", "replace"))[:20_000]))

    def shown(self, text: str) -> str:
        """A text on one line, fit to be shown: no key, and no longer than anybody reads."""
        text = self.without_key(" ".join(self.without_key(text).split()))
        return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "..."


def failure(reply: Reply, body: bytes) -> CallFailed:
    """The error for a reply whose status is not 2xx."""
    data = parsed(body)
    said = (
        Complaint((), plain_text(body.decode("utf-8", "replace")[:20_000]))
        if data is None
        else complaint(data)
    )
    error = _error(reply, said, data)
    if data is None:
        error.what, error.body = reply.words(body), _as_sent(reply, body)
    if not error.what:
        silent = _SILENT if data is None else f" with {reply.shown(compact(data))}"
        error.what = f"the endpoint answered {reply.status}{silent}"
    if isinstance(error, Rejected) and reply.status in {404, 405}:
        error.todo = " ".join(["check the model's name and the address", *_asked(reply.request)])
    if type(error) is UnfitModel and (near := nearest_model(reply.request.model, reply.request.provider)):
        error.todo += f"; did you mean -m {near}?"
    if (other := _other_api(reply, said)) is not None:
        error.todo = f"{other}; {error.todo}"
    if reply.target:
        error.what += f"; it points to {reply.shown(shown_url(reply.target))}"
    if isinstance(error, AuthFailure):
        error.todo = _about_the_key(reply)
    if error.asks_too_long:
        error.what += f"; the server asks to wait {error.retry_after:.0f} s"
    return error


def _other_api(reply: Reply, said: Complaint) -> str | None:
    """What to do where the endpoint, or the model, is not of the API that was asked."""
    if reply.request.api.name == CHAT.name:
        return "ask with --api responses" if "v1/responses" in said.message else None
    return "ask with --api chat" if reply.status in {404, 405} else None


def _error(reply: Reply, said: Complaint, data: Any) -> CallFailed:
    """The error of the kind that was told. The body is read as it came: what is starred may no longer be told."""
    wait = retry_after(reply.headers, said.message if data is None else data)
    kind, code = kind_of(reply.status, said, wait)
    return kind.error(
        reply.shown(said.message),
        reply.where,
        kind.todo,
        Told(
            status=reply.status,
            code=reply.without_key(code),
            request_id=reply.request_id,
            retry_after=wait,
            body=reply.without_key(data),
            meant=meant(reply.status, said),
        ),
    )


def _as_sent(reply: Reply, body: bytes) -> Any:
    """A body as a record keeps it: JSON, else text."""
    data = parsed(body)
    return reply.without_key(body.decode("utf-8", "replace") if data is None else data)


def broken(request: Request, reason: str, key: str | None) -> TransientFailure:
    """The error where the connection broke once the request was sent, and before a reply had come."""
    error = TransientFailure(
        f"the connection broke before an answer came: {unsaid(reason, request, key)}",
        request.place,
        "try again later",
    )
    error.may_have_cost = error.connection_broke = True
    return error


def unreadable(request: Request, reason: str, key: str | None) -> TransientFailure:
    """The error for a reply that is no HTTP that can be read."""
    error = TransientFailure(
        f"the reply cannot be read: {unsaid(reason, request, key) or 'its head is too long, or no HTTP'}",
        request.place,
        "check the address, and that it speaks HTTP",
    )
    error.may_have_cost = True
    return error


def unsaid(reason: str, request: Request, key: str | None) -> str:
    """A reason with stars for the key and for what is secret in the address, which libraries quote."""
    address = address_of(request.base_url)
    for secret in address.secrets if address else ():
        reason = reason.replace(secret, "***")
    return str(without(reason, secrets_of(request, key)))


def timed_out(request: Request, seconds: float) -> TransientFailure:
    """The error where the time for an attempt was up."""
    todo = "raise --timeout or try again later"
    if request.fields and not request.stream:
        todo += "; a local server may go on with it, which a stream (batch --stream) stops"
    error = TransientFailure(f"no answer within {seconds:g} s", request.place, todo)
    error.may_have_cost = error.no_answer_in_time = True
    return error


def stalled(reply: Reply, seconds: float) -> StreamCut:
    """The error where nothing more came of an answer that had begun."""
    what, todo = f"nothing more came within {seconds:g} s", "raise --timeout or try again later"
    error = StreamCut(what, reply.where, todo, Told(request_id=reply.request_id))
    error.connection_broke, error.no_answer_in_time = False, True
    return error


def cut(reply: Reply, reason: str) -> StreamCut:
    """The error where the connection broke while the answer was coming."""
    return StreamCut(
        f"the connection broke in the middle of the answer: {reply.without_key(reason)}",
        reply.where,
        "try again",
        Told(request_id=reply.request_id),
    )


def packed(reply: Reply, reason: str) -> StreamCut:
    """The error for a body that is not packed as its head says, or in a way that nobody knows."""
    encoding = reply.shown(reply.headers.get("content-encoding", ""))
    error = StreamCut(
        f"the reply, packed as {encoding}, cannot be unpacked: {reason}",
        reply.where,
        "have the server, or a proxy before it, send it plain or as gzip",
        Told(request_id=reply.request_id),
    )
    error.connection_broke = False
    return error


def beyond_bound(reply: Reply, longest: int) -> StreamCut:
    """The error for a reply of more than `longest` bytes. What came of it is whole up to there."""
    error = StreamCut(
        f"the reply is {over_bound(longest)}",
        reply.where,
        "raise --max-reply, if so long a reply is right",
        Told(request_id=reply.request_id),
    )
    error.connection_broke = False
    return error


def with_a_long_body(error: CallFailed, longest: int) -> CallFailed:
    """An error of a status whose body has more than `longest` bytes, of which the beginning was read."""
    said = error.what.removesuffix(_SILENT)  # what it says was packed too tightly to be read
    error.what = f"{said}; its body is {over_bound(longest)}"
    return error


def over_bound(longest: int) -> str:
    """How long a body is that has more than `longest` bytes."""
    return f"longer than {_size(longest)} (--max-reply)"


def _size(count: int) -> str:
    return f"{count // 1_000_000} MB" if count % 1_000_000 == 0 else f"{count} bytes"


def _asked(request: Request) -> list[str]:
    """The address that was asked, and a question where it is nobody's that we know and looks like a root."""
    if address_of(request.base_url) is None:  # nothing was asked
        return []
    is_root = not _VERSION.search(request.base_url) and provider_of_url(request.base_url) is None
    return [request.place.rpartition(" at ")[2], *["(does it end in /v1?)"] * is_root]


def _about_the_key(reply: Reply) -> str:
    """What to do about a key that was refused, or that was not there."""
    if reply.key is not None:
        return "check the key"
    if reply.request.headers.secrets:
        return "check the headers that say who asks (-H, or headers in the config file)"
    address = address_of(reply.request.base_url)
    if address is not None and address.user is not None:
        return "check the user and the password in the address"
    if not reply.request.key_owners:
        return "no key was sent, since the address is plain http: write https://"
    provider = find_provider(reply.request.key_owners[0])
    return f"no key was sent: {provider.how_to_give_a_key if provider else KEY_FILE}"


def in_band(reply: Reply, data: Any) -> CallFailed:
    """The error that stands in a 200 body or a stream: JSON, or the text of an event that says it is one."""
    said = Complaint((), data) if isinstance(data, str) else complaint(data)
    error = _error(reply, said, data)
    error.what = f"the endpoint reported an error: {error.what or reply.shown(compact(data))}"
    return error


def odd(reply: Reply, what: str, code: str | None = None, body: bytes | None = None) -> TransientFailure:
    """The error for a reply that no Chat Completions API gives."""
    error = TransientFailure(
        what,
        reply.where,
        f"check that the address is that of a {_API_NAMES.get(reply.request.api.name, 'Chat Completions API')}",
        Told(
            status=reply.status,
            code=code,
            request_id=reply.request_id,
            body=None if body is None else _as_sent(reply, body),
        ),
    )
    error.may_have_cost = True
    return error


def parsed(body: bytes, *, halves: bool = False) -> Any:
    """The JSON of a body, read leniently; None where it is not JSON. `halves` of characters may be left in it."""
    try:
        return jsonl.lenient(body, halves=halves)[0]
    except ValueError:
        return None


def answer_in(reply: Reply, body: bytes) -> tuple[Any, bytes | None]:
    """The JSON of a 200 body without the key, and its bytes where they may be kept as they are."""
    try:
        data, exact = jsonl.lenient(body)
    except ValueError:
        return None, None
    secrets = reply.secrets
    if secrets and may_hold(body, secrets) and (clean := reply.without_key(data)) != data:
        return clean, None
    return data, body if exact else None
