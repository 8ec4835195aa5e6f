"""The client: the exchanges of one command over one transport, shown as its settings say."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field
from typing import Any, TypeVar

from llmcli.app import App
from llmcli.errors import LlmcliError, Rejected
from llmcli.exchange.asked import Asked
from llmcli.exchange.exchange import Exchanged, Follower, Way, exchange
from llmcli.exchange.shown import check_media, lost_media, paid_before_failure, sink_of, tell, warn_of_missing
from llmcli.exchange.stack import transport_of
from llmcli.files import check_appendable
from llmcli.lean.dataclass import dataclass
from llmcli.lean.pattern import lazy_pattern
from llmcli.loop.runner import run_at_once
from llmcli.output.sink import Sink
from llmcli.output.streams import Out
from llmcli.rehearsal import is_echo
from llmcli.request.builder import Builder
from llmcli.request.params import parse_pair
from llmcli.request.tools import RunsTools, tool_names
from llmcli.settings.answer import LoopSettings
from llmcli.settings.output import OutputSettings
from llmcli.wire import Completion, Message, Request

T = TypeVar("T")


@dataclass
class Client:
    """Sends the requests of one command, and shows what comes; a dry run is the same, but that nothing is sent.

    `out` is where answers go. Raises what is wrong with the settings before anything is paid for.
    """

    app: App
    settings: Asked
    builder: Builder
    turns: bool = False  # whether there may be many
    out: Out = field(init=False)
    way: Way = field(init=False)
    shown: bool = False  # whether the last request had an answer

    def __post_init__(self) -> None:
        self.out = self.app.out(self.output.output)
        transport = transport_of(self.app, self.builder, self.settings)
        self.way = Way(transport, self.app.world.clock, self.app.prices.of)
        if self.output.usage_file is not None:
            check_appendable(self.output.usage_file, make=not self.unsent)

    @property
    def output(self) -> OutputSettings:
        """What is shown, and where."""
        return self.settings.output

    @property
    def unsent(self) -> bool:
        """Whether requests are only to be shown."""
        return self.output.unsent

    def ready(self, request: Request, sink: Sink | None = None) -> tuple[Sink, list[Follower]]:
        """What shows a request's answer, and what may ask on. Raises UsageError where it must not be sent."""
        app, settings = self.app, self.settings
        followers = followers_of(app, request, settings.loop, self.builder.runner)
        check_media(request, settings, turns=self.turns)
        return sink or sink_of(app, request, settings, self.out, turns=self.turns), followers

    def show(self, request: Request) -> None:
        """Show a request instead of sending it. Raises what sending it would refuse."""
        from llmcli.exchange.unsent import check_unsent, show_request

        self.ready(request)
        check_unsent(self.app, request, self.settings)
        show_request(self.app, request, self.out, self.settings.network, as_curl=not self.output.dry_run)

    async def ask(
        self, request: Request, before: Sequence[Completion] = (), sink: Sink | None = None
    ) -> Exchanged:
        """Send, show, report. `before` are completions that were needed for this request."""
        app, self.shown = self.app, False
        sink, followers = self.ready(request, sink)
        with paid_before_failure(app, self.output), _tool_named(request, self.builder.runner):
            exchanged = await exchange(request, self.way, sink, followers, before)
        self.shown = True
        tell(app, exchanged.report, self.output)
        warn_of_missing(app, exchanged.completion, request)
        return exchanged

    async def turn(
        self, request: Request, before: Sequence[Completion] = (), sink: Sink | None = None
    ) -> Exchanged:
        """The same for a turn that is kept, even where some of its answer has no place to go."""
        exchanged = await self.ask(request, before, sink)
        if (lost := self.lost(exchanged)) is not None:
            self.app.outputs.owe(lost)
        return exchanged

    def lost(self, exchanged: Exchanged) -> LlmcliError | None:
        """What is wrong where an answer has media and only its text was shown."""
        return lost_media(exchanged.completion, self.settings, turns=self.turns)

    async def quietly(self, request: Request) -> Exchanged:
        """Send and show nothing."""
        return await exchange(request, self.way)

    def drive(self, work: Coroutine[Any, Any, T], *, at_once: bool = False) -> T:
        """The result of `work`, under the deadline, after which connections are closed. `at_once`: it never waits."""
        if at_once:
            return run_at_once(self._to_the_end(work))
        try:
            return self.app.drive(self._to_the_end(work), self.settings.network.deadline)
        finally:
            work.close()  # a signal may come before it has begun

    @property
    def never_waits(self) -> bool:
        """Whether answers are made here, and nothing that is asked for has to be waited for."""
        money, endpoint = self.settings.money, self.builder.endpoint
        shared = money.limited or money.cache or money.record is not None or money.replay is not None
        timed = self.settings.network.deadline is not None or self.settings.loop.runs
        return is_echo(endpoint.provider.name, endpoint.model) and not shared and not timed

    async def _to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return await work
        finally:
            await self.way.transport.aclose()


def ask_once(app: App, builder: Builder, messages: Sequence[Message], settings: Asked) -> Completion | None:
    """One exchange: send the request, show the answer, report, and raise what is wrong with it; None if unsent."""
    builder = builder.reading(extract=settings.output.extract, loops=settings.loop.runs)
    request = builder.request(messages)
    app.warn(builder.warnings(None if settings.output.unsent else app.world.today()))
    client = Client(app, settings, builder)
    if client.unsent:
        client.show(request)
        return None
    exchanged = client.drive(client.ask(request), at_once=client.never_waits)
    if (wrong := exchanged.wrong or client.lost(exchanged)) is not None:
        raise wrong
    return exchanged.completion


@contextmanager
def _tool_named(request: Request, servers: RunsTools | None) -> Iterator[None]:
    """Have a rejection that counts the tools say which one it means, and whose."""
    try:
        yield
    except Rejected as error:
        found = _TOOL.search(f"{error} {error.body}") if servers is not None else None
        if servers is not None and found:
            name = servers.named(int(found[1]), request.fields.get("tools") or [])
            error.what += f" (tools[{found[1]}] is {name})" if name else ""
        raise


_TOOL = lazy_pattern(r"\btools(?:\[|\.)(\d+)")
_OF_TOOLS = {"max_turns": "--max-turns", "tool_env": "--tool-env", "tool_timeout": "--tool-timeout"}


def followers_of(
    app: App, request: Request, loop: LoopSettings, servers: RunsTools | None = None
) -> list[Follower]:
    """What may ask on: the tools that run. Raises UsageError."""
    if not loop.runs:
        app.check_idle(_OF_TOOLS, "--exec")
        return []
    from llmcli.exchange.layers.folder import kept_under
    from llmcli.exchange.tools.commands import Commands, parse_commands
    from llmcli.exchange.tools.toolbox import Toolbox
    from llmcli.transport.keys import without_keys

    names = set(tool_names(request.fields.get("tools") or []))
    own = names - servers.names if servers is not None else names
    commands = parse_commands([parse_pair(pair, "--exec") for pair in loop.exec], own)
    env, withheld = without_keys(app.world.env, app.config.providers, loop.tool_env)
    notes, waits_for = app.notes, app.watch.waits_for
    run = Commands(commands, loop.tool_timeout, notes.detail, waits_for, env, withheld, notes.say)
    return [Toolbox(names, loop.max_turns, notes.detail, run, servers, kept_under)]
