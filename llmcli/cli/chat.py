"""`llmcli chat`: many turns: a person's at a terminal, a script's from a pipe."""

from contextlib import closing

import typer

from llmcli.cli.compose import Recipe, endpoint_of, settings_of
from llmcli.cli.converse import (
    caller_of,
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
from llmcli.errors import UsageError
from llmcli.request.build import Ask


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
    if not piped and not session.world.stdin_is_terminal:
        raise UsageError("there are no turns", todo="pipe them in, a line each, or use a terminal")
    path = chosen_path(session, keeping)
    if path is None and not piped and not talk.no_session:
        path = new_path(session)
    with closing(open_conversation(session, path, must_exist=keeping.resume)) as conversation:
        request = with_model(ctx, request, conversation)
        opening = Opening(session, given)
        session.set_price(request.price)
        stream = output.shape in {"text", "events"} if request.stream is None else request.stream
        ask = Ask(messages=[], stream=stream, **settings_of(sampling, request, opening.read))
        recipe = Recipe(session, ask, endpoint_of(session, request))
        caller = caller_of(session, recipe, follow, network, money, output, items=request.schema_multi)
        dialogue = dialogue_of(session, recipe, conversation, context, caller)
        script = Script(session, dialogue, caller, opening, talk)
        return drive(caller.closing(script.play()), session.remaining(network.deadline))
