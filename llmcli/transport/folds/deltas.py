"""Folding: the values of deltas joined to what came before them, in linear time."""

from __future__ import annotations

from typing import Any

from llmcli import jsonl
from llmcli.lean.dataclass import dataclass
from llmcli.wire import Json

_IDENTITY = {"id", "type", "name", "role"}  # what some servers repeat in every delta


@dataclass(slots=True)
class Text:
    """A string that grows: joined once, at the end, so that a long answer does not cost its square."""

    pieces: list[str]

    def __str__(self) -> str:
        return jsonl.joined_halves("".join(self.pieces))


def fold(target: Json, key: str, value: Any) -> None:
    """Join `value` to what `target[key]` holds: strings and lists grow, objects merge, the rest is replaced.

    Where one is a string and the other a list, as of content that is text here and parts there, the string is
    taken for a part.
    """
    old = target.get(key)
    if value is None:
        target.setdefault(key, None)
    elif isinstance(value, str):
        if isinstance(old, Text):
            old.pieces.append(value)
        elif isinstance(old, list):
            _add_text(old, value)
        else:
            target[key] = Text([value])
    elif isinstance(value, dict):
        mine = target[key] = old if isinstance(old, dict) else {}
        for inner, part in value.items():
            if inner in _IDENTITY and _is_said(mine.get(inner), part):
                continue  # said again, not gone on with
            fold(mine, inner, part)
    elif isinstance(value, list):
        items = target[key] = old if isinstance(old, list) else []
        if isinstance(old, Text):
            _add_text(items, str(old))
        items.extend(value)
    else:
        target[key] = value


def _add_text(parts: list[Any], text: str) -> None:
    """Text behind the parts of a content: of the last one, where that is text of ours."""
    if parts and _is_ours(parts[-1]):
        parts[-1]["text"].pieces.append(text)
    elif text:
        parts.append({"type": "text", "text": Text([text])})


def _is_ours(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), Text)


def _is_said(old: Any, part: Any) -> bool:
    """Whether a value is the very one that is there."""
    return old.pieces == [part] if isinstance(old, Text) else old == part


def plain(value: Any) -> Any:
    """What was folded, as JSON."""
    if isinstance(value, Text):
        return str(value)
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part) if _is_ours(part) else part for part in value]
    return value
