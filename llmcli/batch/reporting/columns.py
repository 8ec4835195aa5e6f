"""Columns: what many records say, a list for each figure: what is done for a whole list costs little a record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from math import isfinite
from operator import itemgetter
from typing import Any, NamedTuple

from llmcli.batch.reporting.gist import COUNTS, DETAILS, SECOND, Gists, is_moment
from llmcli.batch.reporting.measures import known
from llmcli.wire import MOST_COUNTED, Json, usage_count

_ABOUT = ("model", "latency_ms", "cost_usd", "at", "attempts")
_SECOND = itemgetter(slice(SECOND))


class FigureColumns(NamedTuple):
    """The lists have an entry a record; `attempts`, `cached` and `reasoning` are sums.

    Latency is in ms, cost in $; None is not known. `seconds` are the records that came in one second each, and how
    many they are; `choices` those that tell of labels.
    """

    errors: Sequence[Json | None]
    models: Counter[str | None]
    latencies: Sequence[float | None]
    costs: Sequence[float | None]
    given: Sequence[int | None]
    taken: Sequence[int | None]
    seconds: list[tuple[str, int]]
    choices: list[Any]
    reasons: Counter[str]
    attempts: int
    cached: int
    reasoning: int


def figure_columns(gists: Gists) -> FigureColumns:
    """The figures of these. Raises one of BROKEN where one is no record, or not in the form that it should have."""
    models, latencies, costs, ats, attempts = ([about[name] for about in gists.abouts] for name in _ABOUT)
    given, taken = (_counts(gists.usages, name) for name in COUNTS)
    cached, reasoning = (_detail(gists.usages, *each) for each in DETAILS.items())
    seconds = [(at, len(list(same))) for at, same in groupby(ats, _SECOND)]
    columns = FigureColumns(
        gists.errors,
        Counter(models),
        latencies,
        costs,
        given,
        taken,
        seconds,
        [about["choice"] for about in gists.abouts if "choice" in about],
        gists.reasons,
        sum(attempts),
        cached,
        reasoning,
    )
    _check(columns)
    return columns


def _counts(usages: Sequence[Json], name: str) -> list[int | None]:
    """A count of each usage, as `usage_count` reads it."""
    counts: list[Any] = [usage.get(name) for usage in usages]
    kinds = {*map(type, counts)}
    if kinds == {type(None)} or (kinds == {int} and min(counts) >= 0 and max(counts) <= MOST_COUNTED):
        return counts
    return [usage_count(usage, name) for usage in usages]


def _detail(usages: Sequence[Json], name: str, part: str) -> int:
    """The sum of what details of the usages tell."""
    details = [told for usage in usages if (told := usage.get(name))]
    return sum(known(_counts(details, part))) if details else 0


def _check(columns: FigureColumns) -> None:
    """Raise ValueError or TypeError for what cannot be added up."""
    if not (isfinite(sum(known(columns.latencies))) and isfinite(sum(known(columns.costs)))):
        raise ValueError
    if {*map(type, columns.models)} - {str, type(None)} or type(columns.attempts) is not int:
        raise TypeError
    if not all(is_moment(at) for at, _ in columns.seconds):
        raise ValueError
    errors = columns.errors
    if not len(errors) == len(columns.latencies) == len(columns.given):
        raise ValueError
    if errors.count(None) < len(errors) and {*map(type, errors)} - {dict, type(None)}:
        raise TypeError
