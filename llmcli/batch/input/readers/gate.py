"""The gate: what an INPUT's first rows must show before any of it passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from llmcli import jsonl
from llmcli.batch.input.readers.entry import Batch, Entry
from llmcli.errors import UsageError

_ENTRIES = 5  # one of them must be an object


def through_gate(batches: Iterator[Batch], refusal: Callable[[list[Entry]], UsageError]) -> Iterator[Batch]:
    """The same, held back until an object is seen. Raises the refusal where the first five have no object."""
    held: list[Batch] = []
    first: list[Entry] = []
    for batch in batches:
        held.append(batch)
        first = [entry for each in held for entry in each.entries][:_ENTRIES]
        if any(_is_object(entry) for entry in first):
            break
        if len(first) == _ENTRIES:
            raise refusal(first)
    else:
        if first:
            raise refusal(first)
    yield from held
    yield from batches


def _is_object(entry: Entry) -> bool:
    try:
        return isinstance(entry, bytes) and isinstance(jsonl.loads(entry), dict)
    except ValueError:
        return False
