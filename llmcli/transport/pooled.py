"""Thousands of requests at a time, straight on the wire: no model objects on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from llmcli import __version__, jsonl
from llmcli.address import asked, socket_of
from llmcli.lean.maker import maker
from llmcli.transport import bodies, replies
from llmcli.transport.answer import Answer
from llmcli.transport.base import AnswerCame, SendKind
from llmcli.transport.failures.breaks import no_reply
from llmcli.transport.failures.diagnosis import Reply
from llmcli.transport.keys import KeyOf, checked_key, credentials
from llmcli.transport.responses.background import finished, is_background
from llmcli.transport.stars import Secrets
from llmcli.transport.wire.heads import Bounds, Break, Head, WireReply
from llmcli.transport.wire.names import Names
from llmcli.transport.wire.trust import NO_CERTIFICATES, Certificates
from llmcli.wire import Completion, Request

if TYPE_CHECKING:
    from llmcli.transport.wire.exchange import Wire

_USUAL = Bounds()
_OK = 200
_OURS = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    "User-Agent": f"llmcli/{__version__}",
}


_reply = maker(Reply)


def _place(request: Request) -> tuple[Any, ...]:
    """The same for requests that go the same way."""
    return request.provider, request.model, request.url, request.headers, request.keys_of


class _Way:
    """A way that an exchange has gone, and what was found out for the last that did."""

    def gone(
        self, wire: Wire, head: Head, read: Callable[[Request, WireReply | Exception], Completion]
    ) -> None:
        """What is sent from now on goes as this exchange went."""
        self._send, self._head, self._read = wire.send, head, read

    def send(self, request: Request, body: bytes, came: AnswerCame) -> None:
        """See SendKind."""
        self._send(self._head, body, partial(came, partial(self._read, request)))


def _read(
    bounds: Bounds, key: str | None, secrets: Secrets, request: Request, sent: WireReply | Exception
) -> Completion:
    if isinstance(sent, Exception):
        raise no_reply(request, key, sent, bounds) if isinstance(sent, Break) else sent  # a bug
    reply = _reply(request, sent.status, sent.headers, key, sent.proxy)
    if sent.status == _OK and sent.broken is None:
        reply.secrets = secrets  # all of them: it leads nowhere else
        return bodies.completion(reply, sent.body)
    return replies.whole_answer(reply, sent, bounds)


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
        self._ways: dict[tuple[Any, ...], _Way] = {}

    async def ask(self, request: Request) -> Answer:
        """See Transport."""
        key = checked_key(await self._key_of(request), request)
        wire, head = self._wire or self._new_wire(), self._head(request, key)
        try:
            sent = await wire.exchange(head, jsonl.dumps_to_keep(request.body()))
        except Break as error:
            raise no_reply(request, key, error, self._bounds) from None
        reply = Reply(request, sent.status, sent.headers, key, proxy=sent.proxy)
        if is_background(request):
            return await self._made_in_the_background(reply, sent)
        if sent.pieces is None:
            way = self._ways.setdefault(_place(request), _Way())
            way.gone(wire, head, partial(_read, self._bounds, key, reply.ours))
        return await replies.answer(reply, sent, self._bounds)

    async def _made_in_the_background(self, reply: Reply, sent: WireReply) -> Answer:
        async def call(method: str, path: str) -> tuple[Reply, bytes]:
            request, wire = reply.request, self._wire or self._new_wire()
            head = replace(self._head(request, reply.key), method=method, url=asked(request.url_of(path)))
            try:
                sent = await wire.exchange(head, b"")
            except Break as error:
                raise no_reply(request, reply.key, error, self._bounds) from None
            answered = Reply(request, sent.status, sent.headers, reply.key, proxy=sent.proxy)
            return answered, replies.whole(answered, sent, self._bounds)

        return Answer.of(
            bodies.completion(*await finished(reply, replies.whole(reply, sent, self._bounds), call))
        )

    def sender(self, request: Request) -> SendKind | None:
        """See FindSend: only where an exchange has gone the same way, so that key and address are known."""
        if request.fields.get("stream") or is_background(request):
            return None
        way = self._ways.get(_place(request))
        return None if way is None else way.send

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
