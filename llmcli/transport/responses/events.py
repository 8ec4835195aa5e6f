"""The events of a streamed Response to the chunks of a Chat Completion, as they come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Any

from llmcli.errors import CallFailed
from llmcli.lean.dataclass import dataclass
from llmcli.responses.names import CALL_ITEMS
from llmcli.transport.failures.complaints import is_error
from llmcli.transport.failures.diagnosis import BROKEN_EVENT, Reply, in_band, odd, parsed
from llmcli.transport.responses.whole import as_list, completion_in, folded_head, kind_in
from llmcli.transport.sse import Event
from llmcli.wire import Chunk, Json, Meta

_ENDS = frozenset(
    ["response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done"]
)
_TEXT = "response.output_text.delta"
_DELTAS = {
    _TEXT: "content",
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "reasoning_content",
    "response.reasoning_summary_text.delta": "reasoning_content",
}
_DONE = {  # events that say again what deltas said, or what none did: the field that it stands in
    "response.output_text.done": ("content", "text"),
    "response.refusal.done": ("refusal", "refusal"),
    "response.reasoning_text.done": ("reasoning_content", "text"),
    "response.reasoning_summary_text.done": ("reasoning_content", "text"),
}
_ARGUMENTS = {
    "response.function_call_arguments.delta": "delta",
    "response.function_call_arguments.done": "arguments",
    "response.custom_tool_call_input.delta": "delta",
    "response.custom_tool_call_input.done": "input",
}


@dataclass(slots=True)
class _Item:
    """An item of the answer as far as it came: what was shown of each of its parts, and which call it is."""

    phase: Any = None
    shown: dict[Any, list[str]] = field(default_factory=dict)
    call: int | None = None
    kind: tuple[str, str] = ("function", "arguments")


class Events:
    """`read` an event and get chunks, and None at the end; `meta.whole` is then the completion as the server has it.

    Deltas are for showing: servers leave some out, and say some twice. Items are known by their id, since indices
    may lack or be wrong. The end is an event that holds the answer whole, whose status counts, whatever its name.
    """

    def __init__(self, reply: Reply, meta: Meta) -> None:
        self._reply = reply
        self._meta = meta
        self._head: Json = {"object": "chat.completion.chunk"}
        self._items: dict[Any, _Item] = {}
        self._finished: dict[int, Json] = {}  # items that are whole, by their place
        self._said: dict[str, list[str]] = {}  # all that was shown, by its field
        self._calls: list[Any] = []  # the ids of the calls that were shown

    def read(self, event: Event) -> Iterator[Chunk | None]:
        """The chunks in an event. Raises the CallFailed family for an error, or for what is no event."""
        data = parsed(event.data, halves=True)
        if not isinstance(data, dict):
            if event.data.strip().startswith(b"[DONE]"):  # it comes behind the end, if at all
                return
            raise self._nonsense(event)
        kind = kind_in(data)
        if kind == _TEXT:
            yield from self._delta(data, "content")
        elif kind in _ENDS and isinstance(data.get("response"), dict):
            yield from self._end(event.data)
            yield None
        else:
            yield from self._other(kind, data, event)

    def _other(self, kind: str, data: Json, event: Event) -> Iterator[Chunk]:
        if kind in _DELTAS:
            yield from self._delta(data, _DELTAS[kind])
        elif kind in _DONE:
            name, key = _DONE[kind]
            yield from self._rest(self._item(data), (name, _place(data)), data.get(key))
        elif kind == "response.content_part.done":
            yield from self._part(self._item(data), data.get("part"), _place(data))
        elif kind in _ARGUMENTS:
            yield from self._arguments(
                self._item(data), data.get(_ARGUMENTS[kind]), whole="delta" not in kind
            )
        elif kind in {"response.created", "response.in_progress"} and isinstance(data.get("response"), dict):
            yield from self._begun(data["response"])
        elif kind in {"response.output_item.added", "response.output_item.done"}:
            yield from self._announced(data, done=kind.endswith("done"))
        elif kind == "error" or event.name == b"error" or is_error(data):
            raise self._error(data)
        elif not kind:
            raise self._nonsense(event)

    def _nonsense(self, event: Event) -> CallFailed:
        shown = self._reply.words(event.data)
        return odd(self._reply, f"an event of the stream is no chunk of an answer: {shown}", BROKEN_EVENT)

    def _error(self, data: Json) -> CallFailed:
        if data.get("error") or data.get("type") != "error":
            return in_band(self._reply, data)
        return in_band(self._reply, {"error": {key: data[key] for key in data if key != "type"}})

    def _chunk(self, delta: Json, finish: str | None = None) -> Chunk:
        return {**self._head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    def _begun(self, response: Json) -> Iterator[Chunk]:
        is_first = len(self._head) == 1
        self._head |= folded_head(response)
        if is_first:
            yield self._chunk({"role": "assistant", "content": ""})

    def _item(self, data: Json) -> _Item:
        key = data.get("item_id")
        key = key if isinstance(key, str) else ("at", _number(data.get("output_index")))
        if (item := self._items.get(key)) is None:
            item = self._items[key] = _Item()
        return item

    def _delta(self, data: Json, name: str) -> Iterator[Chunk]:
        text = data.get("delta")
        if not isinstance(text, str) or not text:
            return
        item = self._item(data)
        item.shown.setdefault((name, _place(data)), []).append(text)
        yield self._shown(item, name, text)

    def _shown(self, item: _Item, name: str, text: str) -> Chunk:
        name = _field(item, name)
        self._said.setdefault(name, []).append(text)
        return self._chunk({name: text})

    def _rest(self, item: _Item, place: tuple[str, Any], text: Any) -> Iterator[Chunk]:
        """What was not shown yet of a part that is whole now; some servers give it another index, or another item."""
        if not isinstance(text, str) or not text:
            return
        if "".join(self._said.get(_field(item, place[0]), ())).endswith(text):
            return
        shown = item.shown.setdefault(place, [])
        if rest := _behind("".join(shown), text):
            shown.append(rest)
            yield self._shown(item, place[0], rest)

    def _announced(self, data: Json, *, done: bool) -> Iterator[Chunk]:
        """An item that begins, or is whole."""
        said = data.get("item")
        if not isinstance(said, dict):
            return
        item = self._item({**data, "item_id": data.get("item_id") or said.get("id")})
        item.phase = said.get("phase") or item.phase
        if done:
            index = _number(data.get("output_index"))
            self._finished[len(self._finished) if index is None else index] = said
        if kind_in(said) in CALL_ITEMS:
            yield from self._call(item, said, done=done)
        elif done and kind_in(said) == "message":
            for index, part in enumerate(as_list(said.get("content"))):
                yield from self._part(item, part, index)

    def _part(self, item: _Item, part: Any, index: Any) -> Iterator[Chunk]:
        """A part of a message that is whole now."""
        for name, key in (("content", "text"), ("refusal", "refusal")) if isinstance(part, dict) else ():
            yield from self._rest(item, (name, index), part.get(key))

    def _call(self, item: _Item, said: Json, *, done: bool) -> Iterator[Chunk]:
        kind, key = item.kind = CALL_ITEMS[said["type"]]
        if item.call is None and said.get("name"):
            item.call, identity = len(self._calls), said.get("call_id") or said.get("id")
            self._calls.append(identity)
            head = {"index": item.call, "id": identity, "type": kind, kind: {"name": said["name"], key: ""}}
            yield self._chunk({"tool_calls": [head]})
        yield from self._arguments(item, said.get(key), whole=done)

    def _arguments(self, item: _Item, text: Any, *, whole: bool) -> Iterator[Chunk]:
        if not isinstance(text, str) or not text or item.call is None:
            return
        shown = item.shown.setdefault("arguments", [])
        rest = _behind("".join(shown), text) if whole else text
        if rest:
            shown.append(rest)
            kind, key = item.kind
            yield self._chunk({"tool_calls": [{"index": item.call, kind: {key: rest}}]})

    def _end(self, raw: bytes) -> Iterator[Chunk]:
        """The last chunk, with all that was not shown."""
        response: Json = self._reply.without_key(parsed(raw))["response"]
        if not response.get("output"):
            response = {
                **response,
                "output": [self._finished[at] for at in sorted(self._finished)],
            }
        body = completion_in(self._reply, response)
        choice, message = body["choices"][0], body["choices"][0]["message"]
        if response["output"]:
            self._meta.whole = body
        delta = {
            name: rest
            for name in ("content", "refusal")
            if (rest := _behind("".join(self._said.get(name, ())), message.get(name) or ""))
        }
        calls = [
            {"index": index, **call}
            for index, call in enumerate(message.get("tool_calls") or ())
            if call["id"] not in self._calls
        ]
        reason = choice["finish_reason"]
        if not response["output"] and self._calls and reason == "stop":
            reason = "tool_calls"
        self._head |= folded_head(response)
        last = self._chunk({**delta, **({"tool_calls": calls} if calls else {})}, reason)
        yield last if body.get("usage") is None else {**last, "usage": body["usage"]}


def _field(item: _Item, name: str) -> str:
    """Where what an item says is shown: comments on the way are no answer."""
    return "reasoning_content" if name == "content" and item.phase == "commentary" else name


def _place(data: Json) -> Any:
    """Which part of its item an event speaks of."""
    index = _number(data.get("content_index", data.get("summary_index")))
    return 0 if index is None else index


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _behind(shown: str, text: str) -> str:
    """What of a text is behind the part that was shown; nothing where that is another text."""
    return text[len(shown) :] if text.startswith(shown) else ""
