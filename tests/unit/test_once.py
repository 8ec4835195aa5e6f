"""`@once`: worked out when it is first asked for, and an attribute from then on."""

from __future__ import annotations

from copy import copy

from llmcli.lean.once import once


class Counted:
    """Counts how often its answer was worked out."""

    times = 0

    @once
    def answer(self) -> int:
        """The answer."""
        self.times += 1
        return 42


def test_it_is_worked_out_once_for_each_instance():
    one, other = Counted(), Counted()
    assert (one.answer, one.answer, one.times, other.times) == (42, 42, 1, 0)
    assert vars(one) == {"times": 1, "answer": 42}


def test_it_keeps_the_words_of_its_function_and_goes_where_its_instance_goes():
    one = Counted()
    assert one.answer == 42
    assert Counted.answer.__doc__ == "The answer."
    assert vars(copy(one)) == {"times": 1, "answer": 42}
