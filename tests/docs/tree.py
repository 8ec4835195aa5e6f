"""The program's own command tree, as what is generated from it needs it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin

from llmcli.cli.parse import COMMANDS, command_of
from llmcli.errors import ExitCode
from llmcli.guide import TOPICS
from llmcli.registry.providers import provider_names

Kind = Literal["flag", "choice", "file", "directory", "text"]


@dataclass(frozen=True)
class Flag:
    """One option: all its names, and what its value is."""

    names: tuple[str, ...]
    help: str
    kind: Kind
    metavar: str
    choices: tuple[str, ...] = ()
    at_file: bool = False  # a text, or @FILE
    repeatable: bool = False
    panel: str = "General"
    bounds: str = ""  # of a number, in words

    @property
    def long(self) -> list[str]:
        return [name for name in self.names if name.startswith("--")]


@dataclass(frozen=True)
class Command:
    """One command: its flags, and what its argument is: the name of a file, one of some words, or any text."""

    name: str
    summary: str
    flags: tuple[Flag, ...]
    takes_files: bool
    words: tuple[str, ...] = ()


ROOT = (
    Flag(("--version", "-V"), "Show the version and exit.", "flag", ""),
    Flag(("--help", "-h"), "Show this and exit.", "flag", ""),
    Flag(("--help-all",), "Show all options and exit.", "flag", ""),
)


@cache
def commands() -> tuple[Command, ...]:
    return tuple(_command(name) for name in COMMANDS)


def _command(name: str) -> Command:
    command = command_of(name)
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    summary = " ".join(command.help.split()).partition(". ")[0].rstrip(".")
    files = any(_words(argument.metavar) & {"FILE", "INPUT", "PATH"} for argument in arguments)
    words = TOPICS if any(argument.metavar == "TOPIC" for argument in arguments) else ()
    return Command(
        name, summary, tuple(_flag(option) for option in options if not option.hidden), files, words
    )


def _flag(option: Any) -> Flag:
    names = (*option.opts, *option.secondary_opts)
    metavar = option.metavar or option.name.upper()
    bounds = [getattr(option, name, None) for name in ("min", "max")]
    return Flag(
        names,
        " ".join((option.help or "").split()),
        _kind(option),
        metavar,
        _choices(option),
        at_file="@FILE" in metavar,
        repeatable=option.multiple,
        panel=option.rich_help_panel or "General",
        bounds=_bounds(*bounds),
    )


def _bounds(low: float | None, high: float | None) -> str:
    if high is None:
        return "" if low is None else f"at least {low:g}"
    return f"{low:g} to {high:g}"


def _kind(option: Any) -> Kind:
    words = _words(option.metavar)
    if option.is_flag:
        return "flag"
    if _choices(option):
        return "choice"
    if "DIR" in words:
        return "directory"
    return "file" if words & {"FILE", "PATH"} and "@FILE" not in option.metavar else "text"


def _words(metavar: str | None) -> set[str]:
    return set(re.findall(r"@?\w+(?:\.\w+)?", metavar or ""))


def _choices(option: Any) -> tuple[str, ...]:
    if option.name in {"model", "fallback"}:
        return (
            "offline/echo",
            "offline/flaky",
            *(f"{name}/" for name in provider_names() if name != "offline"),
        )
    if option.name == "ok":
        return tuple(code.label.replace(" ", "-") for code in ExitCode if code)
    return _literals(option.type_descriptor.annotation)


def _literals(annotation: Any) -> tuple[str, ...]:
    if get_origin(annotation) is Literal:
        return tuple(map(str, get_args(annotation)))
    return next((found for inner in get_args(annotation) if (found := _literals(inner))), ())
