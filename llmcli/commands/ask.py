"""`llmcli ask`: one request, one answer."""
# No `from __future__ import annotations`: the annotations are read as objects.

from dataclasses import dataclass
from typing import Annotated

from llmcli.app import App
from llmcli.exchange.compose import Recipe, compose
from llmcli.exchange.perform import perform
from llmcli.settings.answer import LoopSettings, RepairSettings
from llmcli.settings.conversation import ContextSettings, SessionSettings
from llmcli.settings.flag import PROMPT
from llmcli.settings.general import GeneralSettings
from llmcli.settings.input import InputSettings
from llmcli.settings.money import MoneySettings
from llmcli.settings.network import NetworkSettings
from llmcli.settings.output import OutputSettings
from llmcli.settings.request import RequestSettings


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
    output, within = settings.output, settings.session.wanted
    stream = output.shape in {"text", "events"}

    def recipe_of(request: RequestSettings) -> Recipe:
        return compose(app, settings.prompt or [], settings.input, request, stream=stream)

    if within or settings.context.wanted:
        from llmcli.chat.converse import ask_within

        return ask_within(app, settings, recipe_of)
    perform(app, recipe_of(settings.request), settings)
    return 0
