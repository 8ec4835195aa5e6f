"""`llmcli ask`: one request, one answer."""
# No `from __future__ import annotations`: the annotations are read as objects.

from typing import TYPE_CHECKING

from llmcli.lean.annotated import Annotated
from llmcli.lean.dataclass import dataclass
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
    from llmcli.exchange.asked import ServesTools
    from llmcli.wire import Completion


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
    from llmcli.exchange.tools.opening import served

    gate = settings.passing
    with served(app, settings, reads=settings.output.unsent) as servers:
        completion = _completion(app, settings, servers)
    if completion is not None:
        from llmcli.exchange.chosen import check_gate

        check_gate(app, gate, completion)
    return 0


def _completion(app: "App", settings: AskSettings, servers: "ServesTools | None") -> "Completion | None":
    """The answer; None where the request was only to be shown."""
    from llmcli.exchange.asked import built

    output, sends = settings.output, not settings.output.unsent
    if settings.session.wanted or settings.context.wanted:
        from llmcli.chat.assembly import kept_session

        with kept_session(app, settings, only_read=output.unsent) as session:
            return session.ask(*built(app, session.settings, servers, stream=output.streams, sends=sends))
    from llmcli.exchange.client import ask_once

    return ask_once(app, *built(app, settings, servers, stream=output.streams, sends=sends), settings)
