"""Journal lines: how a record begins and ends, whose row it is, and what is said of a line that is none."""

from __future__ import annotations

from pathlib import Path

from llmcli.batch.ledger.slots import Slots
from llmcli.errors import UsageError
from llmcli.lean.pattern import lazy_pattern

# How a record begins: what its row is known by, and the digest of the row's body.
HEAD = lazy_pattern(rb'\{"id":"batch_req_(?:(\d{6,12})|([ifp])([0-9a-f]{16}))_([0-9a-f]{16})",')
FAR = 100_000_000  # rows: a number that is so far beyond those before it is no row's (it would cost 800 MB)


class JournalLines:
    """Lines of records that stand at `path`, which may be a URL."""

    def __init__(self, path: Path | str) -> None:
        self.path = path

    def row_of(self, line: bytes, number: int, highest: int, slots: Slots | None) -> int:
        """The row of a line, by its first and its last bytes. Raises UsageError if it is no record."""
        try:
            known = known_in(line, keyed=slots is not None)
        except ValueError:
            raise self.foreign(number) from None
        if slots is not None:
            return slots.of(known)
        if known > highest + FAR:
            raise self.foreign(number)
        return known

    def foreign(self, number: int) -> UsageError:
        """The error where a line of the file is something else."""
        return UsageError(
            f"{self.path} is no output of llmcli batch",
            f"line {number}",
            "choose another -O, or start over with --fresh (what is there will be lost)",
        )


def known_in(line: bytes, *, keyed: bool) -> int:
    """The number of a line's row, or its key, by its first and its last bytes. Raises ValueError if it is no record."""
    head = HEAD.match(line)
    if head is None or not line.endswith((b"}}\n", b"}}")) or (head[1] is None) != keyed:
        raise ValueError
    return int(head[3], 16) if keyed else int(head[1])


def row_known_by(line: bytes) -> tuple[str, bytes] | None:
    """The letter of what a record's row is known by (empty: its number), and the record; None where it is not whole."""
    head = HEAD.match(line)
    return None if head is None or not line.endswith(b"}}\n") else ((head[2] or b"").decode(), line)
