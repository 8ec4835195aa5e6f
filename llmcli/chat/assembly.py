"""A conversation's dialogue, put together from the flags: what chat and ask share of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from llmcli.app import App
from llmcli.chat.context import Rules
from llmcli.chat.dialogue import Dialogue
from llmcli.chat.fitting import Fitting
from llmcli.chat.sessions.choice import chosen_path, open_conversation, with_model
from llmcli.chat.sessions.session import Conversation
from llmcli.chat.summary import Summarizer, longest_summary
from llmcli.chat.windows import Windows
from llmcli.exchange.asked import Asked
from llmcli.exchange.client import Client
from llmcli.exchange.exchange import Exchanged
from llmcli.exchange.stack import listing_of
from llmcli.lean.dataclass import dataclass
from llmcli.output.report import Report
from llmcli.request.builder import Ask, Builder, build_request
from llmcli.settings.conversation import ContextSettings, SessionSettings
from llmcli.wire import Completion, Message, Request


class Within(Asked, Protocol):
    """What one turn of a session has to know of a command's settings, which are a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def session(self) -> SessionSettings:
        """Which session."""

    @property
    def context(self) -> ContextSettings:
        """What is sent of it."""


S = TypeVar("S", bound=Within)


def dialogue_of(
    client: Client, builder: Builder, conversation: Conversation, context: ContextSettings
) -> Dialogue:
    """The dialogue that the options ask for."""
    app = client.app

    def price(completion: Completion) -> float | None:
        cost = Report.of(completion, app.prices.of).cost
        return None if cost is None else float(cost)

    if context.context != "summarize":
        app.check_idle({"summary_model": "--summary-model"}, "--context summarize")
    rules = Rules(context.context, context.max_context_tokens, context.keep_turns)
    fitting = Fitting(
        conversation,
        rules,
        builder.request,
        summarizer_of(client, builder, context),
        price,
        app.notes.say,
        app.notes.detail,
        Windows(listing_of(app, builder, client.settings), app.notes.detail),
    )
    return Dialogue(fitting, client.turn)


def summarizer_of(client: Client, builder: Builder, context: ContextSettings) -> Summarizer:
    """What tells old turns in few words, by the model that is spoken to or --summary-model."""
    here, headers = builder.endpoint, builder.headers_to(builder.endpoint)

    async def ask(messages: list[Message], room: int) -> tuple[Request, Exchanged]:
        def build(longest: int | None) -> Request:
            request = build_request(messages, Ask(max_tokens=longest), here, headers)
            other = context.summary_model
            return request if other is None else builder.again(request, other)

        teller = build(None)
        request = build(longest_summary(teller.provider, teller.model, room, builder.ask.max_tokens))
        return request, await client.quietly(request)

    return Summarizer(ask)


@dataclass(frozen=True)
class KeptSession(Generic[S]):
    """A session that one turn is asked in. `settings` are the command's, with the model that the session remembers."""

    app: App
    settings: S
    conversation: Conversation

    def ask(self, builder: Builder, messages: list[Message]) -> Completion | None:
        """Ask with what was said before, and keep the answer; a dry run shows the request, and gives None."""
        app, settings = self.app, self.settings
        builder = builder.reading(extract=settings.output.extract, loops=settings.loop.runs)
        client = self._client(builder, None if settings.output.unsent else app.world.today())
        dialogue = dialogue_of(client, builder, self.conversation, settings.context)
        if client.unsent:
            client.show(dialogue.preview(messages))
            return None
        client.ready(builder.request(messages))
        return client.drive(dialogue.turn(messages, accepted=app.accepted))

    def preview(self, builder: Builder, messages: list[Message]) -> Request:
        """The request that `ask` would send. Raises what asking would refuse."""
        client = self._client(builder, None)
        dialogue = dialogue_of(client, builder, self.conversation, self.settings.context)
        request = dialogue.preview(messages)
        client.ready(request)
        return request

    def _client(self, builder: Builder, today: date | None) -> Client:
        self.app.warn(builder.warnings(today))
        return Client(self.app, self.settings, builder)


@contextmanager
def kept_session(app: App, settings: S, *, only_read: bool) -> Iterator[KeptSession[S]]:
    """The session that the settings name, locked until the end. `only_read`: a copy of it, and no lock."""
    keeping = settings.session
    path = chosen_path(app, keeping)
    with closing(
        open_conversation(app, path, must_exist=keeping.resume, only_read=only_read)
    ) as conversation:
        request = with_model(app, settings.request, conversation)
        yield KeptSession(app, replace(settings, request=request), conversation)
