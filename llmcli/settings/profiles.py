"""A profile of the config file: which of its keys a command takes, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from llmcli.settings.flag import Option


class Value(NamedTuple):
    """A value, and the key that it stands under."""

    key: str
    value: Any


class ProfileError(Exception):
    """What is wrong with the value of a key."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(problem)
        self.key = key


def taken(
    profile: Mapping[str, Any], here: Mapping[str, Option], anywhere: Callable[[str], Sequence[Option]]
) -> dict[str, Value]:
    """The values for a command, by the name of its option. `here` are its options, `anywhere` those of all commands.

    Raises ProfileError for a key that no command has, and for a value that cannot be meant.
    """
    found: dict[str, Value] = {}
    for key, value in profile.items():
        name = "--" + key.replace("_", "-")
        option = here.get(name)
        if option is None:
            if not anywhere(name):
                raise ProfileError(key, "is no long option of any command")
            continue
        if option.choices and value not in option.choices and _is_chosen(value, anywhere(name)):
            continue  # for another command
        if problem := _misfit(option, value):
            raise ProfileError(key, problem)
        said = [value] if option.repeatable and not isinstance(value, list) else value
        found[option.name] = Value(key, not said if option.negated else said)
    return found


def _is_chosen(value: Any, others: Sequence[Option]) -> bool:
    return any(value in other.choices for other in others)


def _misfit(option: Option, value: Any) -> str | None:
    """What is wrong with a value, where it would be taken for something that it is not."""
    if option.name in {"profile", "help", "help_all"}:
        return "has no place in a profile"
    if option.switch:
        return None if isinstance(value, bool) else "must be true or false"
    values = value if option.repeatable and isinstance(value, list) else [value]
    if any(isinstance(item, bool) or not isinstance(item, str | int | float) for item in values):
        return "must be text or a number" + (", or a list of them" if option.repeatable else "")
    return None
