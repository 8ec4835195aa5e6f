"""`llmcli chat`: many turns: a person's at a terminal, a script's from a pipe."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from llmcli.chat.dialogue import Dialogue
from llmcli.chat.live import Live
from llmcli.cli.caller import Caller
from llmcli.cli.compose import Recipe, endpoint_of, settings_of, user_message, warn_of_ignored
from llmcli.cli.converse import builder, dialogue_of, summarizer_of
from llmcli.cli.drive import drive
from llmcli.cli.groups import flags
from llmcli.cli.keeping import chosen_path, new_path, open_conversation, with_model
from llmcli.cli.options import (
    ChatOptions,
    ContextOptions,
    FollowOptions,
    GeneralOptions,
    InputOptions,
    MoneyOptions,
    NetworkOptions,
    OutputOptions,
    RequestOptions,
    SamplingOptions,
    SessionOptions,
)
from llmcli.cli.script import Opening, Script
from llmcli.cli.session import Session
from llmcli.cli.stdin import is_piped
from llmcli.cli.transports import transport_of
from llmcli.config import state_directory
from llmcli.errors import UsageError
from llmcli.request.build import Ask, build_request
from llmcli.request.prompt import ReadStdin

if TYPE_CHECKING:
    from llmcli.chat.repl import Repl


@flags
def chat(
    ctx: typer.Context,
    *,
    talk: ChatOptions,
    keeping: SessionOptions,
    context: ContextOptions,
    given: InputOptions,
    request: RequestOptions,
    sampling: SamplingOptions,
    output: OutputOptions,
    follow: FollowOptions,
    network: NetworkOptions,
    money: MoneyOptions,
    general: GeneralOptions,
) -> int:
    """Hold a conversation, typed or piped.

    At a terminal it is edited, kept and gone on with; from a pipe each line is a turn. --session keeps it.
    """
    session: Session = ctx.obj
    general.apply(session)
    if talk.list_sessions:
        from llmcli.cli.listing import show_sessions

        return show_sessions(session, output)
    if talk.no_session and keeping.wanted:
        flag = "-c" if keeping.session is None else "--session"
        raise UsageError(f"--no-session and {flag} exclude each other", todo="drop one of them")
    typed = is_typed(session, given, output)
    path = chosen_path(session, keeping) or (new_path(session) if typed and not talk.no_session else None)
    unsent = output.dry_run or output.curl
    opened = open_conversation(session, path, must_exist=keeping.resume, only_read=unsent)
    with closing(opened) as conversation:
        request = with_model(ctx, request, conversation)
        opening = Opening(session, given)
        recipe = recipe_of(session, request, sampling, output, opening.read)
        transport = transport_of(
            session, recipe, network, money, repairs=follow.repair, reasoning=output.shows_reasoning
        )
        caller = Caller(session, follow, output, transport, request.schema_multi)
        dialogue = dialogue_of(caller, recipe, conversation, context)
        dialogue.opening = opening.messages

        def switch(model: str) -> None:
            other = recipe_of(session, replace(request, model=model), sampling, output, opening.read)
            dialogue.turn_to(builder(session, other), summarizer_of(caller, other, context))

        if typed:
            work = repl_of(caller, dialogue, opening, switch, path).run()
        else:
            work = Script(session, dialogue, caller, opening, talk).play()
        return drive(session, caller.to_the_end(work), network.deadline)


def recipe_of(
    session: Session,
    request: RequestOptions,
    sampling: SamplingOptions,
    output: OutputOptions,
    read: ReadStdin,
) -> Recipe:
    """What is asked in each turn, and of whom, the messages aside. Raises UsageError, ConfigError."""
    endpoint = endpoint_of(session, request)
    session.set_price(request.price)
    stream = output.shape in {"text", "events"} if request.stream is None else request.stream
    ask = Ask(messages=[], stream=stream, **settings_of(sampling, request, read))
    probe = build_request(replace(ask, messages=[user_message("", [])]), endpoint)
    warn_of_ignored(session, probe, endpoint)
    return Recipe(session, ask, endpoint)


def repl_of(
    caller: Caller, dialogue: Dialogue, opening: Opening, switch: Callable[[str], None], path: Path | None
) -> Repl:
    """The REPL, with the answers shown live unless another format is asked for."""
    from llmcli.chat.repl import Repl

    session = caller.session
    live = Live(caller.out, session.notes, caller.output.reasoning)
    if caller.output.shape == "text":
        dialogue.answer = lambda request, before: caller.answer(request, before, live)

    state = state_directory(session.world.env)
    return Repl(dialogue, live, session.notes, opening.user, switch, path, state)


def is_typed(session: Session, given: InputOptions, output: OutputOptions) -> bool:
    """Whether a person types at a terminal that can be written to. Raises UsageError where nobody says anything."""
    world = session.world
    if is_piped(session, given.no_stdin or session.no_stdin):
        return False
    if not world.stdin_is_terminal:
        raise UsageError("there are no turns", todo="pipe them in, a line each, or use a terminal")
    if output.dry_run or output.curl:
        raise UsageError(
            "--dry-run and --curl show the turns of a pipe", todo="pipe one in, or use llmcli ask"
        )
    return world.stdout_is_terminal or world.stderr_is_terminal
