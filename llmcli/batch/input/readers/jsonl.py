"""JSONL: an object a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO

from llmcli.batch.input.readers.entry import Batch
from llmcli.batch.input.readers.text import whole_lines


def read_jsonl(blocks: Iterable[bytes]) -> Iterator[Batch]:
    """The lines that are not blank."""
    number = 1
    for piece in whole_lines(blocks):
        lines = BytesIO(piece).readlines()  # several times as fast as `split`
        kept = [stripped for line in lines if (stripped := line.strip())]
        numbers: Sequence[int] = range(number, number + len(lines))
        if len(kept) < len(lines):  # there are blank ones
            numbers = [number + at for at, line in enumerate(lines) if line.strip()]
        number += len(lines)
        yield Batch(kept, numbers)
