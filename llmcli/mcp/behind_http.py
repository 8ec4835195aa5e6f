"""A server behind HTTP: its headers, its patience, and what it says when it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

from llmcli.address import address_of, asked
from llmcli.errors import AuthFailure, LlmcliError, ToolFailure
from llmcli.mcp.mending import as_sdk_takes
from llmcli.mcp.spec import ServerSpec
from llmcli.transport.carried import WebWay, client_over
from llmcli.transport.wire.heads import Break, How

_AUTH = {401, 403}
_FORGOTTEN = {400, 404}  # what servers answer to a session that they do not know
_PROXIES = "check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, or except the host by NO_PROXY"
_SSE_GONE = {404, 405}


class Refusals:
    """The last answer of a server that was no success: what the SDK does not tell."""

    def __init__(self, spec: ServerSpec) -> None:
        self._spec = spec
        self.status = 0
        self._challenge = ""

    @property
    def is_no_endpoint(self) -> bool:
        """Whether it takes no POST there: an HTTP+SSE server is opened by GET."""
        return self.status in _SSE_GONE

    @property
    def is_lost(self) -> bool:
        """Whether the session is none any more, or was never ours."""
        return self.status in {*_AUTH, *_FORGOTTEN}

    def hear(self, method: str, status: int, headers: Mapping[str, str]) -> None:
        """Look at a reply: 405 to GET means no more than that there is no stream, and to DELETE nothing at all."""
        if status >= 400 and method != "DELETE" and not (status in _SSE_GONE and method == "GET"):
            self.status, self._challenge = status, headers.get("www-authenticate", "")

    def error(self, what: str) -> LlmcliError:
        """The error for a server that was lost: AuthFailure where it wants to know who asks."""
        where = self._spec.where
        if self.status in _AUTH:
            return AuthFailure(f"MCP server {self._spec.label}: HTTP {self.status}", where, self._todo())
        if self.status:
            what = f"HTTP {self.status}"
        return ToolFailure(f"MCP server {self._spec.label}: {what}", where, "check the URL")

    def broken(self, broken: Break, longest: int) -> LlmcliError:
        """The error for an exchange that came to no end. `longest`: the bytes that a reply may have."""
        what, todo = _words(broken, longest)
        return ToolFailure(f"MCP server {self._spec.label}: {what}", self._spec.where, todo)

    def _todo(self) -> str:
        asks = f" (it says: {self._challenge})" if self._challenge else ""
        if any(name.lower() == "authorization" for name in self._spec.headers):
            return f"check the header Authorization{asks}"
        how = '--mcp-config with "headers": {"Authorization": "Bearer ${TOKEN}"}'
        return f"it wants the header Authorization{asks}: give it with {how}; llmcli does no OAuth"


def _words(broken: Break, longest: int) -> tuple[str, str]:
    """(what happened, what to do)."""
    reason, proxy = broken.reason, broken.proxy
    if broken.how is How.REFUSED:
        return f"the proxy {proxy} refused: {reason}", _PROXIES
    if proxy and broken.status is None and broken.how in {How.UNREACHABLE, How.NOT_CONNECTED}:
        return f"cannot reach the proxy {proxy}: {reason}", _PROXIES
    if broken.how is How.TOO_LONG:
        return f"it sent more than {longest:,} bytes in one message; see --max-reply", "raise --max-reply"
    if broken.how is How.UNTRUSTED:
        todo = "if it is right, name who signed it with --cacert FILE or SSL_CERT_FILE"
        return f"its certificate is not trusted: {reason}", todo
    if broken.how is How.NO_TLS:
        return "it does not speak TLS", "if it is a plain server, write http://"
    return f"cannot reach it: {reason}" if broken.how is How.UNREACHABLE else reason, "check the URL"


@asynccontextmanager
async def http_streams(spec: ServerSpec, refusals: Refusals, way: WebWay) -> AsyncIterator[tuple[Any, Any]]:
    """A transport of the SDK for streamable HTTP, or for HTTP+SSE. Raises what the wire does."""
    from mcp.client.sse import sse_client
    from mcp.client.streamable_http import streamable_http_client

    def client_of(headers: Any = None, timeout: Any = None, auth: Any = None) -> Any:
        del timeout, auth  # a call has a limit of its own
        return client_over(way, {**_who(spec), **(headers or {})}, refusals.hear)

    url = asked(spec.url or "")
    if spec.old_sse:
        async with sse_client(url, httpx_client_factory=client_of) as pair:
            yield _Mended(pair[0]), pair[1]
        return
    async with (
        client_of() as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=way.longest) as pair,
    ):
        yield _Mended(pair[0]), pair[1]


def _who(spec: ServerSpec) -> Mapping[str, str]:
    """The headers of an entry, and what its URL says of who asks."""
    address = address_of(spec.url or "")
    basic = None if address is None else address.basic
    return spec.headers if basic is None else {"Authorization": basic, **spec.headers}


class _Mended:
    """A stream of messages, whose results are as the SDK takes them."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __aiter__(self) -> _Mended:
        return self

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> Any:
        return await self._inner.__aexit__(*error)

    async def __anext__(self) -> Any:
        return _mend(await self._inner.__anext__())

    async def receive(self) -> Any:
        return _mend(await self._inner.receive())


def _mend(item: Any) -> Any:
    message: Any = getattr(item, "message", None)
    if isinstance(result := getattr(message, "result", None), dict):
        message.result = as_sdk_takes(result)
    return item
