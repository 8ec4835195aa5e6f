"""`llmcli ask`: one request, one answer."""
# No `from __future__ import annotations`: the annotations are read as objects.

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from llmcli.settings.answer import GateSettings, LoopSettings, RepairSettings
from llmcli.settings.conversation import ContextSettings, SessionSettings
from llmcli.settings.flag import PROMPT
from llmcli.settings.general import GeneralSettings
from llmcli.settings.input import InputSettings
from llmcli.settings.money import MoneySettings
from llmcli.settings.network import NetworkSettings
from llmcli.settings.output import OutputSettings
from llmcli.settings.request import RequestSettings

if TYPE_CHECKING:
    from llmcli.app import App


@dataclass(frozen=True)
class AskSettings:
    """What ask can be told."""

    input: InputSettings
    request: RequestSettings
    output: OutputSettings
    repair: RepairSettings
    gate: GateSettings
    loop: LoopSettings
    network: NetworkSettings
    money: MoneySettings
    session: SessionSettings
    context: ContextSettings
    general: GeneralSettings
    prompt: Annotated[list[str] | None, PROMPT] = None

    @property
    def passing(self) -> tuple[str, ...]:
        """The labels that the gate lets through. Raises UsageError for one that is no label."""
        return self.gate.passing(self.request.labels)

    def check(self) -> None:
        """Raise UsageError where flags exclude each other."""
        _ = self.passing


def ask(app: "App", settings: AskSettings) -> int:
    """Ask once and print the answer.

    The prompt is PROMPT, files and piped stdin. Exit 0 means a complete answer.
    """
    from llmcli.exchange.asked import built

    output, gate, sends = settings.output, settings.passing, not settings.output.unsent
    if settings.session.wanted or settings.context.wanted:
        from llmcli.chat.assembly import kept_session

        with kept_session(app, settings, only_read=output.unsent) as session:
            completion = session.ask(*built(app, session.settings, stream=output.streams, sends=sends))
    else:
        from llmcli.exchange.client import ask_once

        completion = ask_once(app, *built(app, settings, stream=output.streams, sends=sends), settings)
    if completion is not None:
        from llmcli.exchange.chosen import check_gate

        check_gate(app, gate, completion)
    return 0
