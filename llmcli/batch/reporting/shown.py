"""What a report says in the terminal: of one run, or of two beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal

from llmcli.batch.reporting.figures import Figures
from llmcli.batch.reporting.measures import Percentiles
from llmcli.batch.reporting.pairs import PAIR_KINDS, Comparison
from llmcli.output.report import dollars
from llmcli.output.streams import visible

_BARS = "▁▂▃▄▅▆▇█"
_MOST = 8  # models, reasons or labels in a line


def report_text(figures: Figures) -> str:
    """The figures of one run, or of several added up."""
    return "\n".join(_aligned([("", _title(figures)), *_lines(figures)])) + "\n"


def comparison_text(runs: Sequence[Figures], comparison: Comparison) -> str:
    """Two runs beside each other, and what became of their rows."""
    first, second = runs
    lines = [("first", _title(first)), ("second", _title(second)), ("", "")]
    lines += [
        (
            "rows",
            ", ".join(f"{comparison.kinds[kind]:,} {kind}" for kind in PAIR_KINDS if comparison.kinds[kind])
            or "none",
        )
    ]
    if (share := comparison.share) is not None:
        about = f"{comparison.of_which_differ:,} of {comparison.same_request:,} answers to the very same request differ"
        lines += [("repeats", f"{share:.1%}: {about}: what is below that says nothing of the change")]
    changes = [(one, other, count) for (one, other), count in comparison.labels.most_common() if one != other]
    for one, other, count in changes[:20]:
        lines += [("label", f"{count:,}  {one or 'none'} → {other or 'none'}")]
    lines += [
        ("cost", f"{_cost(first)} → {_cost(second)}"),
        ("latency", f"{_percentiles(first.latency)} → {_percentiles(second.latency)}"),
    ]
    lines += [
        ("tokens", f"{_tokens(first)} → {_tokens(second)}"),
        ("time", f"{_time(first)} → {_time(second)}"),
        ("models", f"{_counted(first.models)} → {_counted(second.models)}"),
    ]
    return "\n".join(_aligned(lines)) + "\n"


def _title(figures: Figures) -> str:
    names = visible(", ".join(figures.names))
    return f"{names}: {_rows(figures.rows)}, {figures.ok:,} ok, {figures.failed:,} failed"


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _aligned(lines: Sequence[tuple[str, str]]) -> Iterator[str]:
    for name, text in lines:
        yield f"{name:<10}{text}" if name else text


def _lines(figures: Figures) -> Iterator[tuple[str, str]]:
    for code, each in sorted(figures.failures.items(), key=lambda item: -item[1].count):
        yield (
            "failed",
            f"{each.count:,} {visible(code)}, such as {visible(str(each.custom_id))}: {visible(each.message)}",
        )
    yield "tokens", _tokens(figures)
    yield "cost", _cost(figures)
    yield "latency", _percentiles(figures.latency)
    yield "time", _time(figures)
    parts = figures.timeline.parts()[1]
    if len(parts) > 1:
        most = max(part.rows for part in parts) or 1
        yield (
            "rows/s",
            "".join(_BARS[min(int(part.rows / most * len(_BARS)), len(_BARS) - 1)] for part in parts),
        )
    yield "attempts", f"{figures.attempts:,}"
    for name, counted in (
        ("models", figures.models),
        ("finish", figures.reasons),
        ("labels", figures.labels),
    ):
        if counted:
            yield name, _counted(counted)


def _counted(counted: Counter[str]) -> str:
    shown = ", ".join(f"{visible(word)} {count:,}" for word, count in counted.most_common(_MOST))
    rest = len(counted) - _MOST
    return (shown or "none") + (f", and {rest:,} more" if rest > 0 else "")


def _tokens(figures: Figures) -> str:
    counts = figures.tokens
    given = f"{counts['in']:,} in ({counts['cached']:,} cached)"
    return f"{given} + {counts['out']:,} out ({counts['reasoning']:,} reasoning)"


def _cost(figures: Figures) -> str:
    unknown = f"{_rows(figures.unpriced)} of unknown price"
    if not figures.priced:
        return unknown if figures.unpriced else "nothing"
    return dollars(Decimal(figures.cost)) + (f" and {unknown}" if figures.unpriced else "")


def _percentiles(spread: Percentiles) -> str:
    if not spread.count:
        return "unknown"
    p50, p90, p99 = (number or 0.0 for number in spread.at(0.5, 0.9, 0.99))
    return f"p50 {_seconds(p50)}, p90 {_seconds(p90)}, p99 {_seconds(p99)}, max {_seconds(spread.highest)}"


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.2f} s"


def _time(figures: Figures) -> str:
    bounds = figures.timeline.bounds()
    if bounds is None:
        return "none"
    rate = "" if figures.rate is None else f", {figures.rate:,.1f} rows/s"
    began, ended = bounds
    until = f"{ended:%H:%M:%S}" if ended.date() == began.date() else f"{ended:%Y-%m-%d %H:%M:%S}"
    return f"{began:%Y-%m-%d %H:%M:%S} to {until} UTC, {figures.seconds:,.0f} s{rate}"
