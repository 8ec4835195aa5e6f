"""Pace: how fast, and how many at once. Learns from flags, headers, refusals and throughput."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

_BURST = 0.1  # seconds' worth of requests that may go out at once
_PEACE = 2.0  # seconds without a 429, after which a little more is tried;
_LONGEST_PEACE = 30.0  # they double each time that the same ceiling is found
_TRUST = 3  # contradictions after which a declared limit is not believed any more
_FIRST = 16.0  # requests a second that we suppose we sent, where nothing has gone through yet
_SAMPLE = 4  # outcomes after a cut, before which another is not made
_DOUBT = 6  # refusals after which it is tried whether they have to do with the rate at all:
_FASTER = 3.0  # so many times as fast,
_TRIED = 12  # outcomes long, and then faster again,
_WORSE = 6  # unless so many are refused, and more than the share that is tolerated
_HOPELESS = 0.85  # share of refusals that is no bad luck
_SOON = 2.0  # seconds until the next trial after one that got some way, and
_AGAIN = 30.0  # after one that failed at once; they double each time
_SPEND = 30.0  # seconds over which what a server has left for us is used up
_MARGIN = 0.99  # of a declared limit


class Gate:
    """A generic cell rate algorithm: `rate` units a second, with a short burst. Rate None: open.

    Source: ITU-T I.371, the virtual scheduling algorithm.
    """

    def __init__(self, per_minute: float | None) -> None:
        self.rate = None if per_minute is None else per_minute / 60 * _MARGIN
        self._due = 0.0

    def delay(self, now: float) -> float:
        """Seconds until the next unit may pass."""
        if self.rate is None:
            return 0.0
        burst = int(self.rate * _BURST) / self.rate  # whole units: a slow rate has none to give early
        return max(0.0, self._due - burst - now)

    def set(self, rate: float | None, now: float) -> None:
        """Have another rate; what is still to be waited for at a lower one is shortened."""
        if rate is not None and self.rate is not None and rate > self.rate and self._due > now:
            self._due = now + (self._due - now) * self.rate / rate
        self.rate = rate

    def take(self, now: float, units: float) -> None:
        """Let units pass. Many at once pass as one, and are waited for afterwards."""
        if self.rate is not None:
            self._due = max(self._due, now) + units / self.rate


@dataclass
class Learned:
    """A request rate that nobody told us: found by refusals, and by what a server says of its limits.

    A refusal (429) makes what lately went through the ceiling. The rate goes back to just below it, stays
    there for a while, the longer the surer the ceiling is, then feels its way up: a little at first, more and
    more while nothing is refused.
    A limit that headers declare is the ceiling until it is contradicted again and again.
    Some refusals have nothing to do with the rate: others crowd the server, or it rehearses failures. So, after
    some, a much higher rate is tried: where it is refused no more often than the low one, the rate goes up and up.
    """

    rate: float | None = None  # requests a second
    _ceiling: float = 0.0
    _peace: float = _PEACE
    _step: float = 0.01
    _declared: float | None = None
    _contradicted: int = 0
    _most_remaining: float = 0.0
    _spare: float = 0.0  # requests that are left beyond a reserve
    _finished: deque[float] = field(default_factory=lambda: deque(maxlen=2048))
    _adjusted: float = 0.0
    _refused: float = float("-inf")  # when the last cut was made
    _passed: int = 0  # of the requests that were sent since the last cut, or since the trial's last step
    _failed: int = 0
    _all: int = 0  # outcomes since the last trial, and
    _doubt: int = 0  # of them refusals
    _tolerated: float | None = None  # in a trial: the share of refusals that is no worse than before
    _since: float = 0.0  # when the trial's last step began, or was looked at
    _known: float = 0.0  # the rate before the trial's last step
    _won: bool = False  # whether a step of it went well
    _again: float = _AGAIN
    _next_trial: float = float("-inf")

    def finished(self, now: float, latency: float = 0.0) -> None:
        """A request went through, `latency` seconds after it was sent."""
        self._finished.append(now)
        if now - latency >= self._refused:
            self._passed += 1
            self._all += 1

    def throughput(self, now: float) -> float:
        """Requests a second that went through lately: the best of the last second, half and quarter of one."""
        ages = [now - then for then in reversed(self._finished) if now - then <= 1.0]
        return max(sum(age <= span for age in ages) / span for span in (1.0, 0.5, 0.25))

    def refused(self, now: float, sent: float) -> None:
        """A 429 came for what was `sent` then; what went out before the last cut says nothing new."""
        if sent < self._refused:
            return
        self._failed += 1
        self._all += 1
        self._doubt += 1
        if self._declared is None and self.rate is not None and self._is_doubtful(now):
            return
        self._contradicted += self._declared is not None
        self._refused = self._adjusted = now
        self._passed = self._failed = 0
        self._step = 0.01
        if self._declared is not None and self._contradicted <= _TRUST:
            self.rate = self._ceiling = 0.96 * self._declared
            return
        self._declared = None
        ceiling = max(0.1, self.throughput(now) or (self.rate or _FIRST) / 2)
        same = abs(ceiling - self._ceiling) < 0.15 * self._ceiling
        self._peace = min(_LONGEST_PEACE, 2 * self._peace) if same else _PEACE
        self._ceiling = ceiling
        self.rate = 0.96 * ceiling

    def _is_doubtful(self, now: float) -> bool:
        """Whether a refusal cuts nothing now: too little has come since the last cut, or a trial is on."""
        came = self._passed + self._failed
        if self._tolerated is not None:
            if self._failed >= _WORSE and self._failed > self._tolerated * came:
                self._end_trial(now)
            return True
        share = self._doubt / self._all
        if self._doubt >= _DOUBT and share < _HOPELESS and now >= self._next_trial:
            self._tolerated = min(_HOPELESS, 2 * share + 0.1)
            self._known = self.rate or 0.0
            self._faster(now)
            return True
        return came < _SAMPLE

    def _faster(self, now: float) -> None:
        """A step of a trial."""
        self.rate = _FASTER * max(1.0, self.rate or 0.0)
        self._refused = self._adjusted = self._since = now
        self._passed = self._failed = 0

    def _go_on(self, now: float) -> None:
        """Take the trial's next step, if it was the rate that held requests back in this one."""
        came = self._passed + self._failed
        if came < _TRIED:
            return
        if came > 0.5 * (self.rate or 0.0) * (now - self._since):
            self._known, self._won = self.rate or 0.0, True
            self._faster(now)
        self._since = now
        self._passed = self._failed = 0

    def _end_trial(self, now: float) -> None:
        """It was the rate: go back to the one before."""
        self.rate, self._tolerated = self._known, None
        self._refused = self._adjusted = now
        self._passed = self._failed = self._all = self._doubt = 0
        self._next_trial = now + (_SOON if self._won else self._again)
        self._again, self._won = _AGAIN if self._won else 2 * self._again, False

    def told(self, headers: Mapping[str, str], now: float) -> None:
        """Headers came: a limit a minute, and how much of it is left."""
        limit = _number(
            headers.get("x-ratelimit-limit-requests") or headers.get("anthropic-ratelimit-requests-limit")
        )
        if limit is None or self._contradicted > _TRUST:
            return
        remaining = headers.get("x-ratelimit-remaining-requests") or headers.get(
            "anthropic-ratelimit-requests-remaining"
        )
        left = _number(remaining) or 0.0
        self._most_remaining = max(self._most_remaining, left)
        self._spare = max(0.0, left - max(2.0, 0.2 * self._most_remaining))
        if self._declared != limit / 60:
            self._declared, self._tolerated = limit / 60, None
            self._adjusted = float("-inf")
            self.adjust(now)

    def adjust(self, now: float) -> None:
        """Grow where nothing speaks against it. Call it now and then."""
        if (self.rate is None and self._declared is None) or now - self._adjusted < 0.5:
            return
        self._adjusted = now
        if self._declared is not None:
            wanted = _MARGIN * self._declared + self._spare / _SPEND
            calm = now - self._refused > self._peace
            self.rate = wanted if calm or self.rate is None else min(wanted, self.rate * 1.02)
        elif self._tolerated is not None:
            self._go_on(now)
        elif now - self._refused < self._peace:
            self.rate = min((self.rate or 0.0) * 1.02, 0.99 * self._ceiling)
        else:
            self.rate = (self.rate or 0.0) * (1 + self._step)
            self._step = min(0.5, self._step * 1.5)


class Crowd:
    """How many requests are under way at once: a fixed number, or one that looks for the most that helps.

    It doubles while that raises throughput by a quarter, then stays, and tries a tenth more now and then.
    Only rounds count in which nothing else held requests back. A 429 is a matter of the rate: as that falls,
    fewer are under way by themselves.
    """

    def __init__(self, fixed: int | None, most: int) -> None:
        self.limit = fixed if fixed is not None else min(8, most)
        self._auto = fixed is None
        self._most = most
        self._best = 0.0
        self._began: float | None = None
        self._done = 0
        self._settled = False
        self._before = self.limit
        self._probed = 0.0
        self._was_full = False

    def has_room(self, under_way: int) -> bool:
        """Whether another request may go; a round in which none ever had to wait for that is not judged."""
        if under_way < self.limit:
            return True
        self._was_full = True
        return False

    def allow(self, number: int) -> None:
        """Have at least `number`: the rate that is known needs so many."""
        if self._auto and number > self.limit:
            self.limit = self._before = min(self._most, number)
            self._restart(None)

    def idle(self) -> None:
        """Something else held the next request back: the round says nothing of the number."""
        self._restart(None)

    def finished(self, now: float) -> None:
        """A request went through."""
        if not self._auto:
            return
        if self._began is None:
            self._restart(now)
            return
        self._done += 1
        if self._done >= self.limit * (2 if self._settled else 1) and now - self._began >= 0.1:
            if self._was_full:
                self._judge(self._done / (now - self._began), now)
            self._restart(now)

    def _judge(self, throughput: float, now: float) -> None:
        """End a round: keep the last step if it was worth it."""
        if self._settled:
            if self.limit > self._before and throughput < self._best * 1.03:
                self.limit = self._before  # the tenth more was none
            elif now - self._probed > 10.0:
                self._before, self._best, self._probed = self.limit, throughput, now
                self.limit = min(self._most, self.limit + max(1, self.limit // 10))
        elif throughput >= self._best * 1.25:
            self._before, self._best = self.limit, throughput
            self.limit = min(self._most, self.limit * 2)
            self._settled = self.limit == self._before
        else:
            if throughput < self._best * 1.05:
                self.limit = self._before
            self._settled, self._before, self._best, self._probed = (
                True,
                self.limit,
                max(throughput, self._best),
                now,
            )
        self._restart(now)

    def _restart(self, now: float | None) -> None:
        self._began, self._done, self._was_full = now, 0, False


class Pace:
    """All that says when the next request may go: `delay` seconds, and why.

    `rpm`, `tpm`: the user's limits a minute. `concurrency` None: find it out, up to `most`.
    """

    def __init__(
        self, rpm: float | None, tpm: float | None, concurrency: int | None, most: int = 1000
    ) -> None:
        self.crowd = Crowd(concurrency, most)
        self._requests = Gate(rpm)
        self._tokens = Gate(tpm)
        self._token_limit = tpm
        self._learned = Learned()
        self._paced = Gate(None)
        self._paused_until = 0.0
        self._latency = 0.0
        self._prompt_ratio = 0.3  # tokens a byte of body, as usage has it
        self._answer = 100.0  # tokens of an answer, as usage has it

    def delay(self, now: float) -> tuple[float, str]:
        """(seconds until a request may go, what holds it back)."""
        self._learned.adjust(now)
        self._paced.set(self._learned.rate, now)
        return max(
            (self._requests.delay(now), "requests"),
            (self._tokens.delay(now), "tokens"),
            (self._paced.delay(now), "server"),
            (self._paused_until - now, "server"),
        )

    def take(self, now: float, size: int, max_tokens: int | None) -> None:
        """A request of `size` bytes goes out."""
        self._requests.take(now, 1)
        self._paced.take(now, 1)
        if self._tokens.rate is not None:
            self._tokens.take(now, size * self._prompt_ratio + max(max_tokens or 0, self._answer))

    def finished(self, now: float, latency: float, headers: Mapping[str, str]) -> None:
        """A reply came that is no refusal, `latency` seconds after its request."""
        self._latency += 0.1 * (latency - self._latency)
        if (rate := self._requests.rate or self._learned.rate) is not None:
            self.crowd.allow(int(1.5 * rate * self._latency) + 1)  # Little's law, and some
        self._learned.finished(now, latency)
        if headers:
            self._learned.told(headers, now)
            self._told_tokens(headers)
        self.crowd.finished(now)

    def used(self, size: int, prompt_tokens: int, completion_tokens: int) -> None:
        """What a request of `size` bytes really took."""
        self._prompt_ratio += 0.05 * (prompt_tokens / max(1, size) - self._prompt_ratio)
        self._answer += 0.05 * (completion_tokens - self._answer)

    def refused(self, now: float, sent: float, retry_after: float | None) -> None:
        """A 429 came for what was `sent` then: all wait as the server asks, then go one by one, not as a herd."""
        self._learned.refused(now, sent)
        self.crowd.idle()
        if retry_after:
            self._paused_until = max(self._paused_until, now + retry_after)

    def _told_tokens(self, headers: Mapping[str, str]) -> None:
        limit = _number(
            headers.get("x-ratelimit-limit-tokens") or headers.get("anthropic-ratelimit-tokens-limit")
        )
        if limit and self._token_limit is None:
            self._tokens.rate = limit / 60 * _MARGIN


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < float("inf") else None
