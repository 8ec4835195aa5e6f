"""What a report is of: the figures of its OUTs, and of two of them what became of each row."""

from __future__ import annotations

from collections.abc import Sequence

from llmcli.batch.reporting.briefs import briefs_of
from llmcli.batch.reporting.figures import Figures, figures_of
from llmcli.batch.reporting.outs import BatchOut
from llmcli.batch.reporting.pairs import Comparison, Pair, compared, paired
from llmcli.lean.dataclass import dataclass
from llmcli.wire import Json


@dataclass(frozen=True)
class Reported:
    """`figures`: of each of two OUTs, else of all added up. `comparison` and `pairs`: of two alone."""

    outs: Sequence[BatchOut]
    figures: Sequence[Figures]
    comparison: Comparison | None = None
    pairs: Sequence[Pair] = ()

    def record(self) -> Json:
        """As JSON."""
        if self.comparison is None:
            return self.figures[0].record()
        return {
            "runs": [figures.record() for figures in self.figures],
            "comparison": self.comparison.record(),
        }


def reported(outs: Sequence[BatchOut], *, whole: bool) -> Reported:
    """What these were; `whole`: with what no terminal shows. Raises UsageError where a file holds no records."""
    if len(outs) != 2:
        return Reported(outs, [figures_of(outs, whole=whole)])
    pairs = paired(briefs_of(outs[0]), briefs_of(outs[1]))
    return Reported(outs, [figures_of([out], whole=whole) for out in outs], compared(pairs), pairs)
