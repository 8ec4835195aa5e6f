"""Figures: what the records of a run come to, added up in memory that does not grow with their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from typing import Any

from llmcli import jsonl
from llmcli.batch.reporting.gist import Gist, gist_of
from llmcli.batch.reporting.measures import Percentiles, Timeline
from llmcli.batch.reporting.outs import BatchOut
from llmcli.errors import one_line
from llmcli.lean.dataclass import dataclass
from llmcli.wire import Json

_BATCH = 4096  # entries whose numbers are added up at once
_SHARES = (0.5, 0.9, 0.95, 0.99)
_NOTHING: Json = {}
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
    """What there was. `cost` is in $, of rows whose cost is known; `unpriced` are answers without one."""

    names: list[str] = field(default_factory=list)
    ok: int = 0
    failed: int = 0
    attempts: int = 0
    cost: float = 0.0
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
        numbers: tuple[list[float], list[float], list[float]] = ([], [], [])
        latencies, costs, answers = numbers
        tokens_in = tokens_out = cached = reasoning = 0
        kinds: Counter[Any] = Counter()
        slots, width = self.timeline.slots, self.timeline.width
        for number, (content, gist) in enumerate(_gists(out), 1):
            # for each of a million rows: no calls that can be saved
            about, usage, choices = gist["llmcli"], gist["usage"] or _NOTHING, gist["choices"]
            latency, cost, at = about["latency_ms"], about["cost_usd"], about["at"][:width]
            given, taken = usage.get("prompt_tokens"), usage.get("completion_tokens")
            slot = slots.get(at)
            if slot is None:
                slot = slots[at] = [0.0] * 6
            slot[0] += 1
            if latency is not None:
                latencies.append(latency)
                slot[4] += latency
                slot[5] += 1
            if cost is not None:
                costs.append(cost)
                slot[3] += cost
            if taken is not None:
                answers.append(taken)
                slot[2] += (given or 0) + taken
            kinds[
                about["model"],
                choices[0].get("finish_reason") if len(choices) == 1 else reasons_of(choices),
                "error" in gist,
                cost is None,
                about["attempts"],
            ] += 1
            tokens_in += given or 0
            tokens_out += taken or 0
            if details := usage.get("prompt_tokens_details"):
                cached += details.get("cached_tokens") or 0
            if details := usage.get("completion_tokens_details"):
                reasoning += details.get("reasoning_tokens") or 0
            if len(gist) > 3 or len(about) > 6:
                self._take_rare(gist, content, slot)
            if number % _BATCH == 0:
                self._fold(numbers)
                slots, width = self.timeline.slots, self.timeline.width
        self._fold(numbers)
        self._take_kinds(kinds)
        self.tokens.update({"in": tokens_in, "cached": cached, "out": tokens_out, "reasoning": reasoning})
        return self

    def _fold(self, numbers: Sequence[list[float]]) -> None:
        for spread, taken in zip((self.latency, self.costs, self.answers), numbers, strict=True):
            spread.take(taken)
            taken.clear()
        self.timeline.tidy()

    def _take_rare(self, gist: Gist, content: bytes, slot: list[float]) -> None:
        """Labels; of a failure its code, and the first as an example."""
        self.labels.update(gist_labels(gist))
        if (error := gist.get("error")) is None:
            return
        slot[1] += 1
        code = str(error.get("code"))
        if (same := self.failures.get(code)) is not None:
            same.count += 1
            return
        known = jsonl.loads(content)["custom_id"]
        message = one_line(str(error.get("message")))[:_EXAMPLE]
        self.failures[code] = Failures(1, known, gist["llmcli"]["row"], message)

    def _take_kinds(self, kinds: Counter[Any]) -> None:
        for (model, finish, bad, unpriced, attempts), times in kinds.items():
            self.ok += 0 if bad else times
            self.failed += times if bad else 0
            self.unpriced += times if unpriced and not bad else 0
            self.attempts += times * attempts
            self.models[model or "none"] += times
            for reason in finish if isinstance(finish, tuple) else () if finish is None else (finish,):
                self.reasons[reason] += times
        self.cost = self.costs.total

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
            "cost_usd": self.cost if self.costs.count else None,
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


def _gists(out: BatchOut) -> Iterator[tuple[bytes, Gist]]:
    for content in out.contents():
        gist = gist_of(content)
        if gist is None:
            raise out.foreign(next(line for line in out.lines() if line.content == content))
        yield content, gist


def figures_of(outs: Iterable[BatchOut]) -> Figures:
    """The figures of these, added up. Raises UsageError."""
    figures = Figures()
    for out in outs:
        figures.take(out)
    return figures


def gist_labels(gist: Gist) -> list[str]:
    """The labels of a gist's choices; of one that is none of the labels, nothing."""
    choice = gist["llmcli"].get("choice")
    told = choice if isinstance(choice, list) else [choice] if choice else []
    return [str(each["label"]) for each in told if isinstance(each, dict) and each.get("label") is not None]


def reasons_of(choices: Sequence[Json]) -> tuple[str, ...] | None:
    """The finish reasons of several choices; None where there are none."""
    return tuple(str(choice.get("finish_reason")) for choice in choices) or None


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
