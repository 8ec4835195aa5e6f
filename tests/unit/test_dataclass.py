"""The house's dataclasses do what those of the standard library do."""

from __future__ import annotations

import ast
import copy
import dataclasses
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, asdict, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

from llmcli.lean.dataclass import dataclass
from tests.trees import tree_of

PACKAGE = Path(__file__).parents[2] / "llmcli"


class Plain:
    """Its own words."""

    name: str
    size: int = 1
    tags: list[str] = field(default_factory=list)
    secret: str = field(default="s", repr=False)
    note: str = field(default="n", compare=False)
    kind: ClassVar[str] = "plain"


class Named:
    first: int
    last: int = field(kw_only=True)
    more: int = field(default=3, kw_only=True)


class Made:
    given: int
    later: int = field(init=False)
    count: int = field(default=0, init=False)
    seen: dict[str, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "later", self.given + 1)


class Empty:
    pass


class Own:
    value: int

    def __repr__(self) -> str:
        return "own"

    def __hash__(self) -> int:
        return 7


class Itself:
    inner: Any = None


CALLS: dict[type, list[tuple[tuple[Any, ...], dict[str, Any]]]] = {
    Plain: [
        (("a",), {}),
        (("a", 2, ["x"]), {"secret": "t"}),
        ((), {"name": "a", "note": "m"}),
        ((), {}),
        (("a",), {"name": "b"}),
        (("a",), {"kind": 1}),
        (("a", 2, [], "s", "n", 6), {}),
    ],
    Named: [((1,), {"last": 2}), ((1, 2), {}), ((1,), {}), ((1,), {"last": 2, "more": 4})],
    Made: [((1,), {}), ((1,), {"later": 2}), ((), {"given": 5})],
    Empty: [((), {}), ((1,), {})],
    Own: [((1,), {}), ((2,), {})],
    Itself: [((), {}), ((1,), {})],
}
OPTIONS = [{}, {"frozen": True}, {"slots": True}, {"frozen": True, "slots": True}, {"eq": False}]


def twins(cls: type, options: dict[str, bool]) -> tuple[Any, Any]:
    """The same class by the standard library and by the house."""
    both = []
    for decorate in (dataclasses.dataclass, dataclass):
        body = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")}
        both.append(decorate(**options)(type(cls.__name__, (), dict(body))))
    return both[0], both[1]


def outcome(does: Any) -> Any:
    try:
        return does()
    except (TypeError, AttributeError) as error:
        return type(error), str(error)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("cls", CALLS)
def test_a_class_is_made_and_shown_and_compared_as_by_the_standard_library(cls, options):
    theirs, ours = twins(cls, options)
    for values, named in CALLS[cls]:
        made = [outcome(partial(kind, *values, **named)) for kind in (theirs, ours)]
        if isinstance(made[0], tuple):
            assert made[1] == made[0]
            continue
        again = [kind(*values, **named) for kind in (theirs, ours)]
        assert asdict(made[1]) == asdict(made[0])
        if cls is not Own and "repr" not in options:
            assert repr(made[1]).rpartition(".")[2] == repr(made[0]).rpartition(".")[2]
        assert (made[1] == again[1]) is (made[0] == again[0])
        assert (made[1] == 1) is False
        assert (ours.__hash__ is None) is (theirs.__hash__ is None)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_replace_goes_through_init(options):
    for cls in (Plain, Named):
        theirs, ours = twins(cls, options)
        values, named = CALLS[cls][0]
        change = {"size": 9} if cls is Plain else {"more": 9, "last": 2}
        both = [asdict(replace(kind(*values, **named), **change)) for kind in (theirs, ours)]
        assert both[1] == both[0]


def test_equal_ones_have_one_hash_and_others_are_told_apart():
    _, ours = twins(Named, {"frozen": True})
    assert hash(ours(1, last=2)) == hash(ours(1, last=2))
    assert len({ours(1, last=2), ours(1, last=2), ours(1, last=3)}) == 2


@pytest.mark.parametrize("slots", [False, True])
def test_what_is_frozen_stays(slots):
    theirs, ours = twins(Named, {"frozen": True, "slots": slots})
    for kind in (theirs, ours):
        made = kind(1, last=2)
        with pytest.raises(FrozenInstanceError, match=r"^cannot assign to field 'first'$"):
            made.first = 3
        with pytest.raises(FrozenInstanceError, match=r"^cannot delete field 'last'$"):
            del made.last
        assert made == kind(1, last=2)


def test_one_that_holds_itself_is_shown():
    _, ours = twins(Itself, {})
    made = ours()
    made.inner = made
    assert repr(made) == "Itself(inner=...)"


@dataclass(frozen=True, slots=True)
class Sent:
    """One that goes to another process."""

    name: str
    size: int = 2


@dataclass
class Larger:
    """One that another is made of."""

    name: str


@dataclass
class Largest(Larger):
    size: int = 3


def test_a_frozen_one_with_slots_is_sent_to_another_process():
    assert pickle.loads(pickle.dumps(Sent("a"))) == copy.copy(Sent("a")) == Sent("a", 2)  # noqa: S301 - ours


def test_one_made_of_another_has_the_fields_of_both():
    assert repr(Largest("a")) == "Largest(name='a', size=3)"
    assert Largest("a") != Larger("a")
    assert Larger("a").name == "a"


def test_each_class_is_made_by_the_house():
    theirs = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.module == "dataclasses"
        if any(alias.name == "dataclass" for alias in node.names)
    ]
    assert theirs == ["lean/dataclass.py"], "import dataclass from llmcli.lean.dataclass"


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_an_instance_is_the_same_after_many_as_at_first(options):
    for cls, calls in CALLS.items():
        theirs, ours = twins(cls, options)
        values, named = calls[0]
        made = [ours(*values, **named) for _ in range(6)]
        assert [asdict(one) for one in made] == [asdict(theirs(*values, **named))] * 6
        wrong = [outcome(partial(ours, *values, **named, no_such=1)) for _ in range(2)]
        assert wrong == [outcome(partial(theirs, *values, **named, no_such=1))] * 2


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_fields_are_found_as_they_are_asked_for(options):
    for cls in CALLS:
        theirs, ours = twins(cls, options)
        assert [item.name for item in fields(ours)] == [item.name for item in fields(theirs)]
        theirs, ours = twins(cls, options)
        assert ours.__match_args__ == theirs.__match_args__
        assert getattr(ours, "__slots__", None) == getattr(theirs, "__slots__", None)


@pytest.mark.parametrize("options", OPTIONS[:4], ids=str)
def test_a_class_has_the_fields_of_its_bases(options):
    made = []
    for decorate, base in zip((dataclasses.dataclass, dataclass), twins(Plain, options), strict=True):
        body = {"__annotations__": {"more": "int", "size": "int"}, "more": 4, "size": 5}
        derived = decorate(**options)(type("Derived", (base,), body))
        assert not hasattr(derived("a"), "__dict__") or not options.get("slots")
        made.append((asdict(derived("a", 2)), asdict(derived("a")), asdict(base("a"))))
    assert made[0] == made[1]


def test_two_threads_may_be_first():
    for _ in range(50):
        _, ours = twins(Plain, {})
        with ThreadPoolExecutor(8) as threads:
            made = list(threads.map(ours, ["a"] * 8))
        assert made == [ours("a")] * 8
