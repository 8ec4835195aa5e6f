"""Money: what it may cost, and which answers need not be paid again."""
# No `from __future__ import annotations`: the annotations are read as objects.

from dataclasses import field

from llmcli.errors import UsageError
from llmcli.lean.annotated import Annotated
from llmcli.settings.flag import flag, settings


@settings("Money, cache and replay")
class MoneySettings:
    """What it may cost, and which answers need not be paid again."""

    max_cost: Annotated[
        float | None,
        flag(
            "--max-cost",
            low=0,
            finite=True,
            metavar="USD",
            help="Send nothing that may pass this sum.",
            everyday=True,
        ),
    ] = None
    budget_file: Annotated[
        str | None, flag("--budget-file", metavar="FILE", help="Share the sum with all calls that name FILE.")
    ] = None
    cache: Annotated[
        bool, flag("--cache", help="Keep answers, and use those that are kept.", everyday=True)
    ] = False
    cache_ttl: Annotated[
        float | None, flag("--cache-ttl", low=0, metavar="S", help="Use none older than S seconds.")
    ] = None
    record: Annotated[
        str | None, flag("--record", metavar="DIR", help="Keep every complete answer in DIR.")
    ] = None
    replay: Annotated[
        str | None, flag("--replay", metavar="DIR", help="Answer from DIR alone: no network at all.")
    ] = None
    fallback: Annotated[
        list[str],
        flag(
            "--fallback",
            panel="Network",
            metavar="MODEL",
            help="The next model, where one cannot answer (repeatable).",
        ),
    ] = field(default_factory=list)

    @property
    def limited(self) -> bool:
        """Whether there is a sum that may not be passed."""
        return self.max_cost is not None or self.budget_file is not None

    def check(self) -> None:
        """Raise UsageError where flags exclude each other."""
        if self.cache_ttl is not None and not self.cache:
            raise UsageError("without --cache", todo="add --cache", flag="--cache-ttl")
        if not all(name.strip().rpartition("/")[2] for name in self.fallback):
            raise UsageError("names no model", todo="write --fallback PROVIDER/NAME", flag="--fallback")
        if self.replay is not None and (self.cache or self.record is not None):
            raise UsageError("excludes --cache and --record", todo="drop one of them", flag="--replay")
