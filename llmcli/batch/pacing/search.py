"""Search: the crowd that serves rows best, found by trying others: a hill climb on measured latency."""

from __future__ import annotations

import math

from llmcli.batch.pacing.rounds import Point, Round, Spread

START = 2  # one is answered while the next is on its way
_CAREFUL = 16  # up to here the crowd doubles, and a gain in doubt is taken for one
_STEPS = (math.sqrt(2.0), 2.0, 4.0)  # times the crowd, beyond
_COSTLY = 4096  # from here on it doubles again: the more connections, the more of a client's time each takes
_LEAST_STEP = 1.2  # times the crowd: less is not worth trying
_FULL = 0.75  # share of the crowd from which a request is taken to be sent in all of it
_CHANCE = 0.25  # share of a step's length that a round's standard error may have,
_TRIPS = 4  # as far as it takes no more round trips
_PAUSE, _LONGEST_PAUSE = 2.0, 16.0  # round trips between two searches, each of a second at least
_STALE = 16.0  # round trips after which a measurement is nothing to compare with
_IN_TIME = 0.5  # share of --timeout that a step up may bring latency to, should it bring nothing else
_ROOM = 1.5  # times the crowd that a rate needs on average


class Search:
    """Looks for the crowd (the number of requests under way at once) that serves rows best; `target` is its choice.

    Best is the most rows/s for which not too many must be under way: the largest rows/s / crowd ** 0.1, a kind of
    Kleinrock's power. Of two crowds the larger one is better if it brings a tenth of what it costs; where a server
    answers no more rows/s, the smallest crowd that keeps it busy is. Latency that grows with the crowd is not held
    against a server: one that answers 100 at once in 4 s and 400 in 8 s does twice the work.

    Rows/s are not counted but follow from Little's law, crowd / latency: a round measures how long those requests
    take that are sent while the crowd is full. That needs one round trip, is not upset by requests that come in
    bursts, and takes no notice of times in which input, money or a rate limit held requests back.

    It climbs in steps. At the start it doubles the crowd, from 2 to 16, then takes steps of 4, and of 2 again beyond
    4,096, as long as each is worth it. Where one is not, it goes back, measures anew, and tries shorter ones, at last
    one down; one that is worth it is followed by a longer one in its direction, unless a longer one was not. When none
    is, it rests, the longer the more often (2 to 16 round trips), and begins again with a step of 1.4: servers change.

    * A step up must bring more than chance may: its standard error. Up to 16 the opposite must be sure, since little
      is at risk, and the first answers are few; at 16 there must have been some gain over all.
    * It is only taken if latency stays within half of --timeout even if rows/s stay the same.
    * A step down goes no lower than the bandwidth-delay product (BBR): the rows/s times the least latency seen.
    """

    def __init__(self, most: int, timeout: float = math.inf) -> None:
        self._most, self._timeout = most, timeout
        self.target = min(START, most)
        self._base: Point | None = None  # what steps are compared with,
        self._back_to = self.target  # and where it was measured
        self._first: Point | None = None  # what was measured first
        self.direction = 0  # of the step that is tried: 1 up, -1 down, 0 none
        self._level = len(_STEPS) - 1  # of its length
        self._expands = True  # no step in this direction was turned down since the last rest
        self._starts = True  # none ever was
        self._pause, self._rests_until = _PAUSE, 0.0
        self._spread = Spread()
        self._least_latency = math.inf  # seconds, of any round
        self._round = self._measured(0.0)

    # --- What it is told ------------------------------------------------------------------------------------------

    def sends(self, now: float, crowd: int) -> None:
        """A request goes out, as one of `crowd`."""
        self._round.sends(now, crowd)

    def returns(self, now: float, sent: float, crowd: int) -> None:
        """A request went through that was `sent` then, as one of `crowd`."""
        point = self._round.returns(now, sent, crowd)
        if point is not None:
            self._judge(point, now)
        elif self._round.is_overtaken:
            self._round = self._measured(now)

    def leaves(self, now: float, sent: float, crowd: int) -> None:
        """A request came to nothing that was `sent` then, as one of `crowd`."""
        if self._round.leaves(sent, crowd):
            self._round = self._measured(now)

    def retreat(self, limit: int, now: float) -> None:
        """Have no more than a limit, nor than before the step that is tried."""
        self._rest(min(self._back_to, limit) if self.direction > 0 else limit, now)

    def allow(self, rate: float, now: float) -> None:
        """Start with as many as a `rate`, in requests a second, needs that the server itself says it takes.

        That is, by Little's law, times latency: the least seen, as one that grows with the crowd would let both
        grow without end.
        """
        if self._starts and self._least_latency < math.inf:
            needed = min(self._most, int(_ROOM * rate * self._least_latency) + 1)
            if needed > self.target:
                self._rest(needed, now)

    # --- Steps ----------------------------------------------------------------------------------------------------

    def _judge(self, point: Point, now: float) -> None:
        """A round is over."""
        self._spread.take(self._round.squares, point.count)
        self._least_latency = min(self._least_latency, point.latency)
        is_stale = now - self._round.began > _STALE * max(1.0, point.latency)
        if self.direction == 0 or self._base is None or is_stale:
            self._rested(point, now)
        elif self._is_worth_it(point, self._base):
            self._keep(point, now)
        else:
            self._turn_down(now)

    def _rested(self, point: Point, now: float) -> None:
        """Nothing was tried: this is what the next steps are compared with."""
        self._base = point.after(self._base if self.direction == 0 else None)
        self._back_to, self.direction = self.target, 0
        self._first = self._first or point
        if now >= self._rests_until:
            self._try(1, now)
        else:
            self._round = self._measured(now)

    def _is_worth_it(self, point: Point, base: Point) -> bool:
        gain, error = point.gain(base), self._spread.error(point, base)
        if self.direction < 0:
            return gain > 0
        return gain > (-2 * error if self._starts and self.target <= _CAREFUL else error)

    def _has_grown(self, point: Point) -> bool:
        """Whether there may be more rows/s than at first: each step so far may have been kept in doubt."""
        first = self._first
        return first is None or point.gain(first) + self._spread.error(point, first) > 0

    def _keep(self, point: Point, now: float) -> None:
        """A step was good: go on in its direction, faster unless a longer one was not."""
        self._base, self._back_to, self._pause = point, self.target, _PAUSE
        if self._starts and self.target >= _CAREFUL and not self._has_grown(point):
            self._starts, self._level = False, 1
            return self._try(-1, now)
        if self._expands:
            self._level = min(len(_STEPS) - 1, self._level + 1)
        return self._try(self.direction, now)

    def _turn_down(self, now: float) -> None:
        """A step was not good: try a shorter one; after the shortest one up try one down, then rest."""
        if self._starts:
            self._rest(self._back_to, now)  # what it is compared with was measured in haste
            self._rests_until, self._level = now, 1
            return
        self._expands = False
        if self._level and self._back_to >= _CAREFUL:
            self._level -= 1
            self._try(self.direction, now)
        elif self.direction > 0:
            self._level, self._expands = 0, True
            self._try(-1, now)
        else:
            self._rest(self._back_to, now)
            self._pause = min(_LONGEST_PAUSE, 2 * self._pause)

    def _try(self, direction: int, now: float) -> None:
        """Try a step up or down, or what comes next where none is possible."""
        assert self._base is not None  # noqa: S101 - a step is from somewhere
        target = self._upward(self._base) if direction > 0 else self._downward(self._base)
        self.direction = direction
        if target is None:
            self._turn_down(now)
        else:
            self.target, self._round = target, self._measured(now, target)

    def _upward(self, base: Point) -> int | None:
        """The crowd after a step up; None where there is none."""
        step = 2.0 if self._back_to < _CAREFUL else _STEPS[self._level]
        step = min(step, 2.0) if self._back_to >= _COSTLY else step
        step = min(step, _IN_TIME * self._timeout / base.latency)
        crowd = min(self._most, int(self._back_to * step))
        return crowd if crowd > self._back_to else None

    def _downward(self, base: Point) -> int | None:
        """The crowd after a step down; None where it would only cost."""
        needed = base.rate * self._least_latency
        crowd = max(START, math.ceil(max(self._back_to / _STEPS[self._level], needed)))
        return crowd if crowd * _LEAST_STEP <= self._back_to else None

    def _rest(self, crowd: int, now: float) -> None:
        """Stay at a crowd for a while, and measure there."""
        latency = self._base.latency if self._base is not None else 0.0
        self._rests_until = now + self._pause * max(1.0, latency)
        self._base, self.direction, self._level = None, 0, 0
        self._starts, self._expands = False, True
        self.target = self._back_to = crowd
        self._round = self._measured(now)

    def _measured(self, now: float, crowd: int | None = None) -> Round:
        """A round for the crowd: as many requests as a step up sends at once, or so many that chance matters little."""
        crowd = crowd or self.target
        least = math.ceil(_FULL * crowd)
        size = crowd - least + 1
        if not self._starts:
            step = abs(math.log(crowd / self._back_to)) or math.log(_STEPS[0])
            sample = self._spread.sample(_CHANCE * min(step, math.log(_STEPS[1])))
            size = max(size, min(_TRIPS * crowd, sample))
        return Round(now, least, size)
