"""`llmcli serve`: our answers, for other programs."""
# No `from __future__ import annotations`: the annotations are read as objects.

from typing import TYPE_CHECKING

from llmcli.lean.annotated import Annotated
from llmcli.lean.dataclass import dataclass
from llmcli.settings.answer import RepairSettings
from llmcli.settings.commands.serving import ServingSettings
from llmcli.settings.flag import Argument
from llmcli.settings.general import GeneralSettings
from llmcli.settings.money import MoneySettings
from llmcli.settings.network import NetworkSettings
from llmcli.settings.request import RequestSettings

if TYPE_CHECKING:
    from llmcli.app import App


@dataclass(frozen=True)
class ServeSettings:
    """What serve can be told."""

    serving: ServingSettings
    request: RequestSettings
    repair: RepairSettings
    network: NetworkSettings
    money: MoneySettings
    general: GeneralSettings
    command: Annotated[list[str] | None, Argument("-- COMMAND", "Run it, and end with it.")] = None


def serve(app: "App", settings: ServeSettings) -> int:
    """Answer other programs, in OpenAI's words: rehearsed, recorded, replayed, capped.

    With -- COMMAND its clients are told where; without it, the base URL is printed.
    """
    from llmcli.serving.program import service_of

    service = service_of(app, settings, settings.command or [])
    return app.drive(service.run(), settings.network.deadline, fast=True)
