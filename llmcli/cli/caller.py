"""The caller: sends the requests of one conversation, and shows what comes as the options say."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from llmcli.chat.dialogue import Answered
from llmcli.cli.options import FollowOptions, OutputOptions
from llmcli.cli.perform import followers_of, paid_before_failure, sink_of, tell
from llmcli.cli.session import Session
from llmcli.output.report import Report
from llmcli.output.sink import SILENT, Sink
from llmcli.output.streams import Out, append_line
from llmcli.run import Follower, run
from llmcli.wire import Chunk, Completion, Json, Message, Request

if TYPE_CHECKING:
    from llmcli.transport.base import Transport

T = TypeVar("T")


@dataclass
class Caller:
    """Sends the requests of one command over one transport, and shows what comes as the options say."""

    session: Session
    follow: FollowOptions
    output: OutputOptions
    transport: Transport
    items: bool = False
    out: Out = field(init=False)
    shown: bool = False  # whether the last request had an answer

    def __post_init__(self) -> None:
        self.out = self.session.out(self.output.output)
        if self.output.usage_file is not None:
            # What cannot be written is said before anything is paid for.
            append_line(self.output.usage_file, b"")

    @property
    def unsent(self) -> bool:
        """Whether requests are only to be shown."""
        return self.output.dry_run or self.output.curl

    async def answer(self, request: Request, before: list[Completion], sink: Sink | None = None) -> Answered:
        """Send, show, report. `before` are completions that were needed for this request."""
        session, self.shown = self.session, False
        trail = Trail(followers_of(session, request, self.follow))
        sink = sink or sink_of(
            session, request, self.output, holds=bool(trail.inner), items=self.items, out=self.out
        )
        with paid_before_failure(session, self.output):
            completion = await run(
                request, self.transport, Preceded(sink, before), session.world.clock, [trail]
            )
        self.shown = True
        tell(session, Report.of(completion, session.price_of), self.output)
        return Answered(completion, trail.exchange)

    async def to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, after which connections are closed."""
        try:
            return await work
        finally:
            await self.transport.aclose()

    async def quietly(self, request: Request) -> Completion:
        """Send and show nothing."""
        return await run(request, self.transport, SILENT, self.session.world.clock)


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
