"""One server while it is up: a task that holds it, its list of tools, and calls beside each other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from llmcli.errors import AuthFailure, LlmcliError, ToolFailure
from llmcli.lean.dataclass import dataclass
from llmcli.mcp.behind_http import Refusals, http_streams
from llmcli.mcp.reasons import ending_in, fault_in, leaf_of, protocol_code, said_in
from llmcli.mcp.results import Ran, failed_call, read_result
from llmcli.mcp.spec import ServerSpec
from llmcli.mcp.stdio import Stdio
from llmcli.transport.carried import WebWay
from llmcli.transport.wire.heads import Break
from llmcli.transport.wire.trust import NO_CERTIFICATES, Certificates
from llmcli.wire import Json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp import Client

_PAGES = 1000  # of a list of tools
_OTHER_VERSION = -32022  # what a server says that knows no handshake
_NO_METHOD = -32601
_TIMED_OUT = -32001


@dataclass(frozen=True, slots=True)
class Limits:
    """`start`: seconds until a server must have listed its tools; `call`: for one call; `bytes`: of one message."""

    start: float
    call: float
    bytes: int


@dataclass
class Session:
    """A server that is started by `start`, asked by `call`, and ended by `close`.

    `env` is what its process gets, and names the proxies to one behind HTTP; `trusted` are our certificates for that.
    `heard` is given each line of its stderr.
    """

    spec: ServerSpec
    env: Mapping[str, str]
    limits: Limits
    heard: Callable[[str], None] = lambda _line: None
    trusted: Certificates = NO_CERTIFICATES
    tools: list[Json] = field(default_factory=list)
    title: str = ""  # what it calls itself
    _task: asyncio.Task[None] | None = None
    _client: Client | None = None
    _stdio: Stdio | None = None
    _closing: asyncio.Event = field(default_factory=asyncio.Event)
    _reopening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it and list its tools. Raises ToolFailure or AuthFailure in its own words."""
        self._refusals = Refusals(self.spec)
        try:
            await self._open("legacy" if self.spec.command or self.spec.old_sse else "auto")
        except _Unspoken:
            await self._open("auto")
        except ToolFailure as error:
            if not self._refusals.is_no_endpoint or self.spec.old_sse:
                raise
            await self._open_as_it_was(error)

    async def _open_as_it_was(self, error: ToolFailure) -> None:
        """Open a server that takes no POST as one of HTTP+SSE. Raises `error` where it is none."""
        given, refusals = self.spec, self._refusals
        self.spec, self._refusals = replace(given, old_sse=True), Refusals(given)
        try:
            await self._open("legacy")
        except ToolFailure:
            self.spec, self._refusals = given, refusals
            raise error from None

    async def _open(self, mode: str) -> None:
        self._closing = asyncio.Event()
        up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.ensure_future(self._hold(mode, up))
        try:
            await asyncio.wait(
                {self._task, up}, return_when=asyncio.FIRST_COMPLETED, timeout=self.limits.start
            )
        except asyncio.CancelledError:
            await _cancelled(self._task)
            raise
        if up.done():
            return
        if not self._task.done():
            await _cancelled(self._task)
            raise self._lost(f"it did not list its tools within {self.limits.start:g} s")
        reason = self._task.exception() or ToolFailure("it ended")
        raise (
            _Unspoken if mode == "legacy" and protocol_code(reason) == _OTHER_VERSION else self._told(reason)
        )

    async def _hold(self, mode: str, up: asyncio.Future[None]) -> None:
        """Hold the client open until it is to be closed: the SDK wants it entered and left by one task."""
        try:
            transport = await self._transport()
            sdk = await asyncio.to_thread(_sdk)  # while the process starts
            async with sdk(transport, mode, self.limits.start) as client:
                self.title = client.server_info.name if client.server_info is not None else ""
                self.tools = await _listed(client)
                self._client = client
                up.set_result(None)
                await self._closing.wait()
        finally:
            self._client = None
            if self._stdio is not None:
                await self._stdio.end(hasty=True)

    async def _transport(self) -> Any:
        if self.spec.url is not None:
            way = WebWay(self.env, self.trusted, self.limits.bytes)
            return http_streams(self.spec, self._refusals, way)
        spec = self.spec
        self._stdio = Stdio(spec.command, self.env, spec.cwd, self.limits.bytes, self.heard)
        await self._stdio.begin()
        return self._stdio

    async def call(self, name: str, arguments: Json) -> Ran:
        """What a tool gives. Whatever goes wrong is told to the model, but for who asks: AuthFailure."""
        if self._client is None and not await self._again():
            return failed_call(f"the server {self.spec.label} is gone")
        assert self._task is not None  # noqa: S101 - there is a client
        call = asyncio.ensure_future(self._call(name, arguments))
        try:
            await asyncio.wait({call, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if call.done() and not call.cancelled() and call.exception() is None:
                return call.result()
            self._closing.set()  # where the SDK has not seen that it is lost
            await asyncio.wait({self._task})
            lost = self._told(_raised(self._task) or _raised(call) or ToolFailure("it ended"))
        finally:
            await _cancelled(call)
        if isinstance(lost, AuthFailure):
            raise lost
        return failed_call(str(lost.what))

    async def _call(self, name: str, arguments: Json) -> Ran:
        from mcp import MCPError
        from pydantic import ValidationError

        assert self._client is not None  # noqa: S101 - the caller looked
        self._refusals.status = 0
        try:
            result = await self._client.call_tool(name, arguments, read_timeout_seconds=self.limits.call)
        except MCPError as error:
            if error.code == _TIMED_OUT:
                return failed_call(f"the tool did not finish within {self.limits.call:g} s")
            if self._refusals.is_lost or self._is_ending(error):
                raise
            if self._refusals.status:
                return failed_call(f"the server answered HTTP {self._refusals.status}")
            return failed_call(said_in(error))
        except ValidationError as error:
            return failed_call(f"the server's result is not what MCP says: {fault_in(error)}")
        except RuntimeError as error:
            return failed_call(f"the server's result is not what MCP says: {error}")
        return read_result(result.model_dump(by_alias=True, exclude_none=True, mode="json"))

    def _is_ending(self, error: Any) -> bool:
        return "closed" in str(error.message).lower()

    async def _again(self) -> bool:
        """Whether a server behind HTTP that was lost could be opened anew; once."""
        if self.spec.url is None or (self._reopening is not None and self._reopening.done()):
            return False
        if self._reopening is None:
            self._reopening = asyncio.ensure_future(self.start())
        try:
            await asyncio.shield(self._reopening)  # for all calls that wait
        except AuthFailure:
            raise
        except LlmcliError:
            return False
        return self._client is not None

    async def close(self, *, hasty: bool = False) -> None:
        """End it, as a server is to be ended; in haste it is given a fifth of a second."""
        if self._reopening is not None:
            await _cancelled(self._reopening)
        self._closing.set()
        if self._task is None:
            return
        if hasty:
            self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()  # is fetched

    def kill(self) -> None:
        """End it at once."""
        if self._stdio is not None:
            self._stdio.kill()

    def _told(self, reason: BaseException | None) -> LlmcliError:
        """Why it was lost, in its own last words."""
        leaf = leaf_of(reason)
        if isinstance(leaf, LlmcliError) and not isinstance(leaf, ToolFailure):
            return leaf
        if self._stdio is not None and self._stdio.too_long:
            return self._lost(
                f"it sent more than {self.limits.bytes:,} bytes in one message; see --max-reply"
            )
        if isinstance(leaf, ToolFailure):
            return ToolFailure(f"MCP server {self.spec.label}: {leaf.what}", leaf.where, leaf.todo)
        if isinstance(leaf, Break):
            return self._refusals.broken(leaf, self.limits.bytes)
        what = ending_in(leaf)
        if self.spec.url is not None:
            return self._refusals.error(what)
        return self._lost(what)

    def _lost(self, what: str) -> ToolFailure:
        stdio = self._stdio
        words = [what]
        if stdio is not None and stdio.ending:
            words = [stdio.ending]
        if stdio is not None and stdio.stderr:
            words.append(stdio.stderr[-1])
        said = f"MCP server {self.spec.label}: {': '.join(words)}"
        return ToolFailure(said, self.spec.where, "run it by hand to see more, or use -v")


class _Unspoken(Exception):
    """The server does not speak the version that it was asked in."""


def _sdk() -> Callable[[Any, str, float], Client]:
    """What makes a client of the SDK, whose import takes half a second."""
    from mcp import Client
    from mcp_types import Implementation

    from llmcli import __version__

    info = Implementation(name="llmcli", version=__version__)
    return lambda transport, mode, seconds: Client(
        transport, client_info=info, mode=mode, read_timeout_seconds=seconds
    )


async def _listed(client: Client) -> list[Json]:
    """All pages of the tools. A cursor that does not move ends them; a server that knows no such list has none."""
    from mcp import MCPError

    tools: list[Json] = []
    cursor, seen = None, set()
    for _ in range(_PAGES):
        try:
            page = await client.list_tools(cursor=cursor)
        except MCPError as error:
            if error.code == _NO_METHOD:
                break
            raise
        tools += [each.model_dump(by_alias=True, exclude_none=True, mode="json") for each in page.tools]
        cursor = page.next_cursor
        if not cursor or cursor in seen:
            break
        seen.add(cursor)
    return tools


def _raised(task: asyncio.Task[Any]) -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None


async def _cancelled(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
