"""Thousands of requests at a time, straight on the wire: no model objects on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from llmcli import __version__, jsonl
from llmcli.address import asked, socket_of
from llmcli.transport import bodies, replies
from llmcli.transport.answer import Answer
from llmcli.transport.base import AnswerCame
from llmcli.transport.failures.breaks import no_reply
from llmcli.transport.failures.diagnosis import Reply
from llmcli.transport.keys import KeyOf, checked_key, credentials
from llmcli.transport.responses.background import finished, is_background
from llmcli.transport.stars import Secrets, secrets_of
from llmcli.transport.wire.heads import Bounds, Break, Head, WireReply
from llmcli.transport.wire.names import Names
from llmcli.transport.wire.trust import NO_CERTIFICATES, Certificates
from llmcli.wire import Completion, Headers, Request

if TYPE_CHECKING:
    from llmcli.transport.wire.exchange import Wire

_USUAL = Bounds()
_OK = 200
_OURS = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    "User-Agent": f"llmcli/{__version__}",
}


class _Went(NamedTuple):
    """A way that an exchange has gone: for which headers and which owners of keys, and what was found out for it."""

    headers: Headers
    keys_of: tuple[str, ...] | None
    wire: Wire
    head: Head
    key: str | None
    secrets: Secrets

    def is_for(self, request: Request) -> bool:
        """Whether a request for the same model at the same address goes this way."""
        same = request.headers is self.headers or request.headers == self.headers
        is_quick = not request.fields.get("stream") and not is_background(request)
        return same and request.keys_of == self.keys_of and is_quick


class Pooled:
    """The bottom of the stack for a batch. Parameters as for Sdk; it behaves the same, error for error."""

    def __init__(
        self,
        key_of: KeyOf,
        bounds: Bounds = _USUAL,
        env: Mapping[str, str] | None = None,
        trusted: Certificates = NO_CERTIFICATES,
    ) -> None:
        self._key_of = key_of
        self._bounds = bounds
        self._env = env
        self._trusted = trusted
        self._wire: Wire | None = None
        self._heads: dict[tuple[Any, ...], Head] = {}
        self._ways: dict[tuple[str, str, str], _Went] = {}
        self._last_kind: object = None  # of requests that were sent last, and their way
        self._last_way: _Went | None = None

    async def ask(self, request: Request) -> Answer:
        """See Transport."""
        key = checked_key(await self._key_of(request), request)
        wire, head = self._wire or self._new_wire(), self._head(request, key)
        try:
            sent = await wire.exchange(head, jsonl.dumps_to_keep(request.body()))
        except Break as error:
            raise no_reply(request, key, error, self._bounds) from None
        reply = Reply(request, sent.status, sent.headers, key)
        if is_background(request):
            return await self._made_in_the_background(reply, sent)
        if sent.pieces is None:
            place = request.provider, request.model, request.url
            secrets = secrets_of(request, key)
            self._ways[place] = _Went(request.headers, request.keys_of, wire, head, key, secrets)
            self._last_kind = None  # it may have gone another way
        return await replies.answer(reply, sent, self._bounds)

    async def _made_in_the_background(self, reply: Reply, sent: WireReply) -> Answer:
        async def call(method: str, path: str) -> tuple[Reply, bytes]:
            request, wire = reply.request, self._wire or self._new_wire()
            head = replace(self._head(request, reply.key), method=method, url=asked(request.url_of(path)))
            try:
                sent = await wire.exchange(head, b"")
            except Break as error:
                raise no_reply(request, reply.key, error, self._bounds) from None
            answered = Reply(request, sent.status, sent.headers, reply.key)
            return answered, replies.whole(answered, sent, self._bounds)

        return Answer.of(
            bodies.completion(*await finished(reply, replies.whole(reply, sent, self._bounds), call))
        )

    def send(self, request: Request, body: bytes, came: AnswerCame) -> bool:
        """See SendUnawaited: only where an exchange has gone the same way, so that key and address are known."""
        way = self._last_way if request.kind is self._last_kind else self._way_of(request)
        if way is None:
            return False
        way.wire.send(way.head, body, partial(came, partial(self._read, request, way)))
        return True

    def _way_of(self, request: Request) -> _Went | None:
        way = self._ways.get((request.provider, request.model, request.url))
        if way is None or not way.is_for(request):
            return None
        self._last_kind, self._last_way = request.kind, way
        return way

    def _read(self, request: Request, way: _Went, sent: WireReply | Exception) -> Completion:
        if isinstance(sent, Exception):
            raise no_reply(request, way.key, sent, self._bounds) if isinstance(sent, Break) else sent  # a bug
        reply = Reply(request, sent.status, sent.headers, way.key, way.secrets)
        if sent.status == _OK and sent.broken is None:
            return bodies.completion(reply, sent.body)
        return replies.whole_answer(reply, sent, self._bounds)

    async def aclose(self) -> None:
        """See Transport."""
        if self._wire is not None:
            await self._wire.aclose()

    def _new_wire(self) -> Wire:
        from llmcli.transport.wire.exchange import Wire

        self._wire = Wire(self._env, self._bounds.longest, self._trusted, names=Names())
        return self._wire

    def _head(self, request: Request, key: str | None) -> Head:
        """One for all that go the same way."""
        place = (request.url, key, request.stream, request.headers)
        if place not in self._heads:
            headers = request.headers.sent({**_OURS, **credentials(request, key)})
            self._heads[place] = Head(
                "POST",
                asked(request.url),
                tuple(headers.items()),
                self._bounds.timeout,
                self._bounds.connecting,
                request.stream,
                socket_of(request.base_url),
            )
        return self._heads[place]
