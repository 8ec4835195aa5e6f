"""Counting: what is counted, and how it is shown."""
# No `from __future__ import annotations`: the annotations are read as objects.

from typing import Literal

from llmcli.errors import UsageError
from llmcli.lean.annotated import Annotated
from llmcli.settings.flag import flag, settings


@settings("Counting")
class CountingSettings:
    """What to count, and how to show it."""

    raw: Annotated[bool, flag("--raw", help="Tokens of the text alone.", everyday=True)] = False
    truncate: Annotated[
        int | None,
        flag("--truncate", low=0, metavar="N", help="Print the text cut to N tokens.", everyday=True),
    ] = None
    side: Annotated[
        Literal["head", "tail", "middle"],
        flag("--side", help="What --truncate keeps: the head, the tail, or both without the middle."),
    ] = "head"
    split: Annotated[
        int | None,
        flag(
            "--split",
            low=1,
            metavar="N",
            help="Print pieces of at most N tokens as JSON lines.",
            everyday=True,
        ),
    ] = None
    overlap: Annotated[int, flag("--overlap", low=0, metavar="K", help="Tokens that pieces share.")] = 0
    rows: Annotated[
        str | None,
        flag(
            "--rows",
            metavar="FILE.jsonl",
            help="Count the rows of a batch; --format jsonl prints a line for each.",
            everyday=True,
        ),
    ] = None

    @property
    def cuts(self) -> bool:
        """Whether it is about text alone, not about a request."""
        return self.raw or self.truncate is not None or self.split is not None

    def check(self) -> None:
        """Raise UsageError where flags exclude each other."""
        if self.overlap and self.split is None:
            raise UsageError("without --split", todo="add --split N", flag="--overlap")
        if self.truncate is not None and self.split is not None:
            raise UsageError("and --split are two different cuts", todo="choose one", flag="--truncate")
