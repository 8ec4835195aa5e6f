"""The mark of a part: that it came to its end, and how many rows it had then."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from llmcli.lean.dataclass import dataclass


@dataclass(frozen=True)
class Mark:
    """That a part came to its end: rows of the whole input, of its own, and records of rows that INPUT lost."""

    rows: int
    own: int
    orphans: int

    @classmethod
    def of(cls, found: Any) -> Mark:
        """The mark that JSON says. Raises KeyError, TypeError, ValueError."""
        return cls(int(found["rows"]), int(found["own"]), int(found["orphans"]))

    @property
    def plain(self) -> dict[str, int]:
        """As JSON has it."""
        return asdict(self)
