"""Chunks folded into the Chat Completion object that an unstreamed call would have returned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llmcli import jsonl
from llmcli.finish import Finish, meaning
from llmcli.wire import Chunk, Json

_PADDING = {"obfuscation"}  # random bytes against traffic analysis
_IDENTITY = {"id", "type", "name", "role"}  # what some servers repeat in every delta


class Accumulator:
    """`add` each chunk; `body()` is the completion so far.

    Strings of deltas are joined, lists extended, other values replaced by newer ones that are not null.
    Fields that this program does not know are folded the same way, so that nothing a server says is lost.
    """

    def __init__(self) -> None:
        self._head: Json = {}
        self._choices: dict[int, Json] = {}
        self._calls: dict[int, list[Json]] = {}

    def add(self, chunk: Chunk) -> None:
        """Fold one chunk in."""
        for key, value in chunk.items():
            if key not in _PADDING and key != "choices" and (value is not None or key not in self._head):
                self._head[key] = value
        for position, choice in enumerate(chunk.get("choices") or []):
            if isinstance(choice, dict):
                self._add_choice(_index(choice, position), choice)

    def body(self) -> Json:
        """The Chat Completion object. `choices` are in index order."""
        choices = [self._finished(index) for index in sorted(self._choices)]
        body = {**self._head, "object": "chat.completion", "choices": choices}
        if "usage" in body:  # last, where the API has it
            body["usage"] = body.pop("usage")
        return body

    def _add_choice(self, index: int, choice: Json) -> None:
        is_first = index not in self._choices
        mine = self._choices.setdefault(
            index, {"index": index, "message": {"role": "assistant", "content": None}, "finish_reason": None}
        )
        for key, value in choice.items():
            if key in {"index", "delta", "message"}:
                continue
            if key == "logprobs":
                _fold_logprobs(mine, value)
            elif key == "finish_reason" and meaning(value) is Finish.UNSAID:
                continue
            elif value is not None:
                mine[key] = value
        delta = choice.get("delta")
        if delta is None or (is_first and not delta):  # beside a later delta, it is all that came before
            delta = choice.get("message")
        if isinstance(delta, dict):
            self._add_delta(index, mine["message"], delta)

    def _add_delta(self, index: int, message: Json, delta: Json) -> None:
        for key, value in delta.items():
            if key == "tool_calls":
                for position, call in enumerate(value or []):
                    alone = len(value) == 1
                    _fold_call(self._calls.setdefault(index, []), call, None if alone else position)
            elif key == "role":
                message["role"] = value or message["role"]
            else:
                fold(message, key, value)

    def _finished(self, index: int) -> Json:
        choice: Json = _plain(self._choices[index])
        if calls := self._calls.get(index):
            in_order = sorted(calls, key=lambda call: call["index"])
            choice["message"] = {**choice["message"], "tool_calls": [_shown(call) for call in in_order]}
        return choice


def as_chunk(body: Json) -> Chunk:
    """A completion as the one chunk that folds into it."""
    choices = [
        {
            **{key: value for key, value in choice.items() if key != "message"},
            "delta": choice.get("message") or {},
        }
        for choice in body["choices"]
    ]
    return {**body, "object": "chat.completion.chunk", "choices": choices}


@dataclass(slots=True)
class _Text:
    """A string that grows: joined once, at the end, so that a long answer does not cost its square."""

    pieces: list[str]

    def __str__(self) -> str:
        return jsonl.joined("".join(self.pieces))


def fold(target: Json, key: str, value: Any) -> None:
    """Join `value` to what `target[key]` holds: strings and lists grow, objects merge, the rest is replaced.

    Where one is a string and the other a list, as of content that is text here and parts there, the string is
    taken for a part.
    """
    old = target.get(key)
    if value is None:
        target.setdefault(key, None)
    elif isinstance(value, str):
        if isinstance(old, _Text):
            old.pieces.append(value)
        elif isinstance(old, list):
            _add_text(old, value)
        else:
            target[key] = _Text([value])
    elif isinstance(value, dict):
        mine = target[key] = old if isinstance(old, dict) else {}
        for inner, part in value.items():
            if inner in _IDENTITY and _plain(mine.get(inner)) == part:
                continue  # said again, not gone on with
            fold(mine, inner, part)
    elif isinstance(value, list):
        items = target[key] = old if isinstance(old, list) else []
        if isinstance(old, _Text):
            _add_text(items, str(old))
        items.extend(value)
    else:
        target[key] = value


def _add_text(parts: list[Any], text: str) -> None:
    """Text behind the parts of a content: of the last one, where that is text of ours."""
    if parts and _is_ours(parts[-1]):
        parts[-1]["text"].pieces.append(text)
    elif text:
        parts.append({"type": "text", "text": _Text([text])})


def _is_ours(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), _Text)


def _plain(value: Any) -> Any:
    """What was folded, as JSON."""
    if isinstance(value, _Text):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) if _is_ours(part) else part for part in value]
    return value


def _index(item: Json, default: int) -> int:
    index = item.get("index")
    return index if isinstance(index, int) else default


def _fold_logprobs(choice: Json, value: Any) -> None:
    if isinstance(value, dict):
        fold(choice, "logprobs", {key: part for key, part in value.items() if part is not None})
    else:
        choice.setdefault("logprobs", None)


def _fold_call(calls: list[Json], call: Any, position: int | None) -> None:
    """Find the call that this delta goes on with, or begin a new one.

    A delta belongs to the call of its `index`; but a new id under an index that is taken is a new call,
    as some servers number all their calls 0. Where there is no index, `position` in a list of several counts.
    """
    if not isinstance(call, dict):
        return
    index = call.get("index")
    wanted = index if isinstance(index, int) else position
    identity = call.get("id")
    candidates: Iterator[Json] = (
        known
        for known in reversed(calls)
        if (wanted is None or known["index"] == wanted)
        and (not identity or not known.get("id") or known["id"] == identity)
    )
    mine = next(candidates, None)
    if mine is None:
        mine = {"index": len(calls) if wanted is None else wanted}
        calls.append(mine)
    for key, value in call.items():
        if key in {"id", "type"}:
            mine[key] = value or mine.get(key)
        elif key != "index":
            fold(mine, key, value)


def _shown(call: Json) -> Json:
    shown = {key: _plain(value) for key, value in call.items() if key != "index"}
    kind = shown.get("type") or ("custom" if "custom" in shown else "function")
    return {"id": shown.pop("id", None), **shown, "type": kind}
