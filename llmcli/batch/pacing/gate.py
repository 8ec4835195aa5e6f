"""The gate: units pass at a rate, and none too many at once."""

from __future__ import annotations

LIMIT_SHARE = 0.99  # of a limit that is given
BURST = 0.1  # seconds by which requests may be ahead of it
_IDLE = 0.05  # seconds: later than this is a pause of the run, and not a clock that was late


class Gate:
    """A generic cell rate algorithm: `rate` units a second, `burst` seconds' worth at once. Rate None: open.

    `lateness`: the seconds that a unit may be late without those after it being so, too.
    Source: ITU-T I.371, the virtual scheduling algorithm.
    """

    def __init__(self, per_minute: float | None, burst: float = BURST, lateness: float = 0.0) -> None:
        self.rate = None if per_minute is None else per_minute / 60 * LIMIT_SHARE
        self.burst, self.lateness = burst, lateness
        self._due = 0.0

    def delay(self, now: float) -> float:
        """Seconds until the next unit may pass."""
        return max(0.0, self._due - self.burst - now) if self.rate is not None else 0.0

    def set(self, rate: float | None, now: float) -> None:
        """Have another rate; what is still to be waited for at a lower one is shortened."""
        if rate is not None and self.rate is not None and rate > self.rate and self._due > now:
            self._due = now + (self._due - now) * self.rate / rate
        self.rate = rate

    def take(self, now: float, units: float) -> None:
        """Let units pass. Many at once pass as one, and are waited for afterwards."""
        if self.rate is not None:
            is_idle = now - self._due > _IDLE
            self._due = (now if is_idle else max(self._due, now - self.lateness)) + units / self.rate

    def reset(self) -> None:
        """Be open, and forget what is still to be waited for."""
        self.rate, self._due = None, 0.0

    def correct(self, now: float, units: float) -> None:
        """Count units in that were not known of when they passed; less than 0: that did not pass."""
        if self.rate is not None:
            self._due = (max(self._due, now) if units > 0 else self._due) + units / self.rate
