"""The caller: sends the requests of one conversation, and shows what comes as the options say."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from llmcli.app import App
from llmcli.exchange.asked import Asked
from llmcli.exchange.perform import (
    followers_of,
    lost_media,
    paid_before_failure,
    sink_of,
    tell,
    warn_of_missing,
)
from llmcli.exchange.run import Follower, run
from llmcli.files import append_line
from llmcli.output.report import Report
from llmcli.output.sink import SILENT, Sink
from llmcli.output.streams import Out
from llmcli.settings.output import OutputSettings
from llmcli.wire import Chunk, Completion, Json, Message, Request

if TYPE_CHECKING:
    from llmcli.transport.base import Transport

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, and the tool calls and results that came before it."""

    completion: Completion
    exchange: Sequence[Message] = ()


@dataclass
class Caller:
    """Sends the requests of one command over one transport, and shows what comes as the options say."""

    app: App
    settings: Asked
    transport: Transport
    turns: bool = False  # whether there may be many
    out: Out = field(init=False)
    shown: bool = False  # whether the last request had an answer

    @property
    def output(self) -> OutputSettings:
        """What is shown, and where."""
        return self.settings.output

    def __post_init__(self) -> None:
        self.out = self.app.out(self.output.output)
        if self.output.usage_file is not None:
            # What cannot be written is said before anything is paid for.
            append_line(self.output.usage_file, b"")

    @property
    def unsent(self) -> bool:
        """Whether requests are only to be shown."""
        return self.output.dry_run or self.output.curl

    async def answer(self, request: Request, before: list[Completion], sink: Sink | None = None) -> Answered:
        """Send, show, report. `before` are completions that were needed for this request."""
        app, self.shown = self.app, False
        trail = Trail(followers_of(app, request, self.settings.loop))
        sink = sink or sink_of(
            app,
            request,
            self.output,
            holds=bool(trail.inner),
            items=self.settings.request.schema_multi,
            out=self.out,
            turns=self.turns,
        )
        with paid_before_failure(app, self.output):
            completion = await run(request, self.transport, Preceded(sink, before), app.world.clock, [trail])
        self.shown = True
        tell(app, Report.of(completion, app.prices.of), self.output)
        warn_of_missing(app, completion, request)
        if (lost := lost_media(completion, self.settings, turns=self.turns)) is not None:
            app.outputs.owe(lost)  # the turn is kept
        return Answered(completion, trail.exchange)

    async def to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, after which connections are closed."""
        try:
            return await work
        finally:
            await self.transport.aclose()

    async def quietly(self, request: Request) -> Completion:
        """Send and show nothing."""
        return await run(request, self.transport, SILENT, self.app.world.clock)


@dataclass
class Trail:
    """Followers as one that remembers what they added to the messages."""

    inner: Sequence[Follower]
    exchange: list[Message] = field(default_factory=list)

    async def follow(self, request: Request, completion: Completion) -> Request | None:
        """See Follower."""
        for follower in self.inner:
            following = await follower.follow(request, completion)
            if following is not None:
                self.exchange += following.fields["messages"][len(request.fields["messages"]) :]
                return following
        return None


@dataclass
class Preceded:
    """A sink whose completion tells of those before it."""

    inner: Sink
    before: list[Completion]

    def chunk(self, chunk: Chunk) -> None:
        """See Sink."""
        self.inner.chunk(chunk)

    def finish(self, completion: Completion) -> None:
        """See Sink."""
        completion.meta.earlier = [*self.before, *completion.meta.earlier]
        self.inner.finish(completion)

    def abort(self, body: Json) -> None:
        """See Sink."""
        self.inner.abort(body)

    @property
    def events(self) -> bool:
        """See Sink."""
        return self.inner.events
