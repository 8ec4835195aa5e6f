"""`llmcli ask`: one request, one answer."""
# No `from __future__ import annotations`: the annotations are read as objects.

from dataclasses import dataclass
from typing import Annotated

from llmcli.app import App
from llmcli.exchange.client import ask_once
from llmcli.request.builder import Builder
from llmcli.request.prompt import Prompt
from llmcli.request.reading import said
from llmcli.settings.answer import LoopSettings, RepairSettings
from llmcli.settings.conversation import ContextSettings, SessionSettings
from llmcli.settings.flag import PROMPT
from llmcli.settings.general import GeneralSettings
from llmcli.settings.input import InputSettings
from llmcli.settings.money import MoneySettings
from llmcli.settings.network import NetworkSettings
from llmcli.settings.output import OutputSettings
from llmcli.settings.request import RequestSettings
from llmcli.wire import Message


@dataclass(frozen=True)
class AskSettings:
    """What ask can be told."""

    input: InputSettings
    request: RequestSettings
    output: OutputSettings
    repair: RepairSettings
    loop: LoopSettings
    network: NetworkSettings
    money: MoneySettings
    session: SessionSettings
    context: ContextSettings
    general: GeneralSettings
    prompt: Annotated[list[str] | None, PROMPT] = None


def ask(app: App, settings: AskSettings) -> int:
    """Ask once and print the answer.

    The prompt is PROMPT, files and piped stdin. Exit 0 means a complete answer.
    """
    within = settings.session.wanted

    def opened(request: RequestSettings) -> tuple[Builder, list[Message]]:
        builder = Builder.of(
            request, app.addresses(request.base_url), app.stdin.read, stream=settings.output.streams
        )
        prompt = Prompt.of(settings.input, app.stdin.read, app.notes.say)
        return builder, prompt.messages(said(settings.prompt or [], app.stdin), optional=within)

    if within or settings.context.wanted:
        from llmcli.chat.assembly import ask_within

        return ask_within(app, settings, opened)
    ask_once(app, *opened(settings.request), settings)
    return 0
