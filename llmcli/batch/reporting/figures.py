"""Figures: what the records of a run come to, added up in memory that does not grow with their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import field
from io import BytesIO
from itertools import chain
from typing import Any

from llmcli import jsonl
from llmcli.batch.reporting.columns import FigureColumns, figure_columns
from llmcli.batch.reporting.gist import BROKEN, Gist, Gists, gists_in, gists_of, whole_gist
from llmcli.batch.reporting.measures import Percentiles, Timeline, known
from llmcli.batch.reporting.outs import BatchOut
from llmcli.errors import one_line
from llmcli.lean.dataclass import dataclass
from llmcli.wire import Json

_SHARES = (0.5, 0.9, 0.95, 0.99)
_EXAMPLE = 300  # characters of a message


@dataclass
class Failures:
    """Failures of one code, and the first of them as an example."""

    count: int
    custom_id: Any
    row: int
    message: str


@dataclass
class Figures:
    """What there was. `cost` is in $, of the `priced` rows; `unpriced` are answers without one.

    `whole`: with the percentiles that no terminal shows.
    """

    whole: bool = True
    names: list[str] = field(default_factory=list)
    ok: int = 0
    failed: int = 0
    attempts: int = 0
    cost: float = 0.0
    priced: int = 0
    unpriced: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    failures: dict[str, Failures] = field(default_factory=dict)
    latency: Percentiles = field(default_factory=Percentiles)
    costs: Percentiles = field(default_factory=Percentiles)
    answers: Percentiles = field(default_factory=Percentiles)  # tokens of each
    timeline: Timeline = field(default_factory=Timeline)

    @property
    def rows(self) -> int:
        """All that have a record."""
        return self.ok + self.failed

    @property
    def seconds(self) -> float | None:
        """From the first record to the last, to the second; None where there is none."""
        bounds = self.timeline.bounds()
        return None if bounds is None else (bounds[1] - bounds[0]).total_seconds()

    @property
    def rate(self) -> float | None:
        """Rows a second; None where all came in one."""
        return self.rows / seconds if (seconds := self.seconds) else None

    def take(self, out: BatchOut) -> Figures:
        """Add the records of an OUT. Raises UsageError where a line is none."""
        self.names.append(out.name)
        for stretch in out.stretches():
            try:
                gists = gists_in(stretch)
                columns = figure_columns(gists)
            except BROKEN:
                gists = _checked(out, stretch)
                columns = figure_columns(gists)
            self._add(columns)
            if columns.errors.count(None) < len(columns.errors):
                self._add_failures(gists, stretch)
        return self

    def _add(self, columns: FigureColumns) -> None:
        count, costs, taken = len(columns.errors), known(columns.costs), known(columns.taken)
        failed = count - columns.errors.count(None)
        self.ok += count - failed
        self.failed += failed
        self.cost += sum(costs)
        self.priced += len(costs)
        if len(costs) < count:
            self.unpriced += _unpriced(columns)
        self.attempts += columns.attempts
        self.tokens["in"] += sum(known(columns.given))
        self.tokens["out"] += sum(taken)
        self.tokens["cached"] += columns.cached
        self.tokens["reasoning"] += columns.reasoning
        for model, times in columns.models.items():
            self.models[model or "none"] += times
        self.reasons.update(columns.reasons)
        if columns.choices:
            self.labels.update(_labels(columns.choices))
        self.latency.take(known(columns.latencies))
        if self.whole:
            self.costs.take(costs)
            self.answers.take(taken)
        self._add_seconds(columns)

    def _add_seconds(self, columns: FigureColumns) -> None:
        begin = 0
        for at, count in columns.seconds:
            self.timeline.add(at, _sums(columns, slice(begin, begin + count)))
            begin += count
        self.timeline.tidy()

    def _add_failures(self, gists: Gists, stretch: bytes) -> None:
        """Count failures by code; the first of each is an example."""
        codes = [None if error is None else str(error.get("code")) for error in gists.errors]
        for code, count in Counter(codes).items():
            if code is None:
                continue
            if (same := self.failures.get(code)) is not None:
                same.count += count
                continue
            first = codes.index(code)
            message = one_line(str((gists.errors[first] or {}).get("message")))[:_EXAMPLE]
            custom_id = jsonl.loads(stretch.split(b"\n")[first])["custom_id"]
            self.failures[code] = Failures(count, custom_id, gists.abouts[first]["row"], message)

    def record(self) -> Json:
        """All of it as JSON. Times are in milliseconds, `seconds` and `at` apart; costs in $; null is not known."""
        bounds, (step, parts) = self.timeline.bounds(), self.timeline.parts()
        began, ended = (None, None) if bounds is None else (f"{at.isoformat()}Z"[:19] + "Z" for at in bounds)
        return {
            "outs": self.names,
            "rows": self.rows,
            "ok": self.ok,
            "failed": self.failed,
            "failures": {code: vars(each) for code, each in _most_first(self.failures)},
            "attempts": self.attempts,
            "tokens": {name: self.tokens[name] for name in ("in", "cached", "out", "reasoning")},
            "cost_usd": self.cost if self.priced else None,
            "unpriced": self.unpriced,
            "latency_ms": _shares(self.latency),
            "answer_tokens": _shares(self.answers),
            "began": began,
            "ended": ended,
            "seconds": self.seconds,
            "rows_per_second": self.rate,
            "models": dict(self.models.most_common()),
            "finish_reasons": dict(self.reasons.most_common()),
            "labels": dict(self.labels.most_common()),
            "over_time": {"seconds": step, "parts": [part._asdict() for part in parts]},
        }


def _unpriced(columns: FigureColumns) -> int:
    """How many answers are of unknown price."""
    return sum(map(lambda cost, error: cost is None and error is None, columns.costs, columns.errors))


def _sums(columns: FigureColumns, span: slice) -> list[float]:
    """What came in one second; see Timeline."""
    errors, latencies = columns.errors[span], known(columns.latencies[span])
    return [
        len(errors),
        len(errors) - errors.count(None),
        sum(known(columns.given[span])) + sum(known(columns.taken[span])),
        sum(known(columns.costs[span])),
        sum(latencies),
        len(latencies),
    ]


def _checked(out: BatchOut, stretch: bytes) -> Gists:
    """The gists of lines, each read alone. Raises UsageError where one is no record."""
    found: list[Gist] = []
    for content in BytesIO(stretch):
        gist = whole_gist(content)
        if gist is None:
            raise out.foreign(next(line for line in out.lines() if line.content == content))
        found.append(gist)
    return gists_of(found)


def figures_of(outs: Iterable[BatchOut], *, whole: bool) -> Figures:
    """The figures of these, added up; `whole` as in Figures. Raises UsageError."""
    figures = Figures(whole=whole)
    for out in outs:
        figures.take(out)
    return figures


def _labels(choices: Sequence[Any]) -> Iterable[str]:
    """The labels that records tell, quickly where each tells one."""
    try:
        labels = [choice["label"] for choice in choices]
    except (TypeError, KeyError):
        labels = [None]
    if {*map(type, labels)} == {str}:
        return labels
    return chain.from_iterable(map(told_labels, choices))


def told_labels(choice: Any) -> list[str]:
    """The labels that a record tells; where it tells of none of the labels, nothing."""
    told = choice if isinstance(choice, list) else [choice] if choice else []
    return [str(each["label"]) for each in told if isinstance(each, dict) and each.get("label") is not None]


def _most_first(failures: dict[str, Failures]) -> list[tuple[str, Failures]]:
    return sorted(failures.items(), key=lambda item: -item[1].count)


def _shares(spread: Percentiles) -> Json:
    p50, p90, p95, p99 = spread.at(*_SHARES)
    mean = spread.total / spread.count if spread.count else None
    return {
        "p50": p50,
        "p90": p90,
        "p95": p95,
        "p99": p99,
        "max": spread.highest if spread.count else None,
        "mean": mean,
    }
