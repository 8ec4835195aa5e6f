"""Indexes: the numbers of choices and calls, which some servers send as text or with a point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmcli.wire import Json


def mend_indexes(data: Json) -> bool:
    """Make whole numbers of the indexes of all choices and calls that mean some; whether there were any."""
    mended = False
    for item in _numbered(data):
        number = _meant(item.get("index"))
        if number is not None:
            item["index"], mended = number, True
    return mended


def _numbered(data: Json) -> Iterator[Json]:
    """The choices, and the calls in them."""
    for choice in _objects(data.get("choices")):
        yield choice
        for key in ("delta", "message"):
            said = choice.get(key)
            if isinstance(said, dict):
                yield from _objects(said.get("tool_calls"))


def _objects(items: Any) -> Iterator[Json]:
    return (item for item in items if isinstance(item, dict)) if isinstance(items, list) else iter(())


def _meant(index: Any) -> int | None:
    """The number that an index means which is none; None where it is one, or means nothing."""
    if isinstance(index, str) and (digits := index.strip()).isdecimal() and len(digits) < 10:
        return int(digits)
    return int(index) if isinstance(index, float) and index.is_integer() else None
