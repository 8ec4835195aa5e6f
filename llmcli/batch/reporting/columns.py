"""Columns: what many records say, a list for each figure: what is done for a whole list costs little a record."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import isfinite
from operator import itemgetter
from typing import Any, NamedTuple

from llmcli.batch.reporting.gist import SECOND, Gist, is_moment
from llmcli.wire import Json

_NOTHING: Json = {}
_ABOUT = itemgetter("model", "latency_ms", "cost_usd", "at", "attempts")
_COUNTS = {int, float, bool, type(None)}


class FigureColumns(NamedTuple):
    """Each list has an entry a record. Latency is in ms, cost in $; None is not known. `at` is to the second.

    `reasons` has an entry for each choice that has one, `choices` for each record that tells of labels; `attempts` and
    `tokens` are sums.
    """

    models: list[str]
    reasons: list[str]
    errors: list[Json | None]
    latencies: Sequence[float | None]
    costs: Sequence[float | None]
    ats: list[str]
    given: list[int]
    taken: list[int | None]
    attempts: int
    tokens: dict[str, int]
    choices: list[Any]

    def spans(self) -> list[tuple[str, slice]]:
        """The stretches of records that came in one second."""
        spans, begin = [], 0
        for at, same in groupby(self.ats):
            end = begin + len(list(same))
            spans.append((at, slice(begin, end)))
            begin = end
        return spans


def figure_columns(gists: Sequence[Gist]) -> FigureColumns:
    """The figures of these. Raises one of BROKEN where one is no record, or not in the form that it should have."""
    abouts = [gist["llmcli"] for gist in gists]
    models, latencies, costs, ats, attempts = zip(*map(_ABOUT, abouts), strict=True)
    bodies = [gist["response"]["body"] if gist["response"] else _NOTHING for gist in gists]
    usages = [body.get("usage") or _NOTHING for body in bodies]
    inner = [details for usage in usages if (details := usage.get("prompt_tokens_details"))]
    outer = [details for usage in usages if (details := usage.get("completion_tokens_details"))]
    given = [usage.get("prompt_tokens") or 0 for usage in usages]
    taken = [usage.get("completion_tokens") for usage in usages]
    columns = FigureColumns(
        [model or "none" for model in models],
        [
            reason
            for body in bodies
            for choice in body.get("choices") or ()
            if (reason := choice.get("finish_reason"))
        ],
        [gist["error"] for gist in gists],
        latencies,
        costs,
        [at[:SECOND] for at in ats],
        given,
        taken,
        sum(attempts),
        {
            "in": sum(given),
            "out": sum(filter(None, taken)),
            "cached": sum([details.get("cached_tokens") or 0 for details in inner]),
            "reasoning": sum([details.get("reasoning_tokens") or 0 for details in outer]),
        },
        [about["choice"] for about in abouts if "choice" in about],
    )
    _check(columns)
    return columns


def _check(columns: FigureColumns) -> None:
    """Raise ValueError or TypeError for what cannot be added up."""
    if not all(isfinite(sum(filter(None, column))) for column in (columns.latencies, columns.costs)):
        raise ValueError
    words, counts = {*map(type, columns.models), *map(type, columns.reasons)}, {*map(type, columns.taken)}
    if words - {str} or counts - _COUNTS or {*map(type, columns.errors)} - {dict, type(None)}:
        raise TypeError
    if not all(map(is_moment, set(columns.ats))):
        raise ValueError
