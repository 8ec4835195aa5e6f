"""Tool calls folded out of a stream's deltas: which delta goes on with which call, whatever a server numbers them."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from llmcli.lean.dataclass import dataclass
from llmcli.lean.pattern import lazy_pattern
from llmcli.transport.folds.deltas import Text, fold, plain
from llmcli.wire import Json

_BRACKET = lazy_pattern(r'[][{}"\\]')


class Calls:
    """`add` what each delta has; `list()` is the calls so far, by their numbers. All in linear time."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}  # the last of each
        self._by_id: dict[str, _Call] = {}

    def add(self, deltas: Any) -> None:
        """Fold a delta's `tool_calls` in: a list, or one call."""
        items = deltas if isinstance(deltas, list) else [deltas]
        for position, delta in enumerate(items):
            if isinstance(delta, dict):
                self._add(delta, position if len(items) > 1 else None)

    def list(self) -> list[Json]:
        """The calls, in the API's shape."""
        return [call.shown() for call in sorted(self._calls, key=lambda call: call.index)]

    def _add(self, delta: Json, position: int | None) -> None:
        """Go on with the call that a delta belongs to, or begin a new one.

        It is the call of its `index`, or where it has none the last one, or in a list of several that of its
        `position`; unless it begins anew.
        """
        number = delta.get("index")
        index = number if isinstance(number, int) else position
        identity = delta.get("id") or None
        mine = self._by_id.get(identity) if isinstance(identity, str) else None
        if mine is None or (index is not None and mine.index != index):
            last = self._calls[-1] if self._calls else None
            mine = last if index is None else self._by_index.get(index)
        if mine is None or mine.is_followed_by(delta):
            mine = _Call(len(self._calls) if index is None else index)
            self._calls.append(mine)
            self._by_index[mine.index] = mine
        mine.add(delta)
        if isinstance(mine.data.get("id"), str):
            self._by_id[mine.data["id"]] = mine


@dataclass(slots=True)
class _Call:
    """One call that grows."""

    index: int
    data: Json = field(default_factory=dict)
    _name: list[str] = field(default_factory=list)  # in the pieces that it came in
    _seen: int = 0  # pieces of the arguments that were looked through
    _length: int = 0  # of them, in characters
    _depth: int = 0
    _opened: bool = False  # a bracket or a quote was seen
    _in_text: bool = False
    _escaped: bool = False

    def is_followed_by(self, delta: Json) -> bool:
        """Whether a delta that was sent for this call begins another one.

        A new id does, as some servers number all calls 0, unless nothing but more arguments comes with it, as
        from those that make an id for each delta. A new name does behind arguments, and the same name again
        behind whole ones, where no id says that it is the same call.
        """
        inner = _inner(delta)
        identity, known, name = delta.get("id"), self.data.get("id"), inner.get("name")
        arguments = inner.get("arguments") or inner.get("input")
        if identity and known and identity != known:
            return bool(name) or not arguments
        if not name or not self._name:
            return False
        if self._name != [name]:
            return "arguments" in _inner(self.data) or "input" in _inner(self.data)
        return not identity and bool(arguments) and self._is_whole()

    def add(self, delta: Json) -> None:
        """Fold a delta in."""
        if self._is_repeated_by(delta):
            return
        for key, value in delta.items():
            if key == "id":
                self.data[key] = self.data.get(key) or value or None
            elif key == "type":
                self.data[key] = value or self.data.get(key)
            elif key in {"function", "custom"} and isinstance(value, dict):
                self._name_further(value.get("name"))
                fold(self.data, key, {part: value[part] for part in value if part != "name"})
            elif key != "index":
                fold(self.data, key, value)

    def shown(self) -> Json:
        """The call, in the API's shape."""
        shown: Json = {key: plain(value) for key, value in self.data.items()}
        kind = shown.get("type") or ("custom" if "custom" in shown else "function")
        if self._name and isinstance(shown.get(kind), dict):
            shown[kind] = {"name": "".join(self._name), **shown[kind]}
        return {"id": shown.pop("id", None), **shown, "type": kind}

    def _name_further(self, name: Any) -> None:
        if isinstance(name, str) and name and self._name != [name]:
            self._name.append(name)

    def _is_repeated_by(self, delta: Json) -> bool:
        """Whether a delta says the whole call again, as some servers do in their last chunk."""
        inner = _inner(delta)
        arguments = inner.get("arguments")
        if not delta.get("id") or delta["id"] != self.data.get("id") or not isinstance(arguments, str):
            return False
        known = _inner(self.data).get("arguments")
        is_alike = bool(arguments) and self._name == [inner.get("name")] and self._is_whole()
        return is_alike and len(arguments) == self._length and plain(known) == arguments

    def _is_whole(self) -> bool:
        """Whether the arguments are whole JSON. Each of their characters is looked at once."""
        arguments = _inner(self.data).get("arguments")
        if not isinstance(arguments, Text):
            return isinstance(arguments, dict)
        for piece in arguments.pieces[self._seen :]:
            self._look_through(piece)
        self._seen = len(arguments.pieces)
        return self._opened and self._depth == 0 and not self._in_text

    def _look_through(self, piece: str) -> None:
        at = 0
        self._length += len(piece)
        if self._escaped and piece:
            self._escaped, at = False, 1
        while (found := _BRACKET.search(piece, at)) is not None:
            at, sign, self._opened = found.end(), found[0], True
            if sign == "\\":
                self._escaped = at == len(piece)
                at += 1
            elif sign == '"':
                self._in_text = not self._in_text
            elif not self._in_text:
                self._depth += 1 if sign in "[{" else -1


def _inner(call: Json) -> Json:
    """What a call, or a delta of one, says of its tool."""
    inner = call.get("function") or call.get("custom")
    return inner if isinstance(inner, dict) else {}
