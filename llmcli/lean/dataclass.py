"""`@dataclass` whose methods cost nothing until one is called.

The standard library compiles up to six methods of each class as its module is imported, 0.5 ms a class: a quarter of
a start. Here five of them are functions that all classes share, and `__init__` is compiled as the first instance is
made. What `dataclasses` offers beside (`field`, `fields`, `replace`, `asdict`) works on these classes as on its own.
"""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from functools import partial
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - type checkers know what it makes
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False, eq=True):  # noqa: ANN001, ANN201 - as above
        """`dataclasses.dataclass`, with those of its parameters that we use."""
        if cls is None:
            return partial(dataclass, frozen=frozen, slots=slots, eq=eq)
        made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
        for name, method in _methods(made, frozen=frozen, slots=slots, eq=eq).items():
            if name not in made.__dict__:  # else the class has its own
                setattr(made, name, method)
        return made


def _methods(cls: type[Any], *, frozen: bool, slots: bool, eq: bool) -> dict[str, Any]:
    methods: dict[str, Any] = {"__init__": _first_init(cls, frozen=frozen), "__repr__": _repr}
    if eq:
        key = _key_of(cls)
        methods["__eq__"] = _eq_by(key)
        methods["__hash__"] = (lambda self: hash(key(self))) if frozen else None
    if frozen:
        methods |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
    if frozen and slots:  # what unpickles otherwise sets attributes
        methods |= {"__getstate__": _state, "__setstate__": _set_state}
    return methods


def _first_init(cls: type[Any], *, frozen: bool) -> Any:
    """An `__init__` that takes the place of itself by the one that is compiled for the fields of `cls`."""

    def __init__(self: Any, *values: Any, **named: Any) -> None:  # noqa: N807 - it is one
        init = cls.__init__ = _compiled_init(cls, frozen=frozen)
        init(self, *values, **named)

    return __init__


def _compiled_init(cls: type[Any], *, frozen: bool) -> Any:
    """`__init__(self, first, second=_second, *, third=_unset)`; `_unset` stands where a default is made."""
    scope: dict[str, Any] = {"_unset": object(), "_set": object.__setattr__}
    taken, named, body = list[str](), list[str](), list[str]()
    for item in fields(cls):
        scope[f"_{item.name}"] = item.default if item.default_factory is MISSING else item.default_factory
        if item.init:
            (named if item.kw_only else taken).append(_parameter(item))
        if (value := _value(item)) is not None:
            body.append(f"_set(self, {item.name!r}, {value})" if frozen else f"self.{item.name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    parameters = ", ".join(["self", *taken, *(["*", *named] if named else [])])
    exec(f"def __init__({parameters}):\n " + "\n ".join(body or ["pass"]), scope)  # noqa: S102 - of names alone
    init = scope["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


def _parameter(item: Field[Any]) -> str:
    if item.default_factory is not MISSING:
        return f"{item.name}=_unset"
    return item.name if item.default is MISSING else f"{item.name}=_{item.name}"


def _value(item: Field[Any]) -> str | None:
    """The expression of a field's first value, None where it has none."""
    if item.default_factory is not MISSING:
        made = f"_{item.name}()"
        return f"{made} if {item.name} is _unset else {item.name}" if item.init else made
    if item.init:
        return item.name
    return None if item.default is MISSING else f"_{item.name}"


def _key_of(cls: type[Any]) -> Any:
    """What gives of an instance what is compared: a value or a tuple of them."""
    names = [item.name for item in fields(cls) if item.compare]
    return attrgetter(*names) if names else lambda _: ()


def _eq_by(key: Any) -> Any:
    def __eq__(self: Any, other: object) -> Any:  # noqa: N807 - it is one
        return key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

    return __eq__


@recursive_repr()
def _repr(self: Any) -> str:
    shown = ", ".join(f"{item.name}={getattr(self, item.name)!r}" for item in fields(self) if item.repr)
    return f"{self.__class__.__qualname__}({shown})"


def _refuse_to_set(_self: Any, name: str, _value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, item.name) for item in fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for item, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, item.name, value)
