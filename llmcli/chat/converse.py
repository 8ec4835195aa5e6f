"""A conversation's dialogue, put together from the flags: what chat and ask share of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Protocol

from llmcli.app import App
from llmcli.chat.context import Rules
from llmcli.chat.dialogue import Dialogue
from llmcli.chat.fitting import Fitting
from llmcli.chat.keeping import chosen_path, open_conversation, with_model
from llmcli.chat.session import Conversation
from llmcli.chat.summary import Summarizer, longest_summary
from llmcli.chat.windows import Windows
from llmcli.exchange.asked import Asked
from llmcli.exchange.caller import Caller
from llmcli.exchange.perform import check_media, followers_of, show_request
from llmcli.exchange.transports import listing_of, transport_of
from llmcli.exchange.unsent import check_unsent
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
    caller: Caller, builder: Builder, conversation: Conversation, context: ContextSettings
) -> Dialogue:
    """The dialogue that the options ask for."""
    app = caller.app

    def price(completion: Completion) -> float | None:
        cost = Report.of(completion, app.prices.of).cost
        return None if cost is None else float(cost)

    rules = Rules(context.context, context.max_context_tokens, context.keep_turns)
    fitting = Fitting(
        conversation,
        rules,
        builder.request,
        summarizer_of(caller, builder, context),
        price,
        app.notes.say,
        app.notes.detail,
        Windows(listing_of(app, builder, caller.settings), app.notes.detail),
    )
    return Dialogue(fitting, caller.answer)


def summarizer_of(caller: Caller, builder: Builder, context: ContextSettings) -> Summarizer:
    """What tells old turns in few words, by the model that is spoken to or --summary-model."""

    async def ask(messages: list[Message], room: int) -> tuple[Request, Completion]:
        def build(longest: int | None) -> Request:
            request = build_request(messages, Ask(max_tokens=longest), builder.endpoint)
            other = context.summary_model
            return request if other is None else builder.again(request, other)

        teller = build(None)
        request = build(longest_summary(teller.provider, teller.model, room, builder.ask.max_tokens))
        return request, await caller.quietly(request)

    return Summarizer(ask)


Opened = Callable[[RequestSettings], tuple[Builder, list[Message]]]
"""The builder, and the messages of a turn, of settings that name the session's model."""


def ask_within(app: App, settings: Within, opened: Opened) -> int:
    """One turn of a session: ask with what was said before, and keep the answer."""
    output = settings.output
    if output.unsent:
        unsent = preview(app, settings, opened)
        check_unsent(app, unsent, settings)
        show_request(app, unsent, app.out(output.output), as_curl=not output.dry_run)
        return 0
    path = chosen_path(app, settings.session)
    with closing(open_conversation(app, path, must_exist=settings.session.resume)) as conversation:
        builder, messages = opened(with_model(app, settings.request, conversation))
        builder = builder.reading(extract=settings.output.extract)
        app.warn(builder.warnings(app.world.today()))
        caller = Caller(app, settings, transport_of(app, builder, settings))
        dialogue = dialogue_of(caller, builder, conversation, settings.context)
        check_media(builder.request(messages), settings)
        work = dialogue.turn(messages, accepted=app.accepted)
        app.drive(caller.to_the_end(work), settings.network.deadline)
    return 0


def preview(app: App, settings: Within, opened: Opened) -> Request:
    """The request that a turn of a session would send. The session is only read."""
    keeping = settings.session
    path = chosen_path(app, keeping)
    conversation = open_conversation(app, path, must_exist=keeping.resume, only_read=True)
    builder, messages = opened(with_model(app, settings.request, conversation))
    app.warn(builder.warnings(None))
    caller = Caller(app, settings, transport_of(app, builder, settings))
    request = dialogue_of(caller, builder, conversation, settings.context).preview(messages)
    check_media(request, settings)
    followers_of(app, request, settings.loop)  # which refuses what the run refuses
    return request
