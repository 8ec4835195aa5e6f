"""`llmcli chat`: many turns: a person's at a terminal, a script's from a pipe."""

from contextlib import closing
from dataclasses import replace

import typer

from llmcli.cli.compose import Recipe, endpoint_of, settings_of, user_message, warn_of_ignored
from llmcli.cli.converse import (
    Caller,
    chosen_path,
    dialogue_of,
    new_path,
    open_conversation,
    with_model,
)
from llmcli.cli.drive import drive
from llmcli.cli.groups import flags
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
from llmcli.errors import UsageError
from llmcli.request.build import Ask, build_request
from llmcli.request.prompt import ReadStdin


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
    """Hold a conversation: at a terminal line by line, from a pipe one turn per line.

    What was said before is sent with each turn; --session keeps it.
    """
    session: Session = ctx.obj
    general.apply(session)
    if talk.list_sessions:
        from llmcli.cli.listing import show_sessions

        return show_sessions(session, output)
    piped = is_piped(session, given.no_stdin or session.no_stdin)
    unsent = output.dry_run or output.curl
    check_turns(session, piped=piped, unsent=unsent)
    path = chosen_path(session, keeping)
    if path is None and not piped and not talk.no_session:
        path = new_path(session)
    opened = open_conversation(session, path, must_exist=keeping.resume, only_read=unsent)
    with closing(opened) as conversation:
        request = with_model(ctx, request, conversation)
        opening = Opening(session, given)
        recipe = recipe_of(session, request, sampling, output, opening.read)
        transport = transport_of(session, recipe, network, money, repairs=follow.repair)
        caller = Caller(session, follow, output, transport, request.schema_multi)
        dialogue = dialogue_of(caller, recipe, conversation, context)
        script = Script(session, dialogue, caller, opening, talk)
        return drive(caller.closing(script.play()), session.remaining(network.deadline))


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


def check_turns(session: Session, *, piped: bool, unsent: bool) -> None:
    """Raise UsageError where nobody could say anything."""
    if piped:
        return
    if not session.world.stdin_is_terminal:
        raise UsageError("there are no turns", todo="pipe them in, a line each, or use a terminal")
    if unsent:
        raise UsageError(
            "--dry-run and --curl show the turns of a pipe", todo="pipe one in, or use llmcli ask"
        )
