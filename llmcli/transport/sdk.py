"""One request at a time over HTTP: the only importer of openai (its client is one of httpx2).

The SDK makes the request, with its headers; its retries are off. The wire carries it, and what comes back is read
here as bytes, since the SDK lets pass in silence what a script must know of.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from llmcli import __version__, jsonl
from llmcli.address import asked, socket_of
from llmcli.transport import bodies, replies
from llmcli.transport.answer import Answer
from llmcli.transport.failures.breaks import no_reply
from llmcli.transport.failures.diagnosis import Reply
from llmcli.transport.keys import KeyOf, checked_key, credentials
from llmcli.transport.lazy import import_openai
from llmcli.transport.responses.background import finished, is_background
from llmcli.transport.wire.heads import Bounds, Break, Head, WireReply
from llmcli.transport.wire.trust import NO_CERTIFICATES, Certificates
from llmcli.wire import Json, Request

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

    from llmcli.transport.wire.exchange import Wire
    from llmcli.transport.wire.outflow import Outflow

Call = Callable[[Any, dict[str, Any]], Awaitable[Any]]

_USUAL = Bounds()


class Sdk:
    """The bottom of the stack for a single request.

    `key_of` gives the key for a request (None: send none). The timeout of `bounds` is that of a whole unstreamed
    attempt; of the opening and of each silence of a streamed one.
    """

    def __init__(
        self,
        key_of: KeyOf,
        env: Mapping[str, str],
        bounds: Bounds = _USUAL,
        trusted: Certificates = NO_CERTIFICATES,
    ) -> None:
        self._key_of = key_of
        self._env = env
        self._bounds = bounds
        self._trusted = trusted
        self._wire: Wire | None = None
        self._clients: dict[tuple[str, str | None, bool], AsyncOpenAI] = {}

    async def ask(self, request: Request) -> Answer:
        """See Transport."""
        reply, sent = await self._sent(request, request.stream)
        if is_background(request):
            return await self._made_in_the_background(reply, sent)
        return await replies.answer(reply, sent, self._bounds)

    async def _made_in_the_background(self, reply: Reply, sent: WireReply) -> Answer:
        async def call(method: str, path: str) -> tuple[Reply, bytes]:
            reply, sent = await self._sent(request, streamed=False, beside=(method, path))
            return reply, replies.whole(reply, sent, self._bounds)

        request = reply.request
        return Answer.of(
            bodies.completion(*await finished(reply, replies.whole(reply, sent, self._bounds), call))
        )

    async def list_models(self, request: Request) -> list[Json]:
        """What the address of `request` offers: the model objects, as it sends them."""
        reply, sent = await self._sent(request, streamed=False, beside=("GET", "models"))
        return bodies.models(reply, replies.whole(reply, sent, self._bounds))

    async def call(self, request: Request, call: Call, *, streamed: bool = False) -> tuple[Reply, WireReply]:
        """What the wire brings of another endpoint beside that of `request`, whatever its status.

        `call` is given the SDK's client and the headers to send. Raises the CallFailed family where no reply came.
        """
        key = checked_key(await self._key_of(request), request)
        headers = {
            name: value for name, value in self._headers(request, key).items() if name != "Content-Type"
        }
        try:
            sent = await _wired(call(self._client(request, key, streamed), headers))
        except Break as error:
            raise no_reply(request, key, error, self._bounds) from None
        return Reply(request, sent.status, sent.headers, key, proxy=sent.proxy), sent

    async def aclose(self) -> None:
        """See Transport."""
        for client in self._clients.values():
            await client.close()
        if self._wire is not None:
            await self._wire.aclose()

    async def _sent(
        self, request: Request, streamed: bool, beside: tuple[str, str] | None = None
    ) -> tuple[Reply, WireReply]:
        """Send, or with `beside` use that method on that path; give the reply. Raises the CallFailed family."""
        key = checked_key(await self._key_of(request), request)
        client = self._client(request, key, streamed)
        try:
            sent = await self._asked(client, request, key, beside)
        except Break as error:
            raise no_reply(request, key, error, self._bounds) from None
        return Reply(request, sent.status, sent.headers, key, proxy=sent.proxy), sent

    async def _asked(
        self, client: AsyncOpenAI, request: Request, key: str | None, beside: tuple[str, str] | None
    ) -> WireReply:
        """What the wire brought to a request, or to a look at what there is."""
        openai = import_openai()
        import httpx2

        how: dict[str, Any] = {
            "cast_to": httpx2.Response,
            "stream": True,
            "stream_cls": openai.AsyncStream[object],
            "options": {"headers": self._headers(request, key), "security": {"bearer_auth": True}},
        }
        if beside is None:
            return await _wired(client.post(asked(request.url), content=jsonl.dumps(request.body()), **how))
        do = client.get if beside[0] == "GET" else client.post
        return await _wired(do(asked(request.url_of(beside[1])), **how))

    def _client(self, request: Request, key: str | None, streamed: bool) -> AsyncOpenAI:
        place = (request.base_url, key, streamed)
        if place not in self._clients:
            self._clients[place] = self._new_client(request, key, streamed)
        return self._clients[place]

    def _new_client(self, request: Request, key: str | None, streamed: bool) -> AsyncOpenAI:
        openai = import_openai()
        import httpx2

        if self._wire is None:
            from llmcli.transport.wire.exchange import Wire

            self._wire = Wire(self._env, self._bounds.longest, self._trusted)
        carrier = _carrier(self._wire, self._bounds, streamed, socket_of(request.base_url))
        http = httpx2.AsyncClient(transport=carrier, trust_env=False, follow_redirects=False)
        http.headers.clear()  # or they are sent where the user took ours away
        client: AsyncOpenAI = openai.AsyncOpenAI(
            api_key=key or "none", base_url=asked(request.base_url), max_retries=0, http_client=http
        )
        return client

    def _headers(self, request: Request, key: str | None) -> dict[str, Any]:
        """What goes out beside the body. The SDK reads the environment too: of that, nothing goes out by itself."""
        openai = import_openai()
        ours = {"User-Agent": f"llmcli/{__version__}", "Content-Type": "application/json"}
        sent = request.headers.sent({**ours, **credentials(request, key)})
        names = {name.lower() for name in sent}
        custom = self._env.get("OPENAI_CUSTOM_HEADERS", "")
        theirs = [line.partition(":")[0].strip() for line in custom.split("\n") if ":" in line]
        theirs += [header.name for header in request.headers.all]
        theirs += ["OpenAI-Organization", "OpenAI-Project", "Authorization", "Accept", *ours]
        return {name: openai.Omit() for name in theirs if name.lower() not in names} | sent


async def _wired(asking: Awaitable[Any]) -> WireReply:
    """What the wire brought, without what the SDK makes of it."""
    openai = import_openai()
    try:
        response = await asking
    except openai.APIStatusError as error:
        response = error
    except openai.APIConnectionError as error:
        raise error.__cause__ or error from None
    sent: WireReply = getattr(response, "http_response", getattr(response, "response", response)).extensions[
        "sent"
    ]
    return sent


async def _body(request: httpx2.Request) -> bytes | Outflow:
    """What a request carries: whole, but for files, which are read as they go out."""
    from llmcli.transport.wire.outflow import Outflow

    size, stream = request.headers.get("content-length"), request.stream
    is_form = request.headers.get("content-type", "").startswith("multipart/form-data")
    if not is_form or size is None or not isinstance(stream, Iterable):
        return await request.aread()
    return Outflow(int(size), lambda: stream)


def _carrier(wire: Wire, bounds: Bounds, streamed: bool, socket: str | None) -> httpx2.AsyncBaseTransport:
    """A transport for the SDK's client: the wire's reply is in the extension `sent` of an empty response."""
    import httpx2

    class Carrier(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            headers = tuple(each for each in request.headers.items() if each[0] != "content-length")
            times = (bounds.timeout, bounds.connecting)
            head = Head(request.method, str(request.url), headers, *times, streamed, socket)
            sent = await wire.exchange(head, await _body(request))
            return httpx2.Response(sent.status, extensions={"sent": sent})

    return Carrier()
