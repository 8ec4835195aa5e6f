"""Pairs: two runs, row by row: what is equal, what changed, what only one of them has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from llmcli import jsonl
from llmcli.batch.reporting.briefs import Brief
from llmcli.lean.dataclass import dataclass
from llmcli.wire import Json

PAIR_KINDS = (
    "equal",
    "changed",
    "failed in one",
    "failed in both",
    "only in the first",
    "only in the second",
)


class Pair(NamedTuple):
    """A row of the first run and the same of the second; None where a run has it not."""

    first: Brief | None
    second: Brief | None

    @property
    def kind(self) -> str:
        """One of PAIR_KINDS."""
        first, second = self
        if first is None or second is None:
            return PAIR_KINDS[4] if second is None else PAIR_KINDS[5]
        if first.code is not None or second.code is not None:
            return PAIR_KINDS[3] if first.code is not None and second.code is not None else PAIR_KINDS[2]
        return PAIR_KINDS[0] if first.answer == second.answer else PAIR_KINDS[1]

    @property
    def is_same_request(self) -> bool:
        """Whether the very same body was asked and answered twice: what the cache gave was not asked again."""
        first, second = self
        if first is None or second is None or first.cached or second.cached:
            return False
        return first.digest == second.digest and self.is_answered

    @property
    def is_answered(self) -> bool:
        """Whether both have an answer."""
        return all(each is not None and each.code is None for each in self)


def paired(first: Sequence[Brief], second: Sequence[Brief]) -> list[Pair]:
    """The rows of both, in the order of the first: paired by custom_id, those that are left by their row."""
    by_id = {_key(brief): number for number, brief in reversed([*enumerate(second)])}
    partner: dict[int, int] = {}
    for number, brief in enumerate(first):
        if (other := by_id.pop(_key(brief), None)) is not None:
            partner[number] = other
    taken = set(partner.values())
    by_row = {(brief.file, brief.row): number for number, brief in enumerate(second) if number not in taken}
    for number, brief in enumerate(first):
        if number not in partner and (other := by_row.pop((brief.file, brief.row), None)) is not None:
            partner[number] = other
            taken.add(other)
    pairs = [Pair(brief, second[partner[at]] if at in partner else None) for at, brief in enumerate(first)]
    return pairs + [Pair(None, brief) for number, brief in enumerate(second) if number not in taken]


def _key(brief: Brief) -> bytes:
    return jsonl.dumps(brief.custom_id)


@dataclass(frozen=True)
class Comparison:
    """What two runs come to beside each other. `same_request`: rows that both answered of the very same body."""

    kinds: Counter[str]
    labels: Counter[tuple[str | None, str | None]]
    same_request: int
    of_which_differ: int

    @property
    def share(self) -> float | None:
        """The share of the very same requests that were answered otherwise; None where there are none."""
        return self.of_which_differ / self.same_request if self.same_request else None

    def record(self) -> Json:
        """As JSON."""
        return {
            **{kind.replace(" ", "_"): self.kinds[kind] for kind in PAIR_KINDS},
            "same_request": self.same_request,
            "same_request_differs": self.of_which_differ,
            "label_changes": [
                {"from": one, "to": other, "count": count}
                for (one, other), count in self.labels.most_common()
                if one != other
            ],
        }


def compared(pairs: Sequence[Pair]) -> Comparison:
    """What these pairs come to."""
    same = [pair for pair in pairs if pair.is_same_request]
    both = [pair for pair in pairs if pair.is_answered]
    labels = Counter((first.label, second.label) for first, second in both if first and second)
    del labels[None, None]
    differing = sum(pair.kind == PAIR_KINDS[1] for pair in same)
    return Comparison(Counter(pair.kind for pair in pairs), labels, len(same), differing)
