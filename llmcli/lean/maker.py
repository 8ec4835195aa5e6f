"""`maker`: what makes instances of a dataclass in half the steps that calling the class takes.

For classes that have instances for each row of a batch: until Python 3.13 an `__init__` is called by way of C.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


def maker(cls: Callable[_P, _T]) -> Callable[_P, _T]:
    """A function that takes what the class takes, whose fields all have a place in its `__init__`."""
    scope: dict[str, Any] = {"_new": object.__new__, "_cls": cls, "_unset": object()}
    taken, stored = [], []
    for item in fields(cls):  # type: ignore[arg-type] # it is a class
        name = value = item.name
        scope[f"_{name}"] = item.default
        if item.default_factory is not MISSING:
            scope[f"_{name}"] = item.default_factory
            value = f"_{name}() if {name} is _unset else {name}"
            taken.append(f"{name}=_unset")
        else:
            taken.append(name if item.default is MISSING else f"{name}=_{name}")
        stored.append(f" self.{name} = {value}")
    lines = [f"def made({', '.join(taken)}):", " self = _new(_cls)", *stored, " return self"]
    exec("\n".join(lines), scope)  # noqa: S102 - of names alone
    made: Callable[_P, _T] = scope["made"]
    return made
