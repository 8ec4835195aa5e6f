"""One command line: what is known while it is parsed, what it comes to, and whose options its words can be."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, fields
from typing import Any

from llmcli.config import Config
from llmcli.defaults import Defaults, defaults_under
from llmcli.errors import ExitCode, UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.settings.flag import Argument, Flag, Option, flags_of, options_of, subjects

COMMANDS = ("ask", "chat", "batch", "count", "models", "report", "serve", "doctor", "completion", "help")

_KNOWN: dict[str, Mapping[str, Option]] = {}  # of each command that was asked for

Story = Callable[[Any, Any], int]  # of an App and a command's settings: the exit code


@dataclass
class Line:
    """One command line while it is parsed; `accepted` holds from where `--ok` was read, for later errors too.

    `show` writes what `--help` and `--version` say; `config` is read when it is first needed.
    """

    show: Callable[[str], None]
    config: Callable[[], Config]
    env: Any
    accepted: frozenset[ExitCode] = frozenset()
    defaults: Defaults | None = None


@dataclass(frozen=True)
class Parsed:
    """A command line that was understood: the command's story, its settings, and where each value is from.

    `typed` are the settings that flags gave; `defaults` what stands under them; `remarks` are for people.
    """

    story: Story
    settings: Any
    defaults: Defaults
    typed: frozenset[str]
    remarks: tuple[str, ...] = ()

    def check(self) -> None:
        """Let each subject, and then the whole, check itself. Raises UsageError."""
        parts = [getattr(self.settings, name) for name, _ in subjects(type(self.settings))]
        for part in [*parts, self.settings]:
            if hasattr(part, "check"):
                part.check()


def story_of(name: str) -> tuple[Story, type[Any]]:
    """A command's story, and its settings class."""
    story = getattr(importlib.import_module(f"llmcli.commands.{name}"), name)
    return story, story.__annotations__["settings"]


def options(name: str) -> Mapping[str, Option]:
    """The options of a command, by each of their names."""
    if name not in _KNOWN:
        _KNOWN[name] = options_of(story_of(name)[1])
    return _KNOWN[name]


def _anywhere(name: str) -> list[Option]:
    """The options of a name in all commands."""
    found = (options(command).get(name) for command in COMMANDS)
    return [option for option in found if option is not None]


def marks_of(settings: type[Any]) -> Iterator[tuple[Field[Any], Any, Flag | Argument]]:
    """(field, its type, its Flag or Argument) of a command's own settings and of each of its subjects."""
    for part in (settings, *(subject for _, subject in subjects(settings))):
        yield from flags_of(part)


def stand_on(line: Line, command: str, profile: str | None) -> Defaults:
    """What stands under a command's flags, `--profile` read; the line has it from then on.

    Raises UsageError, ConfigError.
    """
    name = profile or line.env.get("LLMCLI_PROFILE") or None
    line.defaults = defaults_under(line.config(), line.env, name, options(command), _anywhere)
    return line.defaults


def parsed_of(name: str, values: dict[str, Any], line: Line, typed: frozenset[str]) -> Parsed:
    """A line of the command `name`, with the values of all its flags; `typed` are those that the line gave.

    Raises UsageError, ConfigError for a flag with nothing in it, which a variable that is not set leaves behind.
    """
    story, settings = story_of(name)
    defaults = line.defaults or Defaults(Config(), {})  # a command without --profile stands on nothing
    if (empty := _empty(settings, values)) is not None:
        error = UsageError("is empty", todo="give it a value, or leave it out", flag=empty)
        raise defaults.blamed(error, typed)
    return Parsed(story, _made(settings, values), defaults, typed)


def _empty(settings: type[Any], values: dict[str, Any]) -> str | None:
    """The flag that is empty, None where none is."""
    empty = {
        name for name, value in values.items() if value == "" or (isinstance(value, list) and "" in value)
    }
    for item, _, mark in marks_of(settings) if empty else ():
        if item.name in empty and isinstance(mark, Flag) and not mark.blank:
            return mark.names[0]
    return None


def _made(settings: type[Any], values: dict[str, Any]) -> Any:
    """A command's settings of the values of all its flags."""
    parts = {
        name: subject(**{item.name: values[item.name] for item in fields(subject)})
        for name, subject in subjects(settings)
    }
    return settings(**parts, **{item.name: values[item.name] for item, _, _ in flags_of(settings)})
