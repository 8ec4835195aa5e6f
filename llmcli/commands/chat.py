"""`llmcli chat`: many turns: a person's at a terminal, a script's from a pipe."""
# No `from __future__ import annotations`: the annotations are read as objects.

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from llmcli.app import App
from llmcli.chat.assembly import dialogue_of, summarizer_of
from llmcli.chat.dialogue import Dialogue
from llmcli.chat.live import Live
from llmcli.chat.script import Opening, Script, not_here
from llmcli.chat.sessions.choice import chosen_path, new_path, open_conversation, with_model
from llmcli.config import state_directory
from llmcli.errors import UsageError
from llmcli.exchange.asked import ServesTools, pages_named
from llmcli.exchange.client import Client
from llmcli.exchange.judged import is_judged
from llmcli.exchange.tools.opening import served
from llmcli.lean.dataclass import dataclass
from llmcli.output.markdown import screen_of
from llmcli.request.builder import Builder
from llmcli.request.names import say_names
from llmcli.request.prompt import Prompt
from llmcli.settings.answer import LoopSettings, RepairSettings
from llmcli.settings.conversation import ContextSettings, SessionSettings, TurnSettings
from llmcli.settings.general import GeneralSettings
from llmcli.settings.input import InputSettings
from llmcli.settings.money import MoneySettings
from llmcli.settings.network import NetworkSettings
from llmcli.settings.output import OutputSettings
from llmcli.settings.request import RequestSettings

if TYPE_CHECKING:
    from llmcli.chat.repl import Repl

_ANY = [{"role": "user", "content": ""}]  # a turn


@dataclass(frozen=True)
class ChatSettings:
    """What chat can be told."""

    turns: TurnSettings
    session: SessionSettings
    context: ContextSettings
    input: InputSettings
    request: RequestSettings
    output: OutputSettings
    repair: RepairSettings
    loop: LoopSettings
    network: NetworkSettings
    money: MoneySettings
    general: GeneralSettings

    def check(self) -> None:
        """Raise UsageError where flags exclude each other."""
        if self.turns.no_session and self.session.wanted:
            flag = "-c" if self.session.session is None else "--session"
            raise UsageError(f"and {flag} exclude each other", todo="drop one of them", flag="--no-session")


def chat(app: App, settings: ChatSettings) -> int:
    """Hold a conversation, typed or piped.

    At a terminal it is edited, kept and gone on with; from a pipe each line is a turn. --session keeps it.
    """
    output, keeping = settings.output, settings.session
    if settings.turns.list_sessions:
        from llmcli.chat.sessions.listing import show_sessions

        return show_sessions(app, output)
    typed = is_typed(app, output)
    path = chosen_path(app, keeping) or (new_path(app) if typed and not settings.turns.no_session else None)
    opened = open_conversation(app, path, must_exist=keeping.resume, only_read=output.unsent)
    with closing(opened) as conversation, served(app, settings, reads=output.unsent) as servers:
        settings = replace(settings, request=with_model(app, settings.request, conversation))
        pages = pages_named(app, settings, sends=not output.unsent)
        say_names(settings.input, app.notes.say, ())
        opening = Opening(Prompt.of(settings.input, not_here, app.notes.say, pages))
        builder = _builder(app, settings, servers)
        client = Client(app, settings, builder, turns=True)
        client.ready(builder.request(_ANY))  # what is refused in every turn is said before the first
        dialogue = dialogue_of(client, builder, conversation, settings.context)
        dialogue.opening = opening.messages

        def switch(model: str) -> None:
            other = _builder(app, replace(settings, request=replace(settings.request, model=model)), servers)
            dialogue.turn_to(other.request, summarizer_of(client, other, settings.context))

        if typed:
            work = repl_of(client, dialogue, opening, switch, path).run()
        else:
            work = Script(app, dialogue, client, opening, settings.turns).play()
        return client.drive(work)


def _builder(app: App, settings: ChatSettings, servers: ServesTools | None) -> Builder:
    """What is asked in each turn, and of whom. Raises UsageError, ConfigError."""
    request, output = settings.request, settings.output
    builder = Builder.of(
        request, app.addresses(request.base_url, request.api), not_here, stream=output.streams
    )
    builder = builder.reading(extract=output.extract, loops=settings.loop.runs)
    builder = builder if servers is None else servers.into(builder)
    builder.request(_ANY)  # what the model rejects is said before the first turn
    app.warn(builder.warnings(None if output.unsent else app.world.today()))
    return builder


def repl_of(
    client: Client, dialogue: Dialogue, opening: Opening, switch: Callable[[str], None], path: Path | None
) -> "Repl":
    """The REPL, with the answers shown live unless another format is asked for."""
    from llmcli.chat.repl import Repl

    app = client.app
    out = screen_of(client.out, app.world, wanted=client.output.render is not False)
    live = Live(out, app.notes, client.output.reasoning)
    if client.output.shape == "text" and not is_judged(client.builder.request(_ANY)):
        dialogue.send = lambda request, before: client.turn(request, before, live)

    state = state_directory(app.world.env)
    draw = app.notes.draw if app.world.stderr_is_terminal else app.stdout.draw
    return Repl(dialogue, live, app.notes, opening.user, switch, draw, path, state)


def is_typed(app: App, output: OutputSettings) -> bool:
    """Whether a person types at a terminal that can be written to. Raises UsageError where nobody says anything."""
    world = app.world
    if app.stdin.is_piped:
        return False
    if not world.stdin_is_terminal:
        raise UsageError("there are no turns", todo="pipe them in, a line each, or use a terminal")
    if output.unsent:
        raise UsageError(
            "--dry-run and --curl show the turns of a pipe", todo="pipe one in, or use llmcli ask"
        )
    return world.stdout_is_terminal or world.stderr_is_terminal
