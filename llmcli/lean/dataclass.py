"""`@dataclass` whose methods cost nothing until one is called.

The standard library looks through the fields of each class, and compiles up to six methods of it, as its module is
imported, 0.6 ms a class: a quarter of a start. Here it looks as the fields are first asked for. Five of the methods
are functions that all classes share, and `__init__` is compiled when a class has many instances. What `dataclasses`
offers beside (`field`, `fields`, `replace`, `asdict`) works on these classes as on its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, FrozenInstanceError, field, fields
from functools import partial
from itertools import count
from operator import attrgetter
from reprlib import recursive_repr
from threading import RLock
from typing import TYPE_CHECKING, Any

_FEW = 3  # instances: to compile what makes them takes longer
_ONE_AT_A_TIME = RLock()
_FIELD: Any = dataclasses._FIELD  # type: ignore[attr-defined] # noqa: SLF001 - see _fields_of

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - type checkers know what it makes
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False, eq=True):  # noqa: ANN001, ANN201 - as above
        """`dataclasses.dataclass`, with those of its parameters that we use."""
        if cls is None:
            return partial(dataclass, frozen=frozen, slots=slots, eq=eq)
        made = _slotted(cls) if slots else cls
        with_fields(made, cls)
        for name, method in _methods(made, frozen=frozen, slots=slots, eq=eq).items():
            if name not in made.__dict__:  # else the class has its own
                setattr(made, name, method)
        return made


def with_fields(made: Any, plain: type[Any] | None = None) -> Any:
    """A class whose fields are found where somebody asks for them; `plain`: the class without slots."""
    for name in ("__dataclass_fields__", "__match_args__"):
        setattr(made, name, _Found(name, made, plain or made))
    return made


class _Found:
    """The fields of a class, or the names that a pattern may leave out, once somebody asks for them."""

    def __init__(self, name: str, made: Any, plain: type[Any]) -> None:
        self._name, self._made, self._plain = name, made, plain

    def __get__(self, _instance: Any, _owner: Any = None) -> Any:
        with _ONE_AT_A_TIME:
            if self._made.__dict__[self._name] is self:
                found = _fields_of(self._plain)
                taken = tuple(item.name for item in found.values() if item.init and not item.kw_only)
                self._made.__match_args__ = taken  # type: ignore[misc]
                self._made.__dataclass_fields__ = found  # the last, since others look whether it is there
        return self._made.__dict__[self._name]


def _fields_of(cls: Any) -> dict[str, Field[Any]]:
    """The fields as the standard library finds them, which looks for more than we use, and takes five times as long."""
    found: dict[str, Field[Any]] = {}
    for base in reversed(cls.__mro__[1:]):
        found |= getattr(base, "__dataclass_fields__", {})
    for name in _names_of(cls):
        default = cls.__dict__.get(name, MISSING)
        item: Any = default if isinstance(default, Field) else field(default=default)
        if item.default.__class__.__hash__ is None:
            raise ValueError(f"{name} has a mutable default {type(item.default)}: give it a default_factory")
        item.name, item.type, item.kw_only = name, cls.__annotations__[name], item.kw_only is True
        item._field_type = _FIELD  # noqa: SLF001 - by which `fields` knows it
        if item is default and item.default is MISSING:
            delattr(cls, name)
        elif item is default:
            setattr(cls, name, item.default)
        found[name] = item
    return found


def _names_of(cls: Any) -> list[str]:
    return [name for name, kind in cls.__annotations__.items() if "ClassVar" not in str(kind)]


def _slotted(cls: Any) -> Any:
    """The class with a slot for each of its fields that no base has one for."""
    bases = cls.__mro__[1:-1]
    taken = {name for base in bases for name in base.__dict__.get("__slots__", ())}
    of_bases = [item.name for base in bases if dataclasses.is_dataclass(base) for item in fields(base)]
    own = _names_of(cls)
    body = {
        name: value for name, value in cls.__dict__.items() if name not in {*own, "__dict__", "__weakref__"}
    }
    body["__slots__"] = tuple(name for name in dict.fromkeys([*of_bases, *own]) if name not in taken)
    made = type(cls)(cls.__name__, cls.__bases__, body)
    made.__qualname__ = cls.__qualname__
    return made


def _methods(cls: type[Any], *, frozen: bool, slots: bool, eq: bool) -> dict[str, Any]:
    methods: dict[str, Any] = {"__init__": _first_init(cls, frozen=frozen), "__repr__": _repr}
    if eq:
        methods["__eq__"] = _first_eq(cls)
        methods["__hash__"] = _first_hash(cls) if frozen else None
    if frozen:
        methods |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
    if frozen and slots:  # what unpickles otherwise sets attributes
        methods |= {"__getstate__": _state, "__setstate__": _set_state}
    return methods


def _first_init(cls: type[Any], *, frozen: bool) -> Any:
    """An `__init__` that, after a few instances, gives its place to one that is compiled for the fields of `cls`."""
    numbers = count(1)

    def __init__(self: Any, *values: Any, **named: Any) -> None:  # noqa: N807 - it is one
        found = _values(fields(cls), values, named) if next(numbers) <= _FEW else None
        if found is None:
            init = cls.__init__ = _compiled_init(cls, frozen=frozen)
            init(self, *values, **named)
            return
        for name, value in found.items():
            object.__setattr__(self, name, value)
        if hasattr(cls, "__post_init__"):
            self.__post_init__()

    return __init__


def _values(
    items: Sequence[Field[Any]], values: Sequence[Any], named: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The first value of each field, by its name; None where what was given does not fit."""
    taken = [item.name for item in items if item.init and not item.kw_only]
    given = {**dict(zip(taken, values, strict=False)), **named}
    if len(values) > len(taken) or len(given) < len(values) + len(named):
        return None
    found: dict[str, Any] = {}
    for item in items:
        if item.init and item.name in given:
            found[item.name] = given.pop(item.name)
        elif item.default is not MISSING:
            found[item.name] = item.default
        elif item.default_factory is not MISSING:
            found[item.name] = item.default_factory()
        elif item.init:
            return None
    return None if given else found


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


def _first_eq(cls: Any) -> Any:
    """An `__eq__` that gives its place to the one for the fields of `cls`."""

    def __eq__(self: Any, other: object) -> Any:  # noqa: N807 - it is one
        cls.__eq__ = _eq_by(_key_of(cls))
        return cls.__eq__(self, other)

    return __eq__


def _eq_by(key: Any) -> Any:
    def __eq__(self: Any, other: object) -> Any:  # noqa: N807 - it is one
        return key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

    return __eq__


def _first_hash(cls: Any) -> Any:
    """A `__hash__` that does so, too."""

    def __hash__(self: Any) -> int:  # noqa: N807 - it is one
        key = _key_of(cls)
        cls.__hash__ = lambda self: hash(key(self))
        return hash(key(self))

    return __hash__


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
