"""Pace: how fast, and how many at once, by flags, by what the server takes, and by throughput."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from llmcli.batch.pacing.crowd import Crowd
from llmcli.batch.pacing.gate import BURST, LIMIT_SHARE, Gate
from llmcli.batch.pacing.limit_window import LimitWindow, declares
from llmcli.batch.pacing.server_limit import ServerLimit
from llmcli.loop.connections import MOST_CONNECTIONS

if TYPE_CHECKING:
    from llmcli.files.shared_numbers import SharedNumbers

_LATENESS = 0.004  # seconds of delay that may be made up for where a server may refuse a burst
_SHORT = 2.0  # seconds: for a Retry-After up to this not all need wait, where waiting has not helped
_HOLD = 61.0  # seconds, a little over a minute: a limit that holds us longer is tried, not believed
_SAME = 1e-3  # seconds that make no difference
_TRY_EVERY = 60.0  # seconds between two tries of it
_AT_ONCE = (0.0, "server")  # what is known of no limit
_ANSWER = 100.0  # tokens, the least that an answer of any length is taken to be at first


class Pace:
    """All that says when the next request may go: `delay` seconds, and why.

    `rpm`, `tpm`: the user's limits a minute. `concurrency` None: find it out, up to `most`. `timeout` is --timeout.
    """

    def __init__(
        self,
        rpm: float | None,
        tpm: float | None,
        concurrency: int | None,
        most: int = MOST_CONNECTIONS,
        timeout: float = math.inf,
    ) -> None:
        self.crowd = Crowd(concurrency, most, timeout)
        self._requests: Gate = Gate(rpm)
        self._tokens: Gate = Gate(tpm)
        self._whole = [(gate, gate.rate) for gate in (self._requests, self._tokens)]
        self._token_limit = tpm
        self._token_window = LimitWindow("tokens")
        self._server = ServerLimit()
        self._paced = Gate(None, burst=0.0, lateness=_LATENESS)
        self._learned: Gate = self._paced  # a rate that was learned is this process's alone,
        self._declared: Gate = self._paced  # one that is declared may be shared
        self._paused_until = 0.0
        self._headers: Mapping[str, str] = {}  # the last that came
        self._sent = 0.0  # time of the last request
        self.held_since: float | None = None  # since when a limit that is not believed holds the run back,
        self.holder = ""  # and what says so
        self._prompt_ratio = 0.3  # tokens a byte of body, as usage has it
        self._answer: float | None = None  # tokens of an answer, as usage has it

    def divide(self, count: float, now: float = 0.0) -> None:
        """Keep from now on to one of `count` equal parts of every limit that is given, or that headers declare."""
        if count == self._token_window.parts:
            return
        for gate, whole in self._whole:
            if whole is not None:
                gate.set(whole / count, now)
        if self._token_limit is None and self._tokens.rate is not None:
            self._tokens.set(self._tokens.rate * self._token_window.parts / count, now)
        self._server.window.parts = self._token_window.parts = count

    def share(self, cells: SharedNumbers) -> None:
        """Keep together with all that have these cells to limits that are given, or that headers declare."""
        from llmcli.batch.pacing.shared_gate import (  # here, since few runs share a limit
            DECLARED,
            REQUESTS,
            TOKENS,
            SharedGate,
        )

        self._requests = SharedGate(self._requests, cells, REQUESTS)
        self._tokens = SharedGate(self._tokens, cells, TOKENS)
        self._declared = SharedGate(self._learned, cells, DECLARED)

    def delay(self, now: float) -> tuple[float, str]:
        """(seconds until a request may go, what holds it back)."""
        if (
            self._server.rate is None
            and self._requests.rate is None
            and self._tokens.rate is None
            and self.held_since is None
            and now >= self._paused_until
        ):
            return _AT_ONCE
        self._server.adjust(now)
        self._paced = self._learned if self._server.declared is None else self._declared
        self._paced.set(self._server.rate, now)
        self._paced.lateness = max(_LATENESS, min(BURST, self._server.patience))
        tokens = self._tokens.delay(now)
        paced = self._paced.delay(now)
        if paced > _HOLD or (tokens > _HOLD and self._token_limit is None):
            return self._doubted(now, self._token_window if tokens > paced else self._server.window)
        self.held_since = None
        return max(
            (self._requests.delay(now), "requests"),
            (tokens, "tokens"),
            (paced, "server"),
            (self._paused_until - now, "server"),
        )

    def _doubted(self, now: float, window: LimitWindow) -> tuple[float, str]:
        """A limit of the server's would hold the run back for long: one request a minute finds out."""
        if self.held_since is None:
            self.held_since, self.holder = now, f"the server's header {window.header(self._headers)}"
        wait = max(self._sent + _TRY_EVERY, self._paused_until) - now
        return max(wait, self._requests.delay(now)), self.holder

    def disbelieve(self) -> None:
        """What holds the run back is no limit: a request went through, or nothing is waited for."""
        self.held_since = None
        self._server.disbelieve()
        self._paced.reset()
        if self._token_limit is None:
            self._tokens.reset()
            self._token_limit = math.inf  # headers that say otherwise are not heard

    def take(self, now: float, size: int, max_tokens: int | None) -> float:
        """A request of `size` bytes goes out; how many tokens it is taken to be."""
        self._send(now)
        if self._tokens.rate is None:
            return 0.0
        tokens = size * self._prompt_ratio + max(max_tokens or 0, self._usual(max_tokens))
        self._tokens.take(now, tokens)
        return tokens

    def _send(self, now: float) -> None:
        self._sent = now
        if self._requests.rate is not None:
            self._requests.take(now, 1)
        if self._paced.rate is not None:
            self._paced.take(now, 1)
        self._server.sends(now)

    async def next(self, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        """Wait until one more request of a row that is under way may go out, and take it to be sent.

        Its tokens are part of what the row is told to have used.
        """
        while (delay := self.delay(clock())[0]) > 0:
            await sleep(delay)
        self._send(clock())

    def give_back(self, now: float, taken: float) -> None:
        """A request did not go out after all, that was `taken` to be so many tokens."""
        self._requests.correct(now, -1)
        self._paced.correct(now, -1)
        self._tokens.correct(now, -taken)
        self._server.takes_back()

    def _usual(self, max_tokens: int | None) -> float:
        """Tokens of an answer; while nobody knows, and nothing bounds it, a second's worth."""
        if self._answer is not None:
            return self._answer
        return max(_ANSWER, self._tokens.rate or 0.0) if max_tokens is None else 0.0

    def finished(self, now: float, sent: float, crowd: int, headers: Mapping[str, str]) -> None:
        """A reply came that is no refusal, for what was `sent` then, as one of `crowd`."""
        self._server.passes()
        if self.held_since is not None and sent > self.held_since + _SAME:
            self.disbelieve()
        if declares(headers):
            self._server.told(headers, now)
            self._told_tokens(headers)
            self._headers = headers
        self.crowd.finished(now, sent, crowd)
        if (rate := self._server.declared) is not None:
            self.crowd.allow(rate, now)

    def used(self, now: float, size: int, prompt_tokens: int, completion_tokens: int, taken: float) -> None:
        """What a request of `size` bytes really took, that was `taken` to be so many tokens."""
        if self._tokens.rate is not None:
            self._tokens.correct(now, prompt_tokens + completion_tokens - taken)
        answer = completion_tokens if self._answer is None else self._answer
        self._answer = answer + 0.05 * (completion_tokens - answer)
        self._prompt_ratio += 0.05 * (prompt_tokens / (size or 1) - self._prompt_ratio)

    def refused(self, now: float, sent: float, retry_after: float | None, taken: float = 0.0) -> None:
        """A 429 came for what was `sent` then: all wait as the server asks, then go one by one, not as a herd.

        The tokens that it was `taken` to be were not used.
        """
        self._tokens.correct(now, -taken)
        self._server.refuses(now, sent, retry_after)
        if retry_after and (retry_after > _SHORT or not self._server.is_doubted):
            self._paused_until = max(self._paused_until, now + retry_after)

    def _told_tokens(self, headers: Mapping[str, str]) -> None:
        limit = self._token_window.a_minute(headers)
        if limit and self._token_limit is None:
            self._tokens.rate = limit / 60 * LIMIT_SHARE
