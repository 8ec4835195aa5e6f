"""Served: the tools of a command's MCP servers, from the flags to the request and from a call to its result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path

from llmcli.app import App
from llmcli.errors import LlmcliError, UsageError
from llmcli.exchange.layers.store import recorded, recording
from llmcli.exchange.stack import trusted
from llmcli.exchange.tools.kept import keep_result, keep_tools, kept_result, kept_tools
from llmcli.exchange.tools.opening import WithServers
from llmcli.lean.dataclass import dataclass
from llmcli.mcp.configs import filled, specs_of_file
from llmcli.mcp.offered import Offer, offers_of
from llmcli.mcp.results import Ran
from llmcli.mcp.servers import Servers
from llmcli.mcp.session import Limits, Session
from llmcli.mcp.spec import ServerSpec, secrets_of_servers, spec_of_words
from llmcli.output.calls import arguments_of, name_of
from llmcli.request.builder import Builder
from llmcli.request.tools import tool_names
from llmcli.transport.keys import without_keys
from llmcli.transport.stars import without
from llmcli.wire import Json

_START = 60.0  # seconds that a server has to list its tools; cold ones are loaded from an index first
_MANY = 128  # tools of a request
_CALL = 600.0  # seconds for a call, without --tool-timeout


@dataclass(frozen=True, slots=True)
class ServerTools:
    """A server, what it calls itself, and its tools."""

    spec: ServerSpec
    title: str
    tools: Sequence[Json]

    def fits(self, tool: Json, globs: Sequence[str]) -> bool:
        """Whether one of the globs allows a tool; none of them allow all."""
        names = (tool["name"], f"{self.spec.label}.{tool['name']}", f"{self.title}.{tool['name']}")
        return not globs or any(fnmatchcase(name, glob) for glob in globs for name in names)


@dataclass
class Served:
    """The servers of one command. They are started when the first builder wants their tools, and kept to the end.

    `reads`: tools are only to be seen, not run, which is said.
    """

    app: App
    settings: WithServers
    reads: bool
    offers: Sequence[Offer] = ()
    _servers: Servers | None = None
    _specs: Sequence[ServerSpec] | None = None
    _kept: Path | None = None  # --replay
    _keep: Path | None = None  # --record
    _withheld: Sequence[str] = ()
    _secrets: tuple[str, ...] = ()

    @property
    def names(self) -> set[str]:
        """The tools, as the model calls them."""
        return {offer.called for offer in self.offers}

    def into(self, builder: Builder) -> Builder:
        """The same builder with the tools of the servers. Raises what a server has to say that does not start."""
        if self._specs is None:
            self._specs = self._wanted()
            self._offer(self._listed(self._specs), set(tool_names(builder.ask.tools)))
        return builder.with_tools([offer.definition for offer in self.offers], self)

    def _wanted(self) -> list[ServerSpec]:
        """The servers that the flags name. Raises UsageError."""
        loop = self.settings.loop
        specs = [spec_of_words(text) for text in loop.mcp]
        for path in loop.mcp_config:
            for spec, ignored in specs_of_file(path):
                specs.append(spec)
                for what in ignored:
                    self.app.notes.say(f"{spec.source}: {what}")
            if not any(spec.source.startswith(f"{path}: ") for spec in specs):
                self.app.notes.say(f"{path}: no server in it is enabled")
        return specs

    def _listed(self, specs: Sequence[ServerSpec]) -> list[ServerTools]:
        """The servers with their tools: of --replay, else their own. Raises ToolFailure, AuthFailure, NoInput."""
        money = self.settings.money
        if money.replay is not None:
            self._kept = recorded(money.replay).path
            return [ServerTools(spec, *kept_tools(self._kept, spec)) for spec in specs]
        self._keep = recording(money.record).path if money.record is not None and not self.reads else None
        listed = [ServerTools(each.spec, each.title, each.tools) for each in self._started(specs)]
        for each, spec in zip(listed, specs, strict=True):
            if self._keep is not None:
                keep_tools(self._keep, spec, each.title, each.tools)
        return listed

    def _started(self, specs: Sequence[ServerSpec]) -> list[Session]:
        if specs and find_spec("mcp") is None:
            raise UsageError(
                "and the package mcp is not here", todo="pip install 'llmcli[mcp]'", flag="--mcp"
            )
        app, loop, network = self.app, self.settings.loop, self.settings.network
        known = app.world.env, app.config.providers
        env, self._withheld = without_keys(*known, loop.tool_env)
        if all(spec.url is not None for spec in specs):
            self._withheld = ()  # no child could miss them
        limits = Limits(_START, loop.tool_timeout or _CALL, network.max_reply)
        whole = [filled(spec, app.world.env) for spec in specs]
        trust = trusted(network)
        sessions = [Session(spec, {**env, **spec.env}, limits, trusted=trust) for spec in whole]
        self._servers = Servers(sessions)
        app.watch.waits_for("MCP servers", ", ".join(spec.label for spec in specs))
        self._secrets = secrets_of_servers(
            whole, {app.world.env[name] for name in without_keys(*known, ())[1]}
        )
        try:
            app.drive(self._servers.start(), network.deadline)
        except LlmcliError as error:
            self._hint("an MCP server")
            told = [without(text, self._secrets) for text in (error.what, error.where, error.todo)]
            error.what, error.where, error.todo = told
            raise
        finally:
            self._tell()
        return sessions

    def _offer(self, listed: Sequence[ServerTools], taken: set[str]) -> None:
        globs, notes = self.settings.loop.mcp_allow, self.app.notes
        for glob in globs:
            if not any(each.fits(tool, [glob]) for each in listed for tool in each.tools):
                known = ", ".join(
                    f"{each.spec.label}.{tool['name']}" for each in listed for tool in each.tools
                )
                raise UsageError(
                    f"{glob} fits no tool", todo=f"there are: {known or 'none'}", flag="--mcp-allow"
                )
        lists = [
            (each.spec.label, [tool for tool in each.tools if each.fits(tool, globs)]) for each in listed
        ]
        self.offers, remarks = offers_of(lists, taken)
        for remark in remarks:
            notes.detail(f"mcp: {remark}")
        for each in listed:
            if not each.tools:
                notes.say(f"MCP server {each.spec.label} offers no tools")
        if (count := len(self.offers) + len(taken)) > _MANY:
            notes.say(f"{count} tools, and most providers take {_MANY} at most; --mcp-allow GLOB limits them")
        if self._servers is not None:
            offered = Counter(offer.server for offer in self.offers)
            counts = ", ".join(f"{label} ({offered[at]})" for at, (label, _) in enumerate(lists))
            (notes.say if self.reads else notes.detail)(f"MCP servers were started for their tools: {counts}")

    async def run(self, call: Json, place: str) -> Ran:
        """What a tool of a server gives. Raises AuthFailure, NoInput."""
        offer, notes = self._of(name_of(call)), self.app.notes
        assert self._specs is not None  # noqa: S101 - they have offered
        spec, given = self._specs[offer.server], arguments_of(call)
        kept = {"server": spec.label, "name": offer.name, "arguments": given}
        if self._kept is not None:
            return kept_result(self._kept, place, kept)
        assert self._servers is not None  # noqa: S101 - they have offered
        notes.detail(
            f"tool {offer.called}: {spec.label}.{offer.name} <<< {without(call_text(call), self._secrets)}"
        )
        self.app.watch.waits_for(f"the tool {offer.called}", spec.where)
        ran = await self._servers.call(offer.server, offer.name, given)
        self._tell()
        notes.detail(f"tool {offer.called}: {'failed' if ran.failed else 'done'}")
        if ran.failed and spec.url is None:
            self._hint(f"tool {offer.called}")
        if self._keep is not None:
            keep_result(self._keep, place, kept, ran)
        return ran

    def named(self, position: int, tools: Sequence[Json]) -> str | None:
        """The tool at a position of a request's tools, as `server.tool`; None where it is no server's."""
        inner = tools[position].get("function") or {} if position < len(tools) else {}
        if self._specs is None or inner.get("name") not in self.names:
            return None
        offer = self._of(inner["name"])
        return f"{self._specs[offer.server].label}.{offer.name}"

    def close(self, *, hasty: bool) -> None:
        """End the servers."""
        if self._servers is not None:
            self._servers.close(hasty=hasty)

    def _of(self, called: str) -> Offer:
        return next(each for each in self.offers if each.called == called)

    def _tell(self) -> None:
        """Show what servers have said on stderr, to those who asked for more."""
        for label, line in self._servers.heard() if self._servers is not None else ():
            self.app.notes.detail(f"mcp {label}: {without(line, self._secrets)}")

    def _hint(self, what: str) -> None:
        withheld, self._withheld = self._withheld, ()
        if withheld:
            names = ", ".join(withheld)
            self.app.notes.say(
                f"{what} failed; tools are not given {names} (--tool-env NAME gives one to them)"
            )


def call_text(call: Json) -> str:
    """A call's arguments, as the model wrote them."""
    inner = call.get("function") or {}
    return str(inner.get("arguments") or "{}")
