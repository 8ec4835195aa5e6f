"""Rounds: what requests take that are sent in a crowd of some size, and what that says of the crowd."""

from __future__ import annotations

import math

from llmcli.lean.dataclass import dataclass

_WORTH = 0.1  # log(rows/s) that a step must bring for each log(crowd): twice as many for 7 % more,
_WORTH_A_LEAP = 0.25  # and four times as many for 41 %: that overshoots by more
_LEAP = 1.0  # log of the length from which a step is a leap
_BLINK = 0.05  # seconds, the shortest round: in less than that this process's own hiccups are seen
_STRAGGLER = 2.0  # times the mean latency, after which a round does not wait for a request any more
_OVERTAKEN = 4  # times the crowd: others that come back before a round is given up of which nothing did
_MEMORY = 1000  # requests whose spread is remembered


@dataclass(slots=True)
class Point:
    """A point of the server's load curve: requests sent as one of `crowd` took `latency` seconds.

    Both are means over `count` requests.
    """

    crowd: float
    latency: float
    count: int

    @property
    def rate(self) -> float:
        """Rows a second, by Little's law."""
        return self.crowd / self.latency

    def after(self, earlier: Point | None) -> Point:
        """Taken together with what was measured before it in the same crowd, which counts half as much."""
        if earlier is None:
            return self
        count = self.count + earlier.count // 2
        share = self.count / count
        return Point(
            share * self.crowd + (1 - share) * earlier.crowd,
            share * self.latency + (1 - share) * earlier.latency,
            count,
        )

    def gain(self, base: Point) -> float:
        """How much better this is than `base`, in log(rows/s), less what the step between them must bring."""
        step = math.log(self.crowd / base.crowd)
        return math.log(self.rate / base.rate) - (_WORTH_A_LEAP if step > _LEAP else _WORTH) * step


@dataclass(slots=True)
class Spread:
    """How much latencies differ from the mean of their round: variance, as a share of the mean's square."""

    squares: float = 0.0
    freedom: int = 0

    def take(self, squares: float, count: int) -> None:
        """Take in a round: the sum of squared relative differences, and of how many requests."""
        if self.freedom > _MEMORY:
            self.squares, self.freedom = self.squares / 2, self.freedom // 2
        self.squares += squares
        self.freedom += count - 1

    @property
    def variance(self) -> float:
        """Of latencies, as a share of the square of their mean."""
        return self.squares / max(1, self.freedom)

    def error(self, one: Point, other: Point) -> float:
        """Standard error of the log of two points' latencies, one by the other."""
        return math.sqrt(self.variance * (1 / one.count + 1 / other.count))

    def sample(self, error: float) -> int:
        """How many requests two points need each for such a standard error."""
        return math.ceil(2 * self.variance / (error * error))


class Round:
    """Watches the next `size` requests that are sent in a crowd of at least `least`, from `began` on."""

    __slots__ = (
        "_back",
        "_crowd",
        "_first",
        "_last",
        "_overtaking",
        "_size",
        "_squares",
        "_times",
        "_took",
        "_watched",
        "began",
        "least",
    )

    def __init__(self, now: float, least: int, size: int) -> None:
        self.began, self.least, self._size = now, least, size
        self._first, self._last = math.inf, -math.inf
        self._watched = self._back = self._crowd = self._overtaking = 0
        self._took = self._squares = 0.0  # sums of latencies
        self._times = 0.0  # sum of the times when those were sent that are still under way

    def sends(self, now: float, crowd: int) -> None:
        """A request goes out as one of `crowd`."""
        if crowd < self.least or (self._size <= 0 and now - self._first >= _BLINK):
            return
        self._first, self._last = min(self._first, now), now
        self._size -= 1
        self._watched += 1
        self._crowd += crowd
        self._times += now

    def _watches(self, sent: float, crowd: int) -> bool:
        return crowd >= self.least and self._first <= sent <= self._last

    def leaves(self, sent: float, crowd: int) -> bool:
        """A request came to nothing; whether that leaves nothing to watch."""
        if not self._watches(sent, crowd):
            return False
        self._watched -= 1
        self._crowd -= crowd
        self._times -= sent
        return not self._watched and self._size <= 0

    def returns(self, now: float, sent: float, crowd: int) -> Point | None:
        """A request came back; the result where that ends the round."""
        if self._watches(sent, crowd):
            took = now - sent
            self._back += 1
            self._times -= sent
            self._took += took
            self._squares += took * took
        elif self._size <= 0:
            self._overtaking += 1
        return self._result(now) if self._size <= 0 and self._back else None

    @property
    def is_overtaken(self) -> bool:
        """Whether nothing came back of what is watched while so many others did: it hangs."""
        return not self._back and self._overtaking > _OVERTAKEN * self.least

    def _result(self, now: float) -> Point | None:
        """The mean latency; what is still under way counts with the time that it took so far."""
        left = self._watched - self._back
        ages = left * now - self._times
        mean = max((self._took + ages) / self._watched, 1e-9)
        if left and ages / left < _STRAGGLER * mean:
            return None
        return Point(self._crowd / self._watched, mean, self._back)

    @property
    def squares(self) -> float:
        """The sum of squared differences from the mean, each as a share of it, of what came back."""
        mean = self._took / self._back
        return max(0.0, self._squares / (mean * mean) - self._back) if mean else 0.0
