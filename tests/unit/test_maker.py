"""What `maker` gives makes what the class itself makes."""

from __future__ import annotations

import pickle
from dataclasses import field

import pytest

from llmcli.lean.dataclass import dataclass
from llmcli.lean.maker import maker


@dataclass(slots=True)
class Slotted:
    """With slots."""

    first: int
    second: str = "two"
    third: list[int] = field(default_factory=list)
    fourth: int | None = None


@dataclass
class Plain:
    """Without."""

    first: int
    second: str = "two"
    third: list[int] = field(default_factory=list)
    fourth: int | None = None


@pytest.mark.parametrize("cls", [Slotted, Plain])
def test_an_instance_is_the_one_that_the_class_makes(cls):
    make = maker(cls)
    assert make(1) == cls(1)
    assert make(1, "x", [3], 4) == cls(1, "x", [3], 4)
    assert make(first=1, fourth=5) == cls(first=1, fourth=5)
    assert type(make(1)) is cls
    assert pickle.loads(pickle.dumps(make(2, "y"))) == cls(2, "y")  # noqa: S301 - it is ours


@pytest.mark.parametrize("cls", [Slotted, Plain])
def test_what_a_factory_makes_is_each_instance_s_own(cls):
    make = maker(cls)
    one, other = make(1), make(1)
    one.third.append(1)
    assert other.third == []


@pytest.mark.parametrize("given", [(), (1, "x", [], 4, 5)])
def test_what_the_class_refuses_is_refused(given):
    with pytest.raises(TypeError):
        Slotted(*given)
    with pytest.raises(TypeError):
        maker(Slotted)(*given)
