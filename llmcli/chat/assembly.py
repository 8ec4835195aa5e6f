"""A conversation's dialogue, put together from the flags: what chat and ask share of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Protocol

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
from llmcli.output.report import Report
from llmcli.request.builder import Ask, Builder, build_request
from llmcli.settings.conversation import ContextSettings, SessionSettings
from llmcli.settings.request import RequestSettings
from llmcli.wire import Completion, Message, Request


class Within(Asked, Protocol):
    """What one turn of a session has to know of a command's settings."""

    @property
    def session(self) -> SessionSettings:
        """Which session."""

    @property
    def context(self) -> ContextSettings:
        """What is sent of it."""


def dialogue_of(
    client: Client, builder: Builder, conversation: Conversation, context: ContextSettings
) -> Dialogue:
    """The dialogue that the options ask for."""
    app = client.app

    def price(completion: Completion) -> float | None:
        cost = Report.of(completion, app.prices.of).cost
        return None if cost is None else float(cost)

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

    async def ask(messages: list[Message], room: int) -> tuple[Request, Exchanged]:
        def build(longest: int | None) -> Request:
            request = build_request(messages, Ask(max_tokens=longest), builder.endpoint)
            other = context.summary_model
            return request if other is None else builder.again(request, other)

        teller = build(None)
        request = build(longest_summary(teller.provider, teller.model, room, builder.ask.max_tokens))
        return request, await client.quietly(request)

    return Summarizer(ask)


Opened = Callable[[RequestSettings], tuple[Builder, list[Message]]]
"""The builder, and the messages of a turn, of settings that name the session's model."""


def ask_within(app: App, settings: Within, opened: Opened) -> Completion | None:
    """One turn of a session: ask with what was said before, and keep the answer. A dry run only reads the session."""
    unsent, keeping = settings.output.unsent, settings.session
    path = chosen_path(app, keeping)
    conversation = open_conversation(app, path, must_exist=keeping.resume, only_read=unsent)
    with closing(conversation):
        builder, messages = opened(with_model(app, settings.request, conversation))
        builder = builder.reading(extract=settings.output.extract)
        app.warn(builder.warnings(None if unsent else app.world.today()))
        client = Client(app, settings, builder)
        dialogue = dialogue_of(client, builder, conversation, settings.context)
        if unsent:
            client.show(dialogue.preview(messages))
            return None
        client.ready(builder.request(messages))
        return client.drive(dialogue.turn(messages, accepted=app.accepted))


def preview(app: App, settings: Within, opened: Opened) -> Request:
    """The request that a turn of a session would send. The session is only read."""
    keeping = settings.session
    path = chosen_path(app, keeping)
    conversation = open_conversation(app, path, must_exist=keeping.resume, only_read=True)
    builder, messages = opened(with_model(app, settings.request, conversation))
    app.warn(builder.warnings(None))
    client = Client(app, settings, builder)
    request = dialogue_of(client, builder, conversation, settings.context).preview(messages)
    client.ready(request)
    return request
