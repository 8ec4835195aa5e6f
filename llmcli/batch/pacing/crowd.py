"""Crowd: how many requests are under way at once, and what that falls to where requests are given up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from llmcli.loop.connections import MOST_CONNECTIONS

if TYPE_CHECKING:
    from llmcli.batch.pacing.search import Search

_FILL = 12  # requests that one which comes back may add: a step up is filled in a quarter of a round trip
_OPENED = (
    1000.0  # requests a second that a crowd grows by: a connection takes up to a ms of this process's time,
)
_AT_ONCE = 1000.0  # and so many may be opened at once, so that answers come between
_OVERTAKEN = 2  # times the crowd: others that pass while a request waits in no queue
_LOST = 2  # least requests that are given up before fewer go at once


class Crowd:
    """How many requests are under way at once: a fixed number, or (`fixed` None) what a Search finds best.

    It grows as requests come back (self-clocking), and not by too many a second: rate limits refuse bursts, and
    connections take time to open. A 429 or 503 is a
    matter of the rate (ServerLimit): as that falls, fewer are under way by themselves. Requests that are given up
    are a matter of the number: where a quarter of them is, half as many go (multiplicative decrease); from then on a
    fixed number is searched for, too, and is the most. After a time in which nothing got through it opens with one,
    and one more for each that does (slow start).
    """

    def __init__(self, fixed: int | None, most: int = MOST_CONNECTIONS, timeout: float = math.inf) -> None:
        self.most = max(1, most if fixed is None else min(fixed, most))
        self._is_capped = fixed is None or fixed > most
        self._timeout = timeout
        self._search = self._new_search() if fixed is None else None
        self.limit = self.most if self._search is None else self._search.target
        self._filled, self._credit = 0.0, _AT_ONCE  # time of the last growth, and how much more there may be
        self._fell = -math.inf  # time of the last fall
        self._kept = self._lost = 0  # requests that went through since then, and that were given up
        self._opening: int | None = None  # how many may go while it opens after a pause
        self.room = self.limit  # how many may go now

    def _new_search(self) -> Search:
        from llmcli.batch.pacing.search import Search  # here, since a fixed number is seldom searched for

        return Search(self.most, self._timeout)

    @property
    def binds(self) -> str:
        """What holds requests back where there is no room."""
        if not self._is_capped or self.limit < self.most:
            return "concurrency"
        return (
            f"connections ({MOST_CONNECTIONS:,} at most)"
            if self.most == MOST_CONNECTIONS
            else "connections (ulimit -n)"
        )

    def sends(self, now: float, crowd: int) -> None:
        """A request goes out, as one of `crowd`."""
        if self._search is not None:
            self._search.sends(now, crowd)

    def finished(self, now: float, sent: float, crowd: int) -> None:
        """A request went through that was `sent` then, as one of `crowd`."""
        self._kept += 1
        if self._kept > 4 * self.limit:
            self._kept, self._lost = self._kept // 2, self._lost // 2
        if self._opening is not None:
            self._opening = self._opening + 1 if self._opening < self.limit else None
            self._look()
        if self._search is not None:
            self._search.returns(now, sent, crowd)
            self._fill(self._search.target, now)
            self._look()

    def _look(self) -> None:
        self.room = self.limit if self._opening is None else min(self.limit, self._opening)

    def _fill(self, target: int, now: float) -> None:
        """Go to a limit: down at once, up bit by bit."""
        if target <= self.limit:
            self.limit = target
            return
        self._credit = min(_AT_ONCE, self._credit + (now - self._filled) * _OPENED)
        more = min(target - self.limit, _FILL, int(self._credit))
        self._filled, self._credit = now, self._credit - more
        self.limit += more

    def leaves(self, now: float, sent: float, crowd: int) -> None:
        """A request came to nothing that was `sent` then, as one of `crowd`."""
        if self._search is not None:
            self._search.leaves(now, sent, crowd)

    def lost(self, now: float, sent: float, passed: int) -> None:
        """A request that was `sent` then was given up, while so many others `passed`.

        Those sent before the last fall say nothing new, and those that everybody overtook did not wait in a queue.
        """
        if sent < self._fell or passed >= _OVERTAKEN * self.limit:
            return
        self._lost += 1
        if self._lost < _LOST or 3 * self._lost < self._kept:
            return
        self._fell, self._kept, self._lost = now, 0, 0
        self._search = self._search or self._new_search()
        self._search.retreat(max(1, self.limit // 2), now)
        self.limit = min(self.limit, self._search.target)
        self._look()

    def allow(self, rate: float, now: float) -> None:
        """The server says that it takes this rate, in requests a second."""
        if self._search is not None:
            self._search.allow(rate, now)

    def reopen(self) -> None:
        """Begin with one, after a time in which nothing went through."""
        self._opening = 1
        self._look()
