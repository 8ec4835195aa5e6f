"""A conversation's dialogue, put together from the flags: what chat and ask share of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace

import typer

from llmcli.chat.context import Rules
from llmcli.chat.dialogue import Dialogue
from llmcli.chat.fitting import Build, Fitting
from llmcli.chat.session import Conversation
from llmcli.chat.summary import Summarizer, longest_summary
from llmcli.cli.caller import Caller
from llmcli.cli.compose import Recipe
from llmcli.cli.drive import drive
from llmcli.cli.keeping import chosen_path, open_conversation, with_model
from llmcli.cli.options import (
    ContextOptions,
    FollowOptions,
    MoneyOptions,
    NetworkOptions,
    OutputOptions,
    RequestOptions,
    SessionOptions,
)
from llmcli.cli.perform import show_request, warn_of_shutdown
from llmcli.cli.session import Session
from llmcli.cli.transports import transport_of
from llmcli.output.report import Report
from llmcli.request.build import Ask, build_request
from llmcli.wire import Completion, Message, Request


def dialogue_of(
    caller: Caller, recipe: Recipe, conversation: Conversation, context: ContextOptions
) -> Dialogue:
    """The dialogue that the options ask for."""
    session = caller.session

    def price(completion: Completion) -> float | None:
        cost = Report.of(completion, session.price_of).cost
        return None if cost is None else float(cost)

    rules = Rules(context.context, context.max_context_tokens, context.keep_turns)
    fitting = Fitting(
        conversation,
        rules,
        builder(session, recipe),
        summarizer_of(caller, recipe, context),
        price,
        session.notes.say,
        session.notes.detail,
    )
    return Dialogue(fitting, caller.answer)


def summarizer_of(caller: Caller, recipe: Recipe, context: ContextOptions) -> Summarizer:
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


def builder(session: Session, recipe: Recipe) -> Build:
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
        drive(session, caller.to_the_end(work), network.deadline)
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
