"""Lines and words that are read without typer and pydantic: their imports take as long as half a start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from llmcli.cli.line import Line, Parsed, marks_of, parsed_of, stand_on, story_of
from llmcli.errors import LlmcliError
from llmcli.habits.line import Typed
from llmcli.habits.plain import NotPlainError, given_in, value_of, value_of_word
from llmcli.settings.general import accepted


def plainly(command: str, found: Typed, line: Line) -> Parsed | None:
    """What a line of a command comes to; None where something in it is not plain: then typer reads all of it.

    Errors are left to typer: it has the words for them, and knows which of several comes first.
    """
    marks = list(marks_of(story_of(command)[1]))
    try:
        given = given_in(found, marks)
        under: Mapping[str, Any] = {}
        if any(item.name == "profile" for item, _, _ in marks):
            under = stand_on(line, command, given.get("profile", [None])[-1]).values
        values = {mark[0].name: value_of(mark, given, under) for mark in marks}
        line.accepted = accepted(values.get("ok", ()))
        return parsed_of(command, values, line, frozenset(given))
    except (LlmcliError, NotPlainError):
        return None


def quicken(parameter: Any) -> None:
    """Let a parameter of typer ask pydantic only where a value is not plain, or wrong: errors keep pydantic's words.

    A typer that has no such method is left as it is.
    """
    if ask := getattr(parameter, "get_runtime_param", None):
        parameter.get_runtime_param = lambda: _Coercion(ask)


class _Coercion:
    """What typer calls for the value of a parameter: `ask` gives the one of its own."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value as the parameter's type has it; see RuntimeParam in typer._coercion."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        plain = value_of_word(param.type_descriptor.annotation, value, param.min, param.max)
        return self._ask().coerce(value, param=param, ctx=ctx) if plain is None else plain
