"""Words to values where that is plain: typer has pydantic do it, whose import takes as long as half a start."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin

_NUMBER = {int: re.compile(r"-?\d{1,15}", re.ASCII), float: re.compile(r"-?\d{1,15}(\.\d{1,15})?", re.ASCII)}


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
        kind = param.type_descriptor.annotation
        if get_origin(kind) is list:
            (inner,) = get_args(kind)
            found = (
                [_plain(inner, item, param) for item in value] if isinstance(value, list | tuple) else [None]
            )
            plain = None if None in found else found
        else:
            plain = _plain(kind, value, param)
        return self._ask().coerce(value, param=param, ctx=ctx) if plain is None else plain


def _plain(kind: Any, value: Any, param: Any) -> Any:
    """The value, None where that takes a closer look."""
    if kind is str:
        return value if isinstance(value, str) else None
    if get_origin(kind) is Literal:
        return value if isinstance(value, str) and value in get_args(kind) else None
    if kind not in _NUMBER or not (type(value) is kind or _NUMBER[kind].fullmatch(str(value))):
        return None
    number = kind(value)
    within = (param.min is None or param.min <= number) and (param.max is None or number <= param.max)
    return number if within else None
