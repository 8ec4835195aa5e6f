"""Pace: how fast, and how many at once. Learns from flags, headers, refusals and throughput."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

_BURST = 0.1  # seconds' worth of requests that may go out at once
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
        return 0.0 if self.rate is None else max(0.0, self._due - _BURST - now)

    def take(self, now: float, units: float) -> None:
        """Let units pass. Many at once pass as one, and are waited for afterwards."""
        if self.rate is not None:
            self._due = max(self._due, now) + units / self.rate


@dataclass
class Learned:
    """A request rate that nobody told us: found by refusals, and by what a server says of its limits.

    A refusal (429) sets it to what really went through lately; while none comes it grows, fast up to where it
    was refused, slowly beyond.
    """

    rate: float | None = None
    _ceiling: float | None = None
    _declared: float | None = None
    _most_remaining: float = 0.0
    _remaining: float | None = None
    _finished: deque[float] = field(default_factory=lambda: deque(maxlen=4096))
    _adjusted: float = 0.0
    _refused: float = float("-inf")

    def finished(self, now: float) -> None:
        """A request went through."""
        self._finished.append(now)

    def throughput(self, now: float, span: float = 1.0) -> float:
        """Requests a second that went through in the last `span` seconds."""
        recent = sum(1 for then in reversed(self._finished) if now - then <= span)
        return recent / span

    def refused(self, now: float) -> bool:
        """A 429 came; True where it begins an episode, which is cut once."""
        if now - self._refused < 1.0:
            return False
        self._refused = self._adjusted = now
        observed = self.throughput(now)
        cut = observed * 0.97 if observed else (self.rate or 2.0) / 2
        self.rate = self._ceiling = max(0.1, cut if self.rate is None else min(self.rate * 0.97, cut))
        return True

    def told(self, headers: Mapping[str, str], now: float) -> None:
        """Headers came: a limit a minute is believed until a 429 contradicts it."""
        limit = _number(
            headers.get("x-ratelimit-limit-requests") or headers.get("anthropic-ratelimit-requests-limit")
        )
        if limit is None:
            return
        remaining = _number(
            headers.get("x-ratelimit-remaining-requests")
            or headers.get("anthropic-ratelimit-requests-remaining")
        )
        self._remaining = remaining
        self._most_remaining = max(self._most_remaining, remaining or 0.0)
        if self._declared != limit / 60:
            self._declared = limit / 60
            if self._ceiling is None:
                self.rate = self._declared * _MARGIN
                self._adjusted = now

    def adjust(self, now: float) -> None:
        """Grow where nothing speaks against it. Call it now and then."""
        if self.rate is None or now - self._adjusted < 0.5:
            return
        self._adjusted = now
        if self._ceiling is None:  # a declared limit: more only where much of it is always left
            plenty = self._remaining is not None and self._remaining > 0.9 * self._most_remaining > 2
            scarce = self._remaining is not None and self._remaining < 0.3 * self._most_remaining
            floor = (self._declared or 0.0) * _MARGIN
            self.rate = max(floor, self.rate * (1.1 if plenty else 0.95 if scarce else 1.0))
        elif now - self._refused > 10.0:
            self.rate *= 1.01
        elif now - self._refused > 1.0:
            self.rate = min(self.rate * 1.05, self._ceiling)


class Crowd:
    """How many requests are under way at once: a fixed number, or one that looks for the most that helps.

    It doubles while that raises throughput by a quarter, then stays, and tries a tenth more now and then.
    A 429 takes three tenths off; without one the number comes back.
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

    def refused(self) -> None:
        """A 429 episode began."""
        if self._auto:
            self.limit = self._before = max(1, int(self.limit * 0.7))
            self._settled = True
            self._restart(None)

    def finished(self, now: float, *, full: bool) -> None:
        """A request went through; `full`: the limit, and nothing else, holds more back."""
        if not self._auto:
            return None
        if not full:
            return self._restart(None)
        if self._began is None:
            return self._restart(now)
        self._done += 1
        if self._done >= 2 * self.limit and now - self._began >= 0.25:
            self._judge(self._done / (now - self._began), now)
        return None

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
        self._began, self._done = now, 0


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
        self._prompt_ratio = 0.3  # tokens a byte of body, as usage has it
        self._answer = 100.0  # tokens of an answer, as usage has it

    def delay(self, now: float) -> tuple[float, str]:
        """(seconds until a request may go, what holds it back)."""
        self._learned.adjust(now)
        self._paced.rate = self._learned.rate
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

    def finished(self, now: float, headers: Mapping[str, str], *, full: bool) -> None:
        """A reply came that is no refusal."""
        self._learned.finished(now)
        if headers:
            self._learned.told(headers, now)
            self._told_tokens(headers)
        self.crowd.finished(now, full=full)

    def used(self, size: int, prompt_tokens: int, completion_tokens: int) -> None:
        """What a request of `size` bytes really took."""
        self._prompt_ratio += 0.05 * (prompt_tokens / max(1, size) - self._prompt_ratio)
        self._answer += 0.05 * (completion_tokens - self._answer)

    def refused(self, now: float, retry_after: float | None) -> None:
        """A 429 came. All wait as long as the server asks; then they come one by one, not as a herd."""
        begins = self._learned.refused(now)
        if begins:
            self.crowd.refused()
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
