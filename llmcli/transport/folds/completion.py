"""Chunks folded into the Chat Completion object that an unstreamed call would have returned."""

from __future__ import annotations

from typing import Any

from llmcli.finish import Finish, meaning
from llmcli.transport.folds.calls import Calls
from llmcli.transport.folds.deltas import fold, plain
from llmcli.wire import Chunk, Json

_NOT_FOLDED = frozenset({"choices", "obfuscation"})  # the latter: random bytes against traffic analysis

_APART = frozenset({"index", "delta", "message"})  # of a choice


class Accumulator:
    """`add` each chunk; `body()` is the completion so far.

    Strings of deltas are joined, lists extended, other values replaced by newer ones that are not null.
    Fields that this program does not know are folded the same way, so that nothing a server says is lost.
    """

    def __init__(self) -> None:
        self._head: Json = {}
        self._choices: dict[int, Json] = {}
        self._calls: dict[int, Calls] = {}

    def add(self, chunk: Chunk) -> None:
        """Fold one chunk in."""
        head = self._head
        for key, value in chunk.items():
            if key not in _NOT_FOLDED and (value is not None or key not in head):
                head[key] = value
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
        mine = self._choices.get(index)
        is_first = mine is None
        if mine is None:
            message = {"role": "assistant", "content": None}
            mine = self._choices[index] = {"index": index, "message": message, "finish_reason": None}
        for key, value in choice.items():
            if key in _APART or (value is None and key in mine):
                continue
            if key == "logprobs":
                _fold_logprobs(mine, value)
            elif key == "finish_reason" and meaning(value) is Finish.UNSAID:
                continue
            elif isinstance(value, list):
                fold(mine, key, value)  # the ids of the tokens, say
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
                self._calls.setdefault(index, Calls()).add(value)
            elif key == "role":
                message["role"] = value or message["role"]
            else:
                fold(message, key, value)

    def _finished(self, index: int) -> Json:
        choice: Json = plain(self._choices[index])
        if index in self._calls and (calls := self._calls[index].list()):
            choice["message"] = {**choice["message"], "tool_calls": calls}
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


def _index(item: Json, default: int) -> int:
    index = item.get("index")
    return index if isinstance(index, int) else default


def _fold_logprobs(choice: Json, value: Any) -> None:
    if isinstance(value, dict):
        fold(choice, "logprobs", {key: part for key, part in value.items() if part is not None})
    else:
        choice.setdefault("logprobs", None)
