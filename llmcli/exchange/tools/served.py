"""Served: the tools of a command's MCP servers, from the flags to the request and from a call to its result."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.util import find_spec

from llmcli.app import App
from llmcli.errors import UsageError
from llmcli.exchange.tools.opening import Serving
from llmcli.mcp.offered import Offer, offers_of
from llmcli.mcp.results import Ran
from llmcli.mcp.servers import Servers
from llmcli.mcp.session import Limits, Session
from llmcli.mcp.spec import ServerSpec, spec_of_words
from llmcli.output.calls import arguments_of, name_of
from llmcli.request.builder import Builder
from llmcli.request.tools import tool_names
from llmcli.transport.keys import without_keys
from llmcli.wire import Json

_START = 60.0  # seconds that a server has to list its tools; cold ones are loaded from an index first
_CALL = 600.0  # seconds for a call, without --tool-timeout


@dataclass
class Served:
    """The servers of one command. They are started when the first builder wants their tools, and kept to the end.

    `reads`: tools are only to be seen, not run, which is said.
    """

    app: App
    settings: Serving
    reads: bool
    offers: Sequence[Offer] = ()
    _servers: Servers | None = None
    _specs: Sequence[ServerSpec] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """The tools, as the model calls them."""
        return {offer.called for offer in self.offers}

    def into(self, builder: Builder) -> Builder:
        """The same builder with the tools of the servers. Raises what a server has to say that does not start."""
        if self._servers is None:
            self._start(set(tool_names(builder.ask.tools)))
        return builder.with_tools([offer.definition for offer in self.offers], self)

    def _start(self, taken: set[str]) -> None:
        if find_spec("mcp") is None:
            raise UsageError(
                "and the package mcp is not here", todo="pip install 'llmcli[mcp]'", flag="--mcp"
            )
        app, loop, network = self.app, self.settings.loop, self.settings.network
        self._specs = [spec_of_words(text) for text in loop.mcp]
        env, _ = without_keys(app.world.env, app.config.providers, loop.tool_env)
        limits = Limits(_START, loop.tool_timeout or _CALL, network.max_reply)
        sessions = [Session(spec, {**env, **spec.env}, limits) for spec in self._specs]
        began = time.monotonic()
        self._servers = Servers(sessions)
        app.watch.waits_for("MCP servers", ", ".join(spec.label for spec in self._specs))
        app.drive(self._servers.start(), network.deadline)
        lists = [(each.spec.label, self._allowed(each)) for each in sessions]
        self.offers, remarks = offers_of(lists, taken)
        for remark in remarks:
            app.notes.detail(f"mcp: {remark}")
        self._check_allowed(sessions)
        say = app.notes.say if self.reads else app.notes.detail
        counts = ", ".join(f"{label} ({len(tools)} tool{'s' * (len(tools) != 1)})" for label, tools in lists)
        say(f"started MCP servers for their tools: {counts}")
        app.notes.detail(f"mcp: up in {time.monotonic() - began:.1f} s")

    def _allowed(self, session: Session) -> list[Json]:
        globs = self.settings.loop.mcp_allow
        return [
            tool for tool in session.tools if not globs or any(_fits(session, tool, glob) for glob in globs)
        ]

    def _check_allowed(self, sessions: Sequence[Session]) -> None:
        for glob in self.settings.loop.mcp_allow:
            if not any(_fits(each, tool, glob) for each in sessions for tool in each.tools):
                known = ", ".join(
                    f"{each.spec.label}.{tool['name']}" for each in sessions for tool in each.tools
                )
                raise UsageError(
                    f"{glob} fits no tool", todo=f"there are: {known or 'none'}", flag="--mcp-allow"
                )

    async def run(self, call: Json, place: str) -> Ran:  # noqa: ARG002 - for recordings
        """What a tool of a server gives. Raises AuthFailure."""
        offer = next(each for each in self.offers if each.called == name_of(call))
        assert self._servers is not None  # noqa: S101 - they have offered
        spec, notes = self._specs[offer.server], self.app.notes
        notes.detail(f"tool {offer.called}: {spec.label}.{offer.name} <<< {arguments_of(call)}")
        self.app.watch.waits_for(f"the tool {offer.called}", spec.where)
        ran = await self._servers.call(offer.server, offer.name, arguments_of(call))
        notes.detail(f"tool {offer.called}: {'failed' if ran.failed else 'done'}")
        return ran

    def close(self, *, hasty: bool) -> None:
        """End the servers."""
        if self._servers is not None:
            self._servers.close(hasty=hasty)


def _fits(session: Session, tool: Json, glob: str) -> bool:
    name = tool["name"]
    return any(
        fnmatchcase(each, glob) for each in (name, f"{session.spec.label}.{name}", f"{session.title}.{name}")
    )
