"""Turns: what is put off until all that came in one turn of the loop has been told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary

_KNOWN: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


class Turns:
    """The turns of the running loop. Whoever tells several of what came encloses that in `begin` and `end`."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], None]] = []
        self._has_begun = False

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> Turns:
        """Those of a loop, which are gone with it."""
        turns = _KNOWN.get(loop)
        if turns is None:
            turns = _KNOWN[loop] = cls()
        return turns

    def at_end(self, call: Callable[[], None]) -> None:
        """Have something called at the end of this turn, or of the next step of a loop where none has begun."""
        if not self._calls and not self._has_begun:
            asyncio.get_running_loop().call_soon(self.end)
        self._calls.append(call)

    def begin(self) -> None:
        """What follows is told in one turn."""
        self._has_begun = True

    def end(self) -> None:
        """All of it is told."""
        self._has_begun = False
        calls, self._calls = self._calls, []
        for call in calls:
            call()
