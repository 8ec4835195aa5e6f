"""A conversation's dialogue, put together from the flags: what chat and ask share of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from llmcli.chat.context import Rules
from llmcli.chat.dialogue import Answered, Dialogue
from llmcli.chat.fitting import Fitting
from llmcli.chat.journal import FileJournal, Journal, MemoryJournal
from llmcli.chat.session import Conversation, read_session, session_path, sessions_in
from llmcli.chat.summary import Summarizer, longest_summary
from llmcli.cli.compose import Recipe
from llmcli.cli.drive import drive
from llmcli.cli.options import (
    ContextOptions,
    FollowOptions,
    MoneyOptions,
    NetworkOptions,
    OutputOptions,
    RequestOptions,
    SessionOptions,
)
from llmcli.cli.perform import (
    followers_of,
    paid_before_failure,
    show_request,
    sink_of,
    tell,
    warn_of_shutdown,
)
from llmcli.cli.session import Session
from llmcli.cli.transports import transport_of
from llmcli.config import state_directory
from llmcli.errors import NoInput
from llmcli.output.report import Report
from llmcli.output.sink import SILENT, Sink
from llmcli.output.streams import Out, append_line
from llmcli.request.build import Ask, build_request
from llmcli.run import Follower, run
from llmcli.wire import Chunk, Completion, Json, Message, Request

T = TypeVar("T")

if TYPE_CHECKING:
    from llmcli.transport.base import Transport


def directory_of(session: Session) -> Path:
    """Where sessions with a bare name are."""
    return state_directory(session.world.env) / "sessions"


def chosen_path(session: Session, keeping: SessionOptions) -> Path | None:
    """The file of the session that is meant; None: none is. Raises NoInput where there is none to go on with."""
    directory = directory_of(session)
    if keeping.session is not None:
        return session_path(directory, keeping.session)
    if not keeping.resume:
        return None
    paths = [listed.path for listed in sessions_in(directory)[:1]]
    with suppress(OSError, ValueError):  # of a file that is not there any more
        last = Path(_last(session).read_text("utf-8"))
        paths = sorted([last, *paths], key=lambda path: path.stat().st_mtime_ns, reverse=True)
    if not paths:
        raise NoInput("there is no session to continue", str(directory), "begin one with --session NAME")
    return paths[0]


def _last(session: Session) -> Path:
    """The file that names the last session which is not in the directory."""
    return state_directory(session.world.env) / "last-session"


def _remember(session: Session, path: Path) -> None:
    """Let `-c` find a session wherever it is. Nothing is lost where that cannot be kept."""
    if path.parent != directory_of(session):
        last = _last(session)
        with suppress(OSError):
            last.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            last.touch(mode=0o600)
            last.write_text(str(path.absolute()), "utf-8")


def new_path(session: Session) -> Path:
    """The file of a new session, named for the time."""
    name = session.world.now().astimezone().strftime("%Y-%m-%d-%H%M%S")
    directory = directory_of(session)
    path, number = directory / f"{name}.jsonl", 2
    while path.exists():
        path, number = directory / f"{name}-{number}.jsonl", number + 1
    return path


def open_conversation(
    session: Session, path: Path | None, *, must_exist: bool = False, only_read: bool = False
) -> Conversation:
    """The conversation of a file, locked until it is closed; None: of no file. `only_read`: a copy of it."""
    journal: Journal
    if path is not None and not only_read:
        journal = FileJournal(path, must_exist=must_exist)
        _remember(session, path)
    elif path is not None and (must_exist or path.exists()):
        journal = MemoryJournal(read_session(path))
    else:
        journal = MemoryJournal()
    created = session.world.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        return Conversation(journal, str(path or "the conversation"), created)
    except BaseException:
        journal.close()
        raise


def with_model(ctx: typer.Context, request: RequestOptions, conversation: Conversation) -> RequestOptions:
    """The options with the session's model, unless the command line names one."""
    source = ctx.get_parameter_source("model")
    if conversation.model is None or (source is not None and source.name == "COMMANDLINE"):
        return request
    return replace(request, model=conversation.model)


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
            append_line(
                self.output.usage_file, b""
            )  # what cannot be written is said before anything is paid for

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

    async def closing(self, work: Coroutine[Any, Any, T]) -> T:
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


def dialogue_of(
    caller: Caller, recipe: Recipe, conversation: Conversation, context: ContextOptions
) -> Dialogue:
    """The dialogue that the options ask for."""
    session = caller.session

    async def ask(messages: list[Message], room: int) -> tuple[Request, Completion]:
        def build(longest: int | None) -> Request:
            request = build_request(Ask(messages, max_tokens=longest), recipe.endpoint)
            return (
                request if context.summary_model is None else recipe.rebuild(request, context.summary_model)
            )

        teller = build(None)
        request = build(longest_summary(teller.provider, teller.model, room, recipe.ask.max_tokens))
        return request, await caller.quietly(request)

    def price(completion: Completion) -> float | None:
        cost = Report.of(completion, session.price_of).cost
        return None if cost is None else float(cost)

    rules = Rules(context.context, context.max_context_tokens, context.keep_turns)
    fitting = Fitting(
        conversation,
        rules,
        builder(session, recipe),
        Summarizer(ask),
        price,
        session.notes.say,
        session.notes.detail,
    )
    return Dialogue(fitting, caller.answer)


def builder(session: Session, recipe: Recipe) -> Callable[[Sequence[Message]], Request]:
    """A function that makes the request for some messages; what is to be said of the model is said once."""
    warned = False

    def build(messages: Sequence[Message]) -> Request:
        nonlocal warned
        request = build_request(replace(recipe.ask, messages=messages), recipe.endpoint)
        if not warned:
            warn_of_shutdown(session, request)
        warned = True
        return request

    return build


def ask_within(
    ctx: typer.Context,
    keeping: SessionOptions,
    context: ContextOptions,
    request: RequestOptions,
    recipe_of: Callable[[RequestOptions], Recipe],
    follow: FollowOptions,
    network: NetworkOptions,
    money: MoneyOptions,
    output: OutputOptions,
) -> int:
    """One turn of a session: ask with what was said before, and keep the answer."""
    session: Session = ctx.obj
    if output.dry_run or output.curl:
        unsent = preview(ctx, keeping, context, request, recipe_of)
        show_request(session, unsent, session.out(output.output), as_curl=not output.dry_run)
        return 0
    path = chosen_path(session, keeping)
    with closing(open_conversation(session, path, must_exist=keeping.resume)) as conversation:
        recipe = recipe_of(with_model(ctx, request, conversation))
        transport = transport_of(
            session, recipe, network, money, repairs=follow.repair, reasoning=output.shows_reasoning
        )
        caller = Caller(session, follow, output, transport, request.schema_multi)
        dialogue = dialogue_of(caller, recipe, conversation, context)
        work = dialogue.turn(recipe.ask.messages, accepted=session.accepted)
        drive(session, caller.closing(work), network.deadline)
    return 0


def preview(
    ctx: typer.Context,
    keeping: SessionOptions,
    context: ContextOptions,
    request: RequestOptions,
    recipe_of: Callable[[RequestOptions], Recipe],
) -> Request:
    """The request that a turn of a session would send. The session is only read."""
    session: Session = ctx.obj
    path = chosen_path(session, keeping)
    conversation = open_conversation(session, path, must_exist=keeping.resume, only_read=True)
    recipe = recipe_of(with_model(ctx, request, conversation))
    transport = transport_of(session, recipe, NetworkOptions(), MoneyOptions())
    caller = Caller(session, FollowOptions(), OutputOptions(), transport)
    return dialogue_of(caller, recipe, conversation, context).preview(recipe.ask.messages)
