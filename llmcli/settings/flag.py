"""A flag as data, and the decorator that makes a settings class of fields that carry one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, FrozenInstanceError, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, dataclass_transform, get_args, get_origin

from llmcli.lean.annotated import parts_of
from llmcli.lean.dataclass import dataclass, with_fields

Settings = TypeVar("Settings")

MOST = 1e9  # of a time in seconds, a rate or a sum: no clock and no purse holds more


@dataclass(frozen=True)
class Flag:
    """A flag of the command line. The field that carries it has its type, its choices (a Literal) and its default.

    `names`: as they are typed, the long one first; `help` says the default in words. `panel`: where it stands in
    the help, else that of its class. `low`, `high`: bounds of a number, both included; `finite`: at most MOST.
    `blank`: a text with nothing in it means something. `api`: it is a parameter of the API that is sent under the
    field's own name, as it is. `header`: it is sent as the header of this name. `everyday`: `--help` shows it also
    where all options do not fit two screens.
    """

    names: tuple[str, ...]
    help: str
    panel: str | None = None
    metavar: str | None = None
    low: float | None = None
    high: float | None = None
    finite: bool = False
    blank: bool = False
    api: bool = False
    header: str | None = None
    hidden: bool = False
    everyday: bool = False


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
    """A subject: a frozen dataclass of flags, which stand under `panel` in the help.

    Its methods are those below: each is made once in a start, with most of its fields as they stand, and to compile
    an `__init__` of so many parameters takes longer.
    """

    def made(cls: type[Settings]) -> type[Settings]:
        subject: Any = with_fields(cls)
        subject.panel = panel
        subject.__init__, subject.__eq__, subject.__hash__ = _filled, _equal, None
        subject.__setattr__ = subject.__delattr__ = _frozen
        return subject  # type: ignore[no-any-return]

    return made


def _filled(self: Any, **values: Any) -> None:
    for item in fields(self):
        default = item.default if item.default_factory is MISSING else item.default_factory()
        self.__dict__[item.name] = values.pop(item.name, default)
    if values:
        raise TypeError(f"{type(self).__name__} has no {', '.join(values)}")


def _equal(self: Any, other: object) -> bool:
    return type(other) is type(self) and other.__dict__ == self.__dict__


def _frozen(self: Any, name: str, *_value: Any) -> None:  # noqa: ARG001 - the signature of __setattr__
    raise FrozenInstanceError(f"{name} is frozen")


def subjects(command: type[Any]) -> Iterator[tuple[str, type[Any]]]:
    """(field, class) of each subject of a command's settings, in their order."""
    for item in fields(command):
        if isinstance(item.type, type) and is_dataclass(item.type):
            yield item.name, item.type


def flags_of(subject: type[Any]) -> Iterator[tuple[Field[Any], Any, Flag | Argument]]:
    """(field, its type, its Flag or Argument) of each field of a settings class that carries one."""
    for item in fields(subject):
        kind, mark = parts_of(item.type)
        if mark is not None:
            yield item, kind, mark


@dataclass(frozen=True)
class Option:
    """What a profile has to know of an option: `switch`: it is true or false; `negated`: by its `--no-` form."""

    name: str
    repeatable: bool
    switch: bool
    choices: tuple[Any, ...] = ()
    negated: bool = False


def options_of(command: type[Any]) -> dict[str, Option]:
    """The options of a command by each of their names."""
    found: dict[str, Option] = {}
    for subject in (command, *(each for _, each in subjects(command))):
        for item, kind, mark in flags_of(subject):
            for names in mark.names if isinstance(mark, Flag) else ():
                for position, name in enumerate(names.split("/")):
                    found[name] = _option(item.name, kind, negated=position > 0)
    return found


def _option(name: str, kind: Any, *, negated: bool) -> Option:
    return Option(name, *_nature(kind), negated)


@cache
def _nature(kind: Any) -> tuple[bool, bool, tuple[Any, ...]]:
    """Whether values of a type are repeatable, whether it is a switch's, and its choices."""
    inner = [part for part in get_args(kind) if part is not type(None)]
    literal = next((part for part in (kind, *inner) if get_origin(part) is Literal), None)
    return get_origin(kind) is list, kind is bool or bool in inner, get_args(literal)
