"""Machines: which part of the rows is run here, what parts are made one, and who shares a limit."""
# No `from __future__ import annotations`: the annotations are read as objects.

import re
from typing import Literal

from llmcli.errors import UsageError
from llmcli.lean.annotated import Annotated
from llmcli.lean.dataclass import dataclass
from llmcli.lean.pattern import lazy_pattern
from llmcli.settings.flag import flag, settings

_PART = lazy_pattern(r"([0-9]{1,6})/([0-9]{1,6})", re.ASCII)
MOST_PARTS = 99_999  # as their names have room for


@dataclass(frozen=True)
class Shard:
    """One of `count` parts of the rows, by its `index` from 0."""

    index: int
    count: int

    @property
    def name(self) -> str:
        """What its files are called by."""
        return f"{self.index:05d}-of-{self.count:05d}"


@settings("More than one machine")
class MachinesSettings:
    """How a batch is spread over processes."""

    shard: Annotated[
        str | None,
        flag(
            "--shard",
            metavar="I/N",
            help="Run part I of N, from 0; -O is a directory, or s3://..., gs://, az://.",
        ),
    ] = None
    merge: Annotated[
        str | None,
        flag(
            "--merge",
            metavar="DIR",
            help="Make the parts in DIR (or s3://...) one OUT, once each row is there.",
        ),
    ] = None
    share: Annotated[
        str | None,
        flag(
            "--share", metavar="FILE", help="Keep to one limit with all runs of this machine that name FILE."
        ),
    ] = None

    on: Annotated[
        Literal["ray"] | None,
        flag(
            "--on", help="Run on a Ray cluster: that of RAY_ADDRESS, or one of this machine.", metavar="ray"
        ),
    ] = None
    workers: Annotated[
        int | None,
        flag(
            "--workers", low=1, metavar="N", help="So many workers (one a node; on one machine, one a core)."
        ),
    ] = None

    @property
    def part(self) -> Shard | None:
        """The part that is run here; None: all rows are. Raises UsageError."""
        if self.shard is None:
            return None
        found = _PART.fullmatch(self.shard)
        if found is None:
            raise UsageError(
                f"{self.shard} is no part", todo="I/N is part I of N: 0/16 up to 15/16", flag="--shard"
            )
        index, count = int(found[1]), int(found[2])
        if not 1 <= count <= MOST_PARTS:
            raise UsageError(f"{self.shard}: there are 1 to {MOST_PARTS:,} parts", flag="--shard")
        if index >= count:
            todo = f"they are numbered from 0: 0/{count} up to {count - 1}/{count}"
            raise UsageError(f"{self.shard}: there is no part {index} of {count}", todo=todo, flag="--shard")
        return Shard(index, count)

    def check(self) -> None:
        """Raise UsageError where flags exclude each other, or cannot be meant."""
        part = self.part
        given = {
            "--shard": part is not None,
            "--merge": self.merge is not None,
            "--share": self.share is not None,
        }
        first, *others = [name for name, is_given in given.items() if is_given] or [""]
        if others:
            todo = (
                "a part keeps to its own share of a limit"
                if "--share" in others
                else "merge when all have run"
            )
            raise UsageError(f"and {others[0]} exclude each other", todo=todo, flag=first)
