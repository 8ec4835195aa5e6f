"""The watch: what is waited for, and what may end the wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Watch:
    """What may end a wait for a reader of ours: `look` raises it, once a loop runs that is to be ended.

    `awaited` is what is waited for, and where it is to come from.
    """

    def __init__(self) -> None:
        self._checks: list[Callable[[], None]] = []
        self._hasty = False
        self.awaited = "", ""

    def waits_for(self, what: str, where: str = "") -> None:
        """Note what is waited for from now on, so that a deadline can say it."""
        self.awaited = what, where

    def look(self) -> None:
        """Raise what is to end the wait; outside of a loop, signals end us by themselves."""
        for check in self._checks:
            check()

    def hasten(self) -> None:
        """Wait for no reader of stderr any more: the program was told to stop."""
        self._hasty = True

    def look_for_notes(self) -> None:
        """The same as `look` for what is said to people."""
        if self._hasty:
            raise TimeoutError
        self.look()

    @contextmanager
    def using(self, check: Callable[[], None]) -> Iterator[None]:
        """Have `check` called at each look."""
        self._checks.append(check)
        try:
            yield
        finally:
            self._checks.remove(check)
