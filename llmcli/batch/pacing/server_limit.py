"""The rate of requests that a server takes, learned from its refusals and its headers."""

from __future__ import annotations

import math
import operator
from collections import deque
from collections.abc import Mapping
from dataclasses import field

from llmcli.batch.pacing.limit_window import LimitWindow, number
from llmcli.lean.dataclass import dataclass

_MARGIN = 0.99  # of a declared limit
_SPEND = 30.0  # seconds over which what a server has left for us is used up
_TRUST = 3  # contradictions after which a declared limit is not believed any more
_SAMPLE = 4  # requests after a cut, before which another is not made
_PEACE = 2.0  # seconds to stay at a rate that was just found, before more is tried
_LONGEST_PEACE = 30.0  # upper bound of that time, which doubles each time that a similar rate is found
_STEP_WHERE_SURE = 0.01  # first step up from a rate that was found again
_STEP_WHERE_NEW = 0.02  # first step up from a rate that was found for the first time
_STEP_WHERE_GUESSED = 0.4  # first step up from a rate that the first refusal made us guess
_AT_ONCE = 0.05  # a Retry-After below this, in seconds, means that there is no need to wait
_HASTE = 30.0  # least requests a second after such a reply
_TAKEN_AT_ITS_WORD = 300  # how often such a reply is believed
_LATELY = 0.25  # seconds before the first refusal: the crowd still grew, so that earlier ones say little
_BELOW = 0.985  # of a rate that was found
_IN_VAIN = 8  # refusals in a row after which refusals no longer slow us below _LEAST_IN_VAIN
_LEAST_IN_VAIN = 5.0  # least requests a second then; each row backs off by itself
_ENOUGH = 10  # requests, or answers, that make a rate
_DOUBT = 4  # least refusals before a trial whether the rate matters at all
_HOPELESS = 0.85  # no trial where this share of requests, or a larger one, was refused
_FASTER = 3.0  # a trial's rate, as a multiple of the rate before it
_TRIED = 20  # requests between two looks at a trial
_SOON = 2.0  # seconds from a trial that got some way to the next
_AGAIN = 4.0  # seconds from a trial that failed at once to the next, doubled for each that does so in a row


@dataclass
class _Trial:
    """A rate that is much too high, if the rate matters. `usual`: the share that went through before it."""

    usual: float
    before: float = 0.0  # requests a second, before its last step
    won: bool = False  # whether a step of it went well
    looks: int = 1


@dataclass
class ServerLimit:
    """The `rate`, in requests a second, that a server seems to take; None: nothing speaks against any.

    What the server let pass between two refusals (429) is a rate that it has; the rate at which it refused is one
    that it has not. After each, the rate goes to between these two, stays there for a while, the longer the surer
    it is, then feels its way up: a little at first, more and more while nothing is refused.
    A limit that headers declare is taken for it until it is contradicted again and again.
    Some refusals have nothing to do with the rate: others crowd the server, or it rehearses failures. So, where it
    refuses at a rate that it had before, a much higher one is tried, and kept where as large a share goes through.
    """

    rate: float | None = None
    _sends: deque[float] = field(default_factory=lambda: deque(maxlen=4096))
    _cut: float = float("-inf")  # time of the last change of rate, growth aside
    _refused: int = 0  # 429s of requests sent since `_cut`
    _in_vain: int = 0  # refusals since anything went through
    _found: float = 0.0  # the rate that the last refusal spoke of
    _peace: float = _PEACE  # seconds after `_cut` before more is tried
    _step: float = _STEP_WHERE_SURE  # share of the rate by which it grows next
    _adjusted: float = 0.0  # time when the rate was last set or looked after
    _hasty: int = 0  # replies so far that there is no need to wait
    # What headers say
    window: LimitWindow = field(default_factory=lambda: LimitWindow("requests"))
    declared: float | None = None  # requests a second
    _contradicted: int = 0  # refusals that a declared limit does not explain
    _most_remaining: float = 0.0  # most requests that were ever left
    _spare: float = 0.0  # requests that are left beyond a reserve
    # Whether the rate matters
    _trial: _Trial | None = None  # the one that is under way
    _next_trial: float = float("-inf")  # earliest time of the next
    _again: float = _AGAIN  # seconds to the next, should this one fail at once
    _all: int = 0  # requests since the last trial
    _all_refused: int = 0  # of these, refused
    _from: float = 0.0  # the rate when that count began
    _proven: float = 0.0  # best rate sustained so far
    _passed: int = 0  # requests that went through since `_counted`
    _counted: float = 0.0  # time when that count began

    @property
    def patience(self) -> float:
        """The seconds' worth of requests that it says it would take at once."""
        return self._spare / self.rate if self.declared is not None and self.rate else 0.0

    @property
    def is_doubted(self) -> bool:
        """Whether its refusals seem to have nothing to do with the rate, so that a lower one is of no help."""
        return self._trial is not None or self._in_vain >= _IN_VAIN

    def sends(self, now: float) -> None:
        """A request goes out."""
        self._sends.append(now)
        self._all += 1

    def takes_back(self) -> None:
        """A request did not go out after all."""
        if self._sends:
            self._sends.pop()
        self._all = max(0, self._all - 1)

    def passes(self) -> None:
        """A reply came that is no 429."""
        self._in_vain = 0

    def refuses(self, now: float, sent: float, retry_after: float | None = None) -> None:
        """A 429 came for what was `sent` then; what went out before the last cut says nothing new."""
        self._in_vain += 1
        if sent < self._cut:
            return
        self._refused += 1
        self._all_refused += 1
        if self._trial is not None:
            self._look(self._trial, now, sent)
        elif self.declared is not None and self._contradicted < _TRUST:
            self._contradicted += 1
            self._set(0.96 * self.declared, now)
        elif self.declared is not None or self.rate is None:
            self.declared = None
            sends, seconds = self._since(max(self._cut, now - _LATELY), now)
            self._set(0.5 * sends / max(_LATELY, seconds), now, _STEP_WHERE_GUESSED)
            self._count_anew(self.rate or 0.0, now)
        else:
            self._learn(self.rate, now, sent)
        at_once = retry_after is not None and retry_after < _AT_ONCE
        if at_once and self.declared is None and self._hasty < _TAKEN_AT_ITS_WORD:
            self._hasty += 1
            self.rate = max(_HASTE, self.rate or 0.0)

    def _learn(self, rate: float, now: float, sent: float) -> None:
        sends, seconds = self._since(self._cut, sent)
        if sends < _SAMPLE:
            return
        too_fast = min(rate, self._lately(sent))
        went = sends - self._refused
        if self._is_doubtful(too_fast, now):
            self._begin_trial(max(1 - self._all_refused / self._all, went / sends), now)
            return
        self._passed += went
        if self._passed >= _ENOUGH:
            self._proven = max(0.98 * self._proven, self._passed / (sent - self._counted))
            self._passed, self._counted = 0, now
        went_through = max(went / max(seconds, 1e-9), 0.25 * too_fast)
        found = math.sqrt(min(too_fast, went_through) * too_fast)
        same = abs(found - self._found) < 0.15 * self._found
        self._found = found
        self._peace = min(_LONGEST_PEACE, 2 * self._peace) if same else _PEACE
        self._set(_BELOW * found, now, _STEP_WHERE_SURE if same else _STEP_WHERE_NEW)

    def _since(self, then: float, until: float) -> tuple[int, float]:
        """The requests that went out in a time, and its seconds."""
        begun = max(then, self._sends[0])
        return sum(begun <= time <= until for time in self._sends), until - begun

    def _lately(self, until: float) -> float:
        """The rate of the last requests that went out until a time, whatever pauses there were."""
        from statistics import median  # here: it takes longer to import than all of this

        times = [time for time in self._sends if time <= until][-_ENOUGH:]
        gap = median(map(operator.sub, times[1:], times))
        return 1 / gap if gap else math.inf

    def _set(self, rate: float, now: float, step: float = _STEP_WHERE_SURE) -> None:
        self.rate, self._step = max(_LEAST_IN_VAIN if self._in_vain >= _IN_VAIN else 0.1, rate), step
        self._cut = self._adjusted = now
        self._refused = 0

    def _count_anew(self, rate: float, now: float) -> None:
        self._from, self._passed, self._counted = rate, 0, now
        self._all = self._all_refused = 0

    # --- Whether the rate matters -------------------------------------------------------------------------------

    def _is_doubtful(self, rate: float, now: float) -> bool:
        """Whether a refusal at this rate is none that a limit explains."""
        return (
            now >= self._next_trial
            and (rate < 0.97 * self._proven or rate < 0.5 * self._from or self._hasty > 0)
            and _DOUBT <= self._all_refused < _HOPELESS * self._all
        )

    def _begin_trial(self, usual: float, now: float) -> None:
        self._trial = _Trial(usual)
        self._faster(self._trial, now)

    def _faster(self, trial: _Trial, now: float) -> None:
        trial.before, trial.looks = self.rate or 0.0, 1
        self._set(_FASTER * max(1.0, trial.before), now)

    def _look(self, trial: _Trial, now: float, sent: float) -> None:
        """Go on with a trial, or end it where less goes through."""
        sends, seconds = self._since(self._cut, sent)
        if sends < _TRIED * trial.looks:
            return
        went = sends - self._refused
        as_usual = went / (
            trial.usual * sends
        )  # about 1 where the rate does not matter, 1 / _FASTER where it does
        if not trial.won and seconds >= 1.0:
            as_usual = min(as_usual, went / (trial.usual * _FASTER * trial.before * seconds))
        if as_usual < (0.5 if trial.looks == 1 else 0.67):
            self._end_trial(trial, went / max(seconds, 1e-9), now)
            return
        trial.looks += 1
        if seconds >= 1.0 and as_usual >= 0.67:
            trial.won = True
            if sends > 0.5 * (self.rate or 0.0) * seconds:  # it is still the rate that holds requests back
                self._faster(trial, now)
            else:
                self._cut, self._refused, trial.looks = now, 0, 1

    def _end_trial(self, trial: _Trial, proven: float, now: float) -> None:
        self._trial, self._proven = None, proven
        self._next_trial = now + (_SOON if trial.won else self._again)
        self._again = _AGAIN if trial.won else 2 * self._again
        self._set(trial.before, now)
        self._count_anew(min(trial.before, proven), now)

    # --- What headers say ---------------------------------------------------------------------------------------

    def told(self, headers: Mapping[str, str], now: float) -> None:
        """Headers came: a limit a minute, and how much of it is left."""
        limit = self.window.a_minute(headers)
        if not limit or self._contradicted >= _TRUST:
            return
        left = (
            number(
                headers.get("x-ratelimit-remaining-requests")
                or headers.get("anthropic-ratelimit-requests-remaining")
            )
            or 0.0
        ) / self.window.parts
        self._most_remaining = max(self._most_remaining, left)
        self._spare = max(0.0, left - max(2.0, 0.2 * self._most_remaining))
        if self.declared != limit / 60:
            self.declared, self._trial = limit / 60, None
            self._adjusted, self._cut = float("-inf"), now
            self.adjust(now)

    def disbelieve(self) -> None:
        """What headers declare is no limit."""
        self._contradicted = _TRUST
        if self.declared is not None:
            self.declared = self.rate = None

    def adjust(self, now: float) -> None:
        """Grow where nothing speaks against it. Call it now and then."""
        if now - self._adjusted < 0.5:
            return
        calm = now - self._cut > self._peace
        if self.declared is not None:
            wanted = _MARGIN * self.declared + self._spare / _SPEND
            self.rate = (
                wanted if calm or not self._contradicted else min(wanted, (self.rate or wanted) * 1.02)
            )
        elif self.rate is not None and self._trial is None and (calm or self._step >= _STEP_WHERE_GUESSED):
            self.rate *= 1 + self._step
            self._step = min(0.5, self._step * (1.5 if self.rate > 1.1 * self._found else 1.2))
        self._adjusted = now
