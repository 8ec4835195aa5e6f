"""JSONL: an object a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from llmcli.batch.input.readers.entry import Batch
from llmcli.batch.input.readers.text import whole_lines


def read_jsonl(blocks: Iterable[bytes]) -> Iterator[Batch]:
    """The lines that are not blank."""
    number = 1
    for piece in whole_lines(blocks):
        lines = piece.split(b"\n")
        kept = [stripped for line in lines if (stripped := line.strip())]
        numbers: Sequence[int] = range(number, number + len(kept))
        if len(kept) < len(lines) - piece.endswith(b"\n"):  # there are blank ones
            numbers = [number + at for at, line in enumerate(lines) if line.strip()]
        number += len(lines) - 1
        yield Batch(kept, numbers)
