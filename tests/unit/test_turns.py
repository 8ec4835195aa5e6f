"""Turns: what is put off is called once all of a turn is told, or in the loop's next step."""

from __future__ import annotations

import asyncio
import gc
import weakref

from llmcli.lean.turns import Turns


def test_what_is_put_off_in_a_turn_is_called_at_its_end_and_before_anything_else():
    async def work() -> list[str]:
        said: list[str] = []
        turns = Turns.of(asyncio.get_running_loop())
        turns.begin()
        turns.at_end(lambda: said.append("put off"))
        said.append("told")
        turns.end()
        said.append("after")
        turns.end()
        return said

    assert asyncio.run(work()) == ["told", "put off", "after"]


def test_outside_of_a_turn_it_is_called_in_the_next_step_of_the_loop_and_once():
    async def work() -> list[str]:
        said: list[str] = []
        turns = Turns.of(asyncio.get_running_loop())
        turns.at_end(lambda: said.append("first"))
        turns.at_end(lambda: said.append("second"))
        said.append("at once")
        await asyncio.sleep(0)
        return said

    assert asyncio.run(work()) == ["at once", "first", "second"]


def test_what_is_put_off_at_a_turns_end_is_for_the_next_step():
    async def work() -> list[str]:
        said: list[str] = []
        turns = Turns.of(asyncio.get_running_loop())
        turns.begin()
        turns.at_end(lambda: turns.at_end(lambda: said.append("late")))
        turns.end()
        assert said == []
        await asyncio.sleep(0)
        return said

    assert asyncio.run(work()) == ["late"]


def test_each_loop_has_its_own_which_are_gone_with_it():
    async def of() -> weakref.ref[Turns]:
        loop = asyncio.get_running_loop()
        assert Turns.of(loop) is Turns.of(loop)
        return weakref.ref(Turns.of(loop))

    first = asyncio.run(of())
    gc.collect()
    assert first() is None
    assert asyncio.run(of()) is not first
