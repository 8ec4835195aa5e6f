"""Progress: what a person sees of a run, while it is under way and at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from llmcli.app import App
from llmcli.batch.engine.stats import Stats
from llmcli.output.report import dollars

LONG_WAIT = 5.0  # seconds that a person may wonder about
_LINE_EVERY = 10.0  # seconds between two lines where there is no terminal
_LINE_WHILE_AWAY = 60.0  # the same where rows are at the provider, which takes hours


class Progress(Protocol):
    """Is told of the figures now and then."""

    def tick(self, stats: Stats, now: float) -> None:
        """Show them, if it is time to."""

    def say(self, text: str) -> None:
        """Say something else."""

    def close(self) -> None:
        """Clear the screen of what moves."""


class Silent:
    """For -q."""

    def tick(self, stats: Stats, now: float) -> None:
        """See Progress."""

    def say(self, text: str) -> None:
        """See Progress."""

    def close(self) -> None:
        """See Progress."""


class Lines:
    """A line every ten seconds, for logs."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        from llmcli.batch.bar import Rates  # here, since a run with -q shows nothing

        self._rates = Rates()
        self._last: float | None = None

    def tick(self, stats: Stats, now: float) -> None:
        """See Progress."""
        last = stats.began if self._last is None else self._last
        if now - last >= (_LINE_EVERY if stats.held is None else _LINE_WHILE_AWAY):
            self._last = now
            self.say(words(stats, *self._rates.of(stats, now), now))

    def close(self) -> None:
        """See Progress."""


def words(stats: Stats, rows_per_second: float, tokens_per_second: float, now: float) -> str:
    """`120/1,000 rows, 118 ok, 2 failed, 50.1 rows/s, 2,040 tokens/s, $0.0012 of $0.01, ETA 0:18, bound by server`."""
    total = stats.total
    if stats.held is not None:
        return f"{stats.held}, {stats.failed:,} failed, {dollars(stats.spent)}"
    parts = [
        f"{stats.done:,}{f'/{total:,}' if total is not None else ''} rows",
        f"{stats.earlier - stats.earlier_failed + stats.ok:,} ok",
        f"{stats.earlier_failed + stats.failed:,} failed",
        f"{rows_per_second:,.1f} rows/s",
        f"{tokens_per_second:,.0f} tokens/s",
        _money(stats, total),
    ]
    if total is not None and rows_per_second > 0:
        left = round((total - stats.done) / rows_per_second)
        parts.append(f"ETA {left // 60}:{left % 60:02d}")
    parts.append(f"bound by {stats.binds}")
    if stats.until is not None and stats.until - now >= LONG_WAIT:
        parts.append(f"for {stats.until - now:.0f} s")
    if stats.waiting is not None:
        parts.append(f"nothing gets through: waiting {stats.waiting}")
    return ", ".join(parts)


def _money(stats: Stats, total: int | None) -> str:
    finished = stats.ok + stats.failed
    if stats.spent is None or total is None or not finished:
        return dollars(stats.spent)
    projected = stats.earlier_spent + stats.spent / finished * (total - stats.earlier)
    return f"{dollars(stats.earlier_spent + stats.spent)} of about {dollars(projected)}"


def progress_of(app: App) -> Progress:
    """What is shown while a run is under way: a bar on a terminal, lines elsewhere, nothing with -q."""
    if app.notes.quiet:
        return Silent()
    if app.world.stderr_is_terminal and app.world.env.get("TERM") != "dumb":
        from llmcli.batch.bar import Bar  # as above

        return Bar(app)
    return Lines(app.notes.say)


def summary(stats: Stats, now: float) -> str:
    """What a run was: lines of a name and its figures."""
    seconds = max(now - stats.began, 1e-9)
    finished = stats.ok + stats.failed
    codes = ", ".join(f"{count:,} {code}" for code, count in stats.failures.most_common())
    full = f", {stats.overloaded:,} with 503 or 529" if stats.overloaded else ""
    lines = {
        "rows": f"{finished:,} done: {stats.ok:,} ok, {stats.failed:,} failed{f' ({codes})' if codes else ''}",
        "before": f"{stats.earlier:,} rows were done before, {stats.earlier_failed:,} of them failed",
        "requests": f"{stats.sent:,} sent, {stats.retries:,} again, {stats.refused:,} refused with 429{full}",
        "time": f"{seconds:.1f} s, {finished / seconds:,.1f} rows/s",
        "latency": ", ".join(f"p{share:g} {_seconds(stats, share)}" for share in (50, 95, 99)),
        "tokens": _tokens(stats),
        "cost": dollars(stats.spent),
        "bound by": max(stats.bound, key=stats.bound.__getitem__, default="nothing"),
    }
    if not stats.earlier:
        del lines["before"]
    return "".join(f"{name:<9} {value}\n" for name, value in lines.items())


def _tokens(stats: Stats) -> str:
    """The tokens of all answers; answers that were paid and tell of none leave them unknown."""
    if stats.ok and stats.sent and not stats.prompt_tokens + stats.completion_tokens:
        return "unknown"
    return f"{stats.prompt_tokens:,} in + {stats.completion_tokens:,} out"


def _seconds(stats: Stats, share: float) -> str:
    value = stats.latencies.percentile(share / 100)
    return "-" if value is None else f"{value:.3g} s"
