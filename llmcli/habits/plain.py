"""Plain words to values, as the parser would make them: its own way of that takes as long as half a start."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from llmcli.habits.line import Typed
from llmcli.settings.flag import MOST, Argument, Flag

_NUMBER = {int: re.compile(r"-?\d{1,15}", re.ASCII), float: re.compile(r"-?\d{1,15}(\.\d{1,15})?", re.ASCII)}

Marked = tuple[Field[Any], Any, Flag | Argument]  # see flags_of
Given = Mapping[str, list[Any]]  # by field: the words that it was given; True and False where it is a switch


class NotPlainError(Exception):
    """Something takes a closer look, or is wrong."""


def given_in(found: Typed, marks: Sequence[Marked]) -> Given:
    """What a line gives the fields of its command. Raises NotPlainError, for `--help` too."""
    given: dict[str, list[Any]] = {}
    for use in found.uses:
        option = use.option
        if option.switch is not (use.value is None) or option.name in {"help", "help_all"}:
            raise NotPlainError
        given.setdefault(option.name, []).append(use.value if use.value is not None else not option.negated)
    if words := found.words:
        taken = [(item.name, kind) for item, kind, mark in marks if isinstance(mark, Argument)]
        if not taken or (len(words) > 1 and not _is_list(_bare(taken[0][1]))):
            raise NotPlainError
        given[taken[0][0]] = words
    return given


def value_of(mark: Marked, given: Given, under: Mapping[str, Any]) -> Any:
    """The value of a field: what was typed, else what stands under the flags, else its default.

    Raises NotPlainError.
    """
    item, kind, flag = mark
    kind = _bare(kind)
    if item.name in given:
        word = given[item.name] if _is_list(kind) else given[item.name][-1]
    elif item.name in under:
        word = under[item.name]
    else:
        return item.default if item.default_factory is MISSING else item.default_factory()
    low, high, finite = (flag.low, flag.high, flag.finite) if isinstance(flag, Flag) else (None, None, False)
    value = value_of_word(kind, word, low, high)
    if value is None or (finite and value > MOST):
        raise NotPlainError
    return value


def _bare(kind: Any) -> Any:
    """A type without `| None`."""
    inner = [part for part in get_args(kind) if part is not NoneType]
    return inner[0] if NoneType in get_args(kind) else kind


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is list


def value_of_word(kind: Any, value: Any, low: float | None, high: float | None) -> Any:
    """The value of a word, or of a list of them, None where that takes a closer look."""
    if _is_list(kind):
        (inner,) = get_args(kind)
        found = (
            [value_of_word(inner, item, low, high) for item in value]
            if isinstance(value, list | tuple)
            else [None]
        )
        return None if None in found else found
    if kind is str:
        return value if isinstance(value, str) else None
    if kind is bool:
        return value if isinstance(value, bool) else None
    if get_origin(kind) is Literal:
        return value if isinstance(value, str) and value in get_args(kind) else None
    if kind not in _NUMBER or not (type(value) is kind or _NUMBER[kind].fullmatch(str(value))):
        return None
    number = kind(value)
    within = (low is None or low <= number) and (high is None or number <= high)
    return number if within else None
