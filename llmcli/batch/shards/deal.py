"""The deal: which rows of an input are one part's, known by nothing but where they stand."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from os import fsencode

from llmcli.batch.input.readers.entry import Entry, NamedFile
from llmcli.lean.dataclass import dataclass
from llmcli.settings.batch.machines import Shard

DEALT_ROWS = 4096  # rows


@dataclass(frozen=True)
class Deal:
    """Blocks of 4,096 rows are dealt round, so that rows may be added at the end; `limit` is of the whole input.

    Files that are rows are dealt by their names, so that files may be added anywhere.
    """

    shard: Shard
    limit: int | None = None

    def others(self, number: int, entries: Sequence[Entry], start: int) -> int:
        """How many of `entries`, from `start` on, which is row `number`, come before the next that is ours."""
        if isinstance(entries[start], NamedFile):
            return 0 if self._has(entries[start]) else 1
        block = number // DEALT_ROWS
        away = (self.shard.index - block) % self.shard.count
        if not away:
            return 0
        end = (
            (block + away) * DEALT_ROWS
            if self.limit is None
            else min(self.limit, (block + away) * DEALT_ROWS)
        )
        return min(len(entries) - start, end - number)

    def _has(self, entry: Entry) -> bool:
        assert isinstance(entry, NamedFile)  # noqa: S101 - one is as the others
        digest = hashlib.blake2b(fsencode(entry.path), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.shard.count == self.shard.index

    def own_below(self, rows: int) -> int:
        """How many of the first rows are ours."""
        rounds, rest = divmod(rows, DEALT_ROWS * self.shard.count)
        return rounds * DEALT_ROWS + min(max(rest - self.shard.index * DEALT_ROWS, 0), DEALT_ROWS)

    def ends_at(self, number: int) -> bool:
        """Whether row `number` and those behind it are nobody's."""
        return self.limit is not None and number >= self.limit
