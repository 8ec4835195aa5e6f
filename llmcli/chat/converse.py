"""A conversation's dialogue, put together from the flags: what chat and ask share of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Protocol

from llmcli.app import App
from llmcli.chat.context import Rules
from llmcli.chat.dialogue import Dialogue
from llmcli.chat.fitting import Build, Fitting
from llmcli.chat.keeping import chosen_path, open_conversation, with_model
from llmcli.chat.session import Conversation
from llmcli.chat.summary import Summarizer, longest_summary
from llmcli.exchange.asked import Asked
from llmcli.exchange.caller import Caller
from llmcli.exchange.compose import Recipe
from llmcli.exchange.perform import show_request, warn_of_shutdown
from llmcli.exchange.transports import transport_of
from llmcli.output.report import Report
from llmcli.request.build import Ask, build_request
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
    caller: Caller, recipe: Recipe, conversation: Conversation, context: ContextSettings
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
        builder(app, recipe),
        summarizer_of(caller, recipe, context),
        price,
        app.notes.say,
        app.notes.detail,
    )
    return Dialogue(fitting, caller.answer)


def summarizer_of(caller: Caller, recipe: Recipe, context: ContextSettings) -> Summarizer:
    """What tells old turns in few words, by the model that is spoken to or --summary-model."""

    async def ask(messages: list[Message], room: int) -> tuple[Request, Completion]:
        def build(longest: int | None) -> Request:
            request = build_request(Ask(messages, max_tokens=longest), recipe.endpoint)
            other = context.summary_model
            return request if other is None else recipe.rebuild(request, other)

        teller = build(None)
        request = build(longest_summary(teller.provider, teller.model, room, recipe.ask.max_tokens))
        return request, await caller.quietly(request)

    return Summarizer(ask)


def builder(app: App, recipe: Recipe) -> Build:
    """A function that makes the request for some messages; what is to be said of the model is said once."""
    warned = False

    def build(messages: Sequence[Message]) -> Request:
        nonlocal warned
        request = build_request(replace(recipe.ask, messages=messages), recipe.endpoint)
        if not warned:
            warn_of_shutdown(app, request)
        warned = True
        return request

    return build


def ask_within(app: App, settings: Within, recipe_of: Callable[[RequestSettings], Recipe]) -> int:
    """One turn of a session: ask with what was said before, and keep the answer."""
    output = settings.output
    if output.dry_run or output.curl:
        unsent = preview(app, settings, recipe_of)
        show_request(app, unsent, app.out(output.output), as_curl=not output.dry_run)
        return 0
    path = chosen_path(app, settings.session)
    with closing(open_conversation(app, path, must_exist=settings.session.resume)) as conversation:
        recipe = recipe_of(with_model(app, settings.request, conversation))
        recipe = recipe.reading(extract=settings.output.extract)
        caller = Caller(app, settings, transport_of(app, recipe, settings))
        dialogue = dialogue_of(caller, recipe, conversation, settings.context)
        work = dialogue.turn(recipe.ask.messages, accepted=app.accepted)
        app.drive(caller.to_the_end(work), settings.network.deadline)
    return 0


def preview(app: App, settings: Within, recipe_of: Callable[[RequestSettings], Recipe]) -> Request:
    """The request that a turn of a session would send. The session is only read."""
    keeping = settings.session
    path = chosen_path(app, keeping)
    conversation = open_conversation(app, path, must_exist=keeping.resume, only_read=True)
    recipe = recipe_of(with_model(app, settings.request, conversation))
    caller = Caller(app, settings, transport_of(app, recipe, settings))
    return dialogue_of(caller, recipe, conversation, settings.context).preview(recipe.ask.messages)
