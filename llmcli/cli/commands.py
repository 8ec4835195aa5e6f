"""The commands by name; the module of one is imported when that one is asked for."""

from __future__ import annotations

import importlib
from typing import Any

from typer import Typer
from typer.core import TyperGroup
from typer.main import get_command

from llmcli.cli.groups import GroupedCommand

COMMANDS = ("ask", "chat", "batch", "count", "models")


class LazyGroup(TyperGroup):
    """A group of the commands in COMMANDS: the module of one is imported when that one is asked for."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[assignment] # the names alone: typer guesses from them

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """The names, in their order."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer's signature
        """The command of a name, None where there is none."""
        return command_of(cmd_name) if cmd_name in COMMANDS else None


def command_of(name: str) -> Any:
    """One command, as click has it."""
    app = Typer(add_completion=False, rich_markup_mode=None)
    function = getattr(importlib.import_module(f"llmcli.cli.{name}"), name)
    settings: dict[str, Any] = {"help_option_names": []}
    app.command(name, cls=GroupedCommand, context_settings=settings, add_help_option=False)(function)
    return get_command(app)
