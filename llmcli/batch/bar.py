"""The bar: what a run has done, on the last line of a terminal, with as much of it as fits there."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal

from llmcli.app import App
from llmcli.batch.engine.stats import Stats
from llmcli.batch.progress import LONG_WAIT
from llmcli.lean.dataclass import dataclass
from llmcli.output.status import BETWEEN, StatusLine, fitted
from llmcli.output.streams import Notes, Stdout, nothing

_WINDOW = 10.0  # seconds that a rate is taken over
_SHORTEST, _LONGEST = 5, 40  # columns of the bar itself
_NARROW = 40  # columns that have no room for one
_SHORTER = (
    *("tokens", "money", "counts", "binds", "done", "rate", "counts", "done", "rate", "binds", "money"),
    *("counts", "money", "eta", "money", "rate", "binds"),
)
"""Which part gives way, and in what order: at 80 columns all but tokens/s and the codes of failures are there."""


class Rates:
    """Rows and tokens a second, over the last seconds."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int, int]] = deque()
        self._told = (0.0, 0.0)
        self._is_begun = False

    def of(self, stats: Stats, now: float) -> tuple[float, float]:
        """(rows/s, tokens/s)."""
        rows, tokens = stats.ok + stats.failed, stats.prompt_tokens + stats.completion_tokens
        if not self._points and not self._is_begun:
            self._points.append((stats.began, 0, 0))
        self._is_begun = True
        self._points.append((now, rows, tokens))
        while len(self._points) > 2 and now - self._points[0][0] > _WINDOW:
            self._points.popleft()
        then, rows_then, tokens_then = self._points[0]
        if now > then:
            self._told = (rows - rows_then) / (now - then), (tokens - tokens_then) / (now - then)
        return self._told

    def restart(self) -> None:
        """Measure from the next call on: until now, nothing ran."""
        self._points.clear()


class Bar:
    """A line that moves, on a terminal, as wide as that is; told of again after a pause (Ctrl-Z, fg)."""

    def __init__(self, app: App) -> None:
        self._notes = app.notes
        self._beside: list[Notes | Stdout] = [app.notes, app.stdout] if app.stdout.terminal else [app.notes]
        self._style = Style.of(app.world.env)
        self._line = StatusLine(app.world.stderr, app.notes.draw)
        self._rates = Rates()
        self._pauses = Pauses(self._line.leave, self._rates.restart)
        for out in self._beside:
            out.aside = self._line.clear

    def tick(self, stats: Stats, now: float) -> None:
        """See Progress."""
        figures = parts(stats, *self._rates.of(stats, now), now)
        share = None if not stats.total else stats.done / stats.total
        self._line.draw(drawn(figures, share, self._line.width, self._style))

    def say(self, text: str) -> None:
        """See Progress. It stands above the line."""
        self._notes.say(text)

    def close(self) -> None:
        """See Progress."""
        self._line.clear()
        self._pauses.close()
        for out in self._beside:
            out.aside = nothing


def parts(
    stats: Stats, rows_per_second: float, tokens_per_second: float, now: float
) -> dict[str, tuple[str, ...]]:
    """What there is to say of a run, each in its forms, the longest first; see `fitted`."""
    nothing = ("",)
    if stats.held is not None:  # rows at the provider come back many at once: no rate says when
        held = (stats.held, stats.held.partition(", ")[0], "")
        away = {"done": _done(stats.done, stats.total), "counts": _counts(stats), "money": _money(stats)}
        return {**away, "rate": nothing, "tokens": nothing, "eta": nothing, "binds": held}
    return {
        "done": _done(stats.done, stats.total),
        "counts": _counts(stats),
        "rate": _rate(rows_per_second),
        "tokens": (f"{tokens_per_second:,.0f} tokens/s", ""),
        "money": _money(stats),
        "eta": _eta(stats, rows_per_second),
        "binds": _binds(stats, now),
    }


def _rate(rows_per_second: float) -> tuple[str, ...]:
    whole = f"{rows_per_second:,.0f}" if rows_per_second >= 10 else f"{rows_per_second:.2g}"
    return f"{rows_per_second:,.1f} rows/s", f"{whole} rows/s", f"{_few(rows_per_second)} rows/s", ""


def _done(done: int, total: int | None) -> tuple[str, ...]:
    if total is None:
        return f"{done:,} rows", f"{_few(done)} rows", _few(done)
    return f"{done:,}/{total:,} rows", f"{done:,}/{total:,}", f"{_few(done)}/{_few(total)}"


def _counts(stats: Stats) -> tuple[str, ...]:
    ok, failed = stats.earlier - stats.earlier_failed + stats.ok, stats.earlier_failed + stats.failed
    if not failed:
        return f"{ok:,} ok", ""
    codes = ", ".join(f"{count:,} {code}" for code, count in stats.failures.most_common())
    return f"{ok:,} ok, {failed:,} failed{f' ({codes})' if codes else ''}", f"{failed:,} failed", ""


def _money(stats: Stats) -> tuple[str, ...]:
    finished, total = stats.ok + stats.failed, stats.total
    if stats.spent is None:
        return "price unknown", ""
    spent = stats.earlier_spent + stats.spent
    if total is None or not finished:
        return f"{_usd(spent)} spent", _usd(spent), ""
    projected = stats.earlier_spent + stats.spent / finished * (total - stats.earlier)
    whole, short = f"{_usd(spent)} of about {_usd(projected)}", f"{_usd(spent)} of {_usd(projected)}"
    return whole, short, f"{_few_usd(spent)} of {_few_usd(projected)}", _few_usd(spent), ""


def _eta(stats: Stats, rows_per_second: float) -> tuple[str, ...]:
    if stats.total is None or rows_per_second <= 0:
        return ("",)
    minutes, seconds = divmod(round((stats.total - stats.done) / rows_per_second), 60)
    hours, minutes = divmod(minutes, 60)
    return f"ETA {f'{hours}:{minutes:02d}' if hours else minutes}:{seconds:02d}", ""


def _binds(stats: Stats, now: float) -> tuple[str, ...]:
    if stats.waiting is not None:
        until = stats.waiting.rpartition(", ")[2]
        return f"nothing gets through: waiting {stats.waiting}", f"waiting {until}", "waiting"
    wait = (
        f" for {left:.0f} s" if stats.until is not None and (left := stats.until - now) >= LONG_WAIT else ""
    )
    binds = f"bound by {stats.binds}"
    short = stats.binds.partition(" (")[0]
    return f"{binds}{wait}", f"bound by {short}{wait}", f"by {short}", ""


def _usd(amount: Decimal) -> str:
    """Dollars, as few digits of them as tell one sum from another."""
    digits = 2 if amount >= 1 else 4 if amount >= Decimal("0.01") or not amount else 6
    return f"${amount:,.{digits}f}"


def _few_usd(amount: Decimal) -> str:
    return f"${_few(float(amount))}" if amount >= 1000 else _usd(amount)


def _few(number: float) -> str:
    """A number in at most five characters: `950`, `12.3k`, `1.20M`."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return (
                f"{number / size:.3g}{letter}" if number < 999.5 * size else f"{number / size:,.0f}{letter}"
            )
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"


@dataclass(frozen=True)
class Style:
    """How a bar is drawn: its characters, and the escape sequences before what is done, what is not, and after both."""

    full: str = "━"
    empty: str = "─"
    done: str = "\x1b[32m"
    open: str = "\x1b[2m"
    end: str = "\x1b[0m"

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Style:
        """What a terminal shows by its environment: NO_COLOR, and the encoding of its locale."""
        encoding = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or "UTF-8"
        is_utf8 = "utf8" in encoding.lower().replace("-", "") or "." not in encoding
        characters = {} if is_utf8 else {"full": "#", "empty": "-"}
        return cls(**characters, **({"done": "", "open": "", "end": ""} if env.get("NO_COLOR") else {}))


def drawn(figures: Mapping[str, tuple[str, ...]], share: float | None, width: int, style: Style) -> str:
    """A line of `width` columns: a bar of the share that is done (None: not known, and no bar), then the figures."""
    if share is None or width < _NARROW:
        return fitted(figures, _SHORTER, width)
    text = fitted(figures, _SHORTER, width - _SHORTEST - len(BETWEEN))
    length = min(width - len(text) - len(BETWEEN), _LONGEST)
    full = round(min(share, 1.0) * length)
    bar = f"{style.done}{style.full * full}{style.open}{style.empty * (length - full)}{style.end}"
    return f"{bar}{BETWEEN}{text}"


class Pauses:
    """Has a line leave the terminal when a person stops the program (Ctrl-Z), and be told when it goes on."""

    def __init__(self, leave: Callable[[], None], resume: Callable[[], None]) -> None:
        self._leave, self._resume = leave, resume
        self._taken: list[signal.Signals] = []
        with suppress(ValueError):  # not the main thread
            for number, handler in ((signal.SIGTSTP, self._pause), (signal.SIGCONT, self._go_on)):
                if signal.getsignal(number) is signal.SIG_DFL:  # a shell without jobs has us ignore the first
                    signal.signal(number, handler)
                    self._taken.append(number)

    def _pause(self, number: int, _frame: object) -> None:
        self._leave()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # comes back when the program goes on
        signal.signal(number, self._pause)

    def _go_on(self, _number: int, _frame: object) -> None:
        self._resume()

    def close(self) -> None:
        """Let stops be what they are without us."""
        while self._taken:
            signal.signal(self._taken.pop(), signal.SIG_DFL)
