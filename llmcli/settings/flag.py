"""A flag as data, and the decorator that makes a settings class of fields that carry one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import Field, dataclass, fields, is_dataclass
from typing import Any, TypeVar, dataclass_transform, get_args

Settings = TypeVar("Settings")

MOST = 1e9  # of a time in seconds, a rate or a sum: no clock and no purse holds more


@dataclass(frozen=True)
class Flag:
    """A flag of the command line. The field that carries it has its type, its choices (a Literal) and its default.

    `names`: as they are typed, the long one first; `help` says the default in words. `panel`: where it stands in
    the help, else that of its class. `low`, `high`: bounds of a number, both included; `finite`: at most MOST.
    `api`: it is a parameter of the API that is sent under the field's own name, as it is.
    """

    names: tuple[str, ...]
    help: str
    panel: str | None = None
    metavar: str | None = None
    low: float | None = None
    high: float | None = None
    finite: bool = False
    api: bool = False
    hidden: bool = False


@dataclass(frozen=True)
class Argument:
    """A word of the command line that no flag stands before."""

    metavar: str
    help: str


PROMPT = Argument("PROMPT", "The prompt; words are joined with a space. - reads stdin.")


def flag(*names: str, help: str, **more: Any) -> Flag:  # noqa: A002 - the word that every parser has
    """A Flag of these names."""
    return Flag(names, help, **more)


@dataclass_transform(frozen_default=True)
def settings(panel: str) -> Callable[[type[Settings]], type[Settings]]:
    """A subject: a frozen dataclass of flags, which stand under `panel` in the help."""

    def made(cls: type[Settings]) -> type[Settings]:
        frozen = dataclass(frozen=True)(cls)
        frozen.panel = panel  # type: ignore[attr-defined]
        return frozen

    return made


def subjects(command: type[Any]) -> Iterator[tuple[str, type[Any]]]:
    """(field, class) of each subject of a command's settings, in their order."""
    for item in fields(command):
        if isinstance(item.type, type) and is_dataclass(item.type):
            yield item.name, item.type


def flags_of(subject: type[Any]) -> Iterator[tuple[Field[Any], Any, Flag | Argument]]:
    """(field, its type, its Flag or Argument) of each field of a settings class that carries one."""
    for item in fields(subject):
        kind, *marks = get_args(item.type) or (item.type,)
        for mark in marks:
            if isinstance(mark, Flag | Argument):
                yield item, kind, mark
