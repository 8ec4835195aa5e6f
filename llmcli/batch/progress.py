"""Progress: what a person sees of a run. The only importer of rich, and that only on a terminal."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, Protocol

from llmcli.app import App
from llmcli.batch.engine.stats import Stats
from llmcli.errors import one_line
from llmcli.output.report import dollars
from llmcli.output.streams import visible

_LINE_EVERY = 10.0  # seconds between two lines where there is no terminal
_LONG_WAIT = 5.0  # seconds that a person may wonder about
_WINDOW = 10.0  # seconds that a rate is taken over


class Progress(Protocol):
    """Is told of the figures now and then."""

    def tick(self, stats: Stats, now: float) -> None:
        """Show them, if it is time to."""

    def say(self, text: str) -> None:
        """Say something else."""

    def close(self) -> None:
        """Clear the screen of what moves."""


class Rates:
    """Rows and tokens a second, over the last seconds."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int, int]] = deque()

    def of(self, stats: Stats, now: float) -> tuple[float, float]:
        """(rows/s, tokens/s)."""
        rows, tokens = stats.ok + stats.failed, stats.prompt_tokens + stats.completion_tokens
        self._points.append((now, rows, tokens))
        while len(self._points) > 2 and now - self._points[0][0] > _WINDOW:
            self._points.popleft()
        then, rows_then, tokens_then = self._points[0]
        if now <= then:
            then, rows_then, tokens_then = stats.began, 0, 0
        seconds = max(now - then, 1e-9)
        return (rows - rows_then) / seconds, (tokens - tokens_then) / seconds


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
        self._rates = Rates()
        self._last: float | None = None

    def tick(self, stats: Stats, now: float) -> None:
        """See Progress."""
        last = stats.began if self._last is None else self._last
        if now - last >= _LINE_EVERY:
            self._last = now
            self.say(words(stats, *self._rates.of(stats, now), now))

    def close(self) -> None:
        """See Progress."""


class _Screen(io.TextIOWrapper):
    """A terminal, which may go away: what cannot be shown there is nobody's error."""

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            super().flush()


class Bar:
    """A bar that moves, on a terminal."""

    def __init__(self, stream: BinaryIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress
        from rich.table import Column

        words = Column(no_wrap=True, overflow="ellipsis")
        columns = (
            BarColumn(bar_width=24),
            TextColumn("{task.description}", markup=False, table_column=words),
        )
        self._stream = _Screen(stream, "utf-8", errors="replace", write_through=True)
        console = Console(file=self._stream, force_terminal=True)
        self._progress = RichProgress(*columns, console=console, transient=True, auto_refresh=False)
        self._task = self._progress.add_task("starting", total=None)
        self._rates = Rates()
        self._progress.start()

    def tick(self, stats: Stats, now: float) -> None:
        """See Progress."""
        description = words(stats, *self._rates.of(stats, now), now)
        self._progress.update(
            self._task, completed=stats.done, total=stats.total, description=description, refresh=True
        )

    def say(self, text: str) -> None:
        """See Progress. It stands above the bar."""
        shown = visible(one_line(text))
        self._progress.console.print(f"llmcli: {shown}", markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """See Progress."""
        self._progress.stop()
        self._stream.detach()  # else it would close stderr when it is collected


def words(stats: Stats, rows_per_second: float, tokens_per_second: float, now: float) -> str:
    """`120/1,000 rows, 118 ok, 2 failed, 50.1 rows/s, 2,040 tokens/s, $0.0012 of $0.01, ETA 0:18, bound by server`."""
    total = stats.total
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
    if stats.until is not None and stats.until - now >= _LONG_WAIT:
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
    if app.world.stderr_is_terminal and app.world.stderr is not None:
        return Bar(app.world.stderr)
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
        "tokens": f"{stats.prompt_tokens:,} in + {stats.completion_tokens:,} out",
        "cost": dollars(stats.spent),
        "bound by": max(stats.bound, key=stats.bound.__getitem__, default="nothing"),
    }
    if not stats.earlier:
        del lines["before"]
    return "".join(f"{name:<9} {value}\n" for name, value in lines.items())


def _seconds(stats: Stats, share: float) -> str:
    value = stats.latencies.percentile(share / 100)
    return "-" if value is None else f"{value:.3g} s"
