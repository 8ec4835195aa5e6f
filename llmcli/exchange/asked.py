"""What an exchange has to know of a command's settings."""

from __future__ import annotations

from typing import Protocol

from llmcli.settings.answer import LoopSettings, RepairSettings
from llmcli.settings.input import InputSettings
from llmcli.settings.money import MoneySettings
from llmcli.settings.network import NetworkSettings
from llmcli.settings.output import OutputSettings
from llmcli.settings.request import RequestSettings


class Paid(Protocol):
    """Where requests go, how often, and for how much."""

    @property
    def repair(self) -> RepairSettings:
        """Repairs."""

    @property
    def network(self) -> NetworkSettings:
        """Timeouts and retries."""

    @property
    def money(self) -> MoneySettings:
        """Budgets, cache, recordings, fallbacks."""


class Rowed(Protocol):
    """What is asked, and of whom."""

    @property
    def input(self) -> InputSettings:
        """Where the messages come from."""

    @property
    def request(self) -> RequestSettings:
        """The model and its parameters."""


class Asked(Paid, Rowed, Protocol):
    """And how its answer is shown."""

    @property
    def loop(self) -> LoopSettings:
        """Tools that run."""

    @property
    def output(self) -> OutputSettings:
        """The form of what is shown."""
