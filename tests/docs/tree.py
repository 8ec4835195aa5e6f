"""The program's own command tree, as what is generated from it needs it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin

from llmcli.cli.line import COMMANDS
from llmcli.cli.parse import command_of
from llmcli.errors import ExitCode
from llmcli.guide import TOPICS
from llmcli.registry.models import search_models
from llmcli.registry.providers import default_provider, provider_names

Kind = Literal["flag", "choice", "list", "model", "session", "file", "directory", "text"]

# Values of options that take other ones, too.
VALUES = {
    "reasoning_effort": ("none", "minimal", "low", "medium", "high", "xhigh", "max"),
    "verbosity": ("low", "medium", "high"),
    "service_tier": ("auto", "default", "flex", "priority"),
    "modalities": ("text", "audio"),
    "tool_choice": ("auto", "none", "required"),
    "concurrency": ("auto",),
    "keep": ("all",),
}
LISTS = {"ok", "modalities"}  # their values are joined by commas
MODELS = {"model", "fallback", "summary_model"}
SHELLS = ("bash", "zsh", "fish")


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
    takes_models: bool = False


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
    files = any(_words(argument.metavar) & {"FILE", "INPUT", "PATH", "OUT"} for argument in arguments)
    metavars = {argument.metavar for argument in arguments}
    words = TOPICS if "TOPIC" in metavars else SHELLS if "SHELL" in metavars else ()
    flags = tuple(_flag(option) for option in options if not option.hidden)
    return Command(name, summary, flags, files, words, takes_models="PATTERN" in metavars)


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
    if option.name in MODELS:
        return "model"
    if option.name == "session":
        return "session"
    if _choices(option):
        return "list" if option.name in LISTS else "choice"
    if "DIR" in words:
        return "directory"
    return "file" if words & {"FILE", "PATH", "OUT"} and "@FILE" not in option.metavar else "text"


def _words(metavar: str | None) -> set[str]:
    return set(re.findall(r"@?\w+(?:\.\w+)?", metavar or ""))


def _choices(option: Any) -> tuple[str, ...]:
    if option.name == "ok":
        return tuple(code.label.replace(" ", "-") for code in ExitCode if code)
    return VALUES.get(option.name) or _literals(option.type_descriptor.annotation)


@cache
def models() -> dict[str, tuple[str, ...]]:
    """The names of models by provider, "" being those that are typed without one; and every provider with its slash."""
    home, found = default_provider().name, dict[str, list[str]]()
    for model in search_models(None):
        if ":" not in model.name and model.shutdown is None:  # a shell breaks a word at a colon
            found.setdefault(model.provider, []).append(f"{model.provider}/{model.name}")
    bare = [name.removeprefix(f"{home}/") for name in found.get(home, []) if name.count("/") == 1]
    top = (*bare, *found.pop("offline"), *(f"{name}/" for name in provider_names() if name != "offline"))
    return {"": top, **{name: tuple(names) for name, names in found.items()}}


def _literals(annotation: Any) -> tuple[str, ...]:
    if get_origin(annotation) is Literal:
        return tuple(map(str, get_args(annotation)))
    return next((found for inner in get_args(annotation) if (found := _literals(inner))), ())
