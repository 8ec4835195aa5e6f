"""An answer told in the words of the Responses API: whole, or in its events, in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from llmcli import jsonl
from llmcli.finish import Finish, finish_of
from llmcli.responses.names import CUT_REASONS, USAGE_COUNTS
from llmcli.serving.fitted import fitted_chunk, fitted_usage
from llmcli.serving.replies import Problem
from llmcli.serving.responses.items import CallItem, NamedEvent, TextItem
from llmcli.transport.folds.completion import as_chunk
from llmcli.wire import Chunk, Completion, Json, usage_count

_TEXTS = (  # fields of a delta, in the order in which they are said
    ("reasoning_content", "reasoning", "summary_text", "text"),
    ("reasoning", "reasoning", "summary_text", "text"),
    ("content", "message", "output_text", "text"),
    ("refusal", "message", "refusal", "refusal"),
)
_ECHOED: Json = {  # what an answer says again of its request, and what holds where that does not say it
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "store": False,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}


class ResponseTelling:
    """Tells one answer. `asked` is the client's body, `name` the model's.

    `created` is the time in seconds, for an answer that does not say it; `keep` is given the items of the answer.
    """

    def __init__(self, asked: Json, name: str, created: int, keep: Callable[[list[Json]], None]) -> None:
        self._name, self._created, self._keep = name, created, keep
        said = {key: value for key, value in asked.items() if key in _ECHOED and value is not None}
        self._echo = {**_ECHOED, **said}
        self._identity = ""
        self._number = 0
        self._items: list[TextItem | CallItem] = []
        self._text: TextItem | None = None  # that grows
        self._calls: dict[int, CallItem] = {}
        self._finish: Any = None

    def whole(self, completion: Completion) -> Json:
        """The answer, as one object."""
        for _ in self._told(as_chunk(completion.body)):
            pass
        return self._response(completion)

    def piece(self, chunk: Chunk) -> bytes:
        """The events that a chunk is."""
        return b"".join(map(self._event, self._told(chunk)))

    def ended(self, completion: Completion) -> bytes:
        """The events of the end."""
        begun = [] if self._identity else list(self._begun(completion.body))
        events = [*begun, *self._closed()]
        for call in self._calls.values():
            events += self._of(call, call.done())
        response = self._response(completion)
        events.append((str(response["status"]), {"response": response}))
        return b"".join(map(self._event, events))

    def failed(self, problem: Problem) -> bytes:
        """The event of an error: some clients look for it in `error`, some beside the type, and some for a code."""
        error = problem.body["error"]
        error["code"] = error["code"] or error["type"]
        said = {key: error[key] for key in ("code", "message", "param")}
        data = {"type": "error", **said, "error": error, "sequence_number": self._number}
        return b"event: error\ndata: " + jsonl.dumps(data) + b"\n\n"

    def _event(self, told: NamedEvent) -> bytes:
        name = f"response.{told[0]}"
        data = {"type": name, **told[1], "sequence_number": self._number}
        self._number += 1
        return b"event: " + name.encode() + b"\ndata: " + jsonl.dumps(data) + b"\n\n"

    def _told(self, chunk: Chunk) -> Iterator[NamedEvent]:
        if not self._identity:
            yield from self._begun(chunk)
        for choice in fitted_chunk(chunk, self._name)["choices"][:1]:
            if choice["index"] == 0:
                yield from self._delta(choice)
                self._finish = choice["finish_reason"] or self._finish

    def _begun(self, chunk: Chunk) -> Iterator[NamedEvent]:
        self._identity = str(chunk.get("id") or "llmcli").removeprefix("chatcmpl-")
        if type(created := chunk.get("created")) is int:  # a recorded answer says the same each time
            self._created = created
        response = {**self._head("in_progress"), "output": [], "usage": None}
        yield "created", {"response": response}
        yield "in_progress", {"response": response}

    def _delta(self, choice: Json) -> Iterator[NamedEvent]:
        delta = choice["delta"]
        logprobs = (choice.get("logprobs") or {}).get("content") or []
        for name, kind, part, key in _TEXTS:
            if isinstance(text := delta.get(name), str) and text:
                yield from self._grown(kind, part, key, text, logprobs if name == "content" else [])
                if name == "reasoning_content":
                    delta = {**delta, "reasoning": None}  # some servers say it under both names
        for call in delta.get("tool_calls") or ():
            yield from self._called(call)
        if self._text is not None and self._text.part == "output_text":
            notes = delta.get("annotations")
            flat = (
                [_flat(note) for note in notes if isinstance(note, dict)] if isinstance(notes, list) else []
            )
            self._text.annotations += flat

    def _grown(self, kind: str, part: str, key: str, text: str, logprobs: list[Any]) -> Iterator[NamedEvent]:
        if self._text is None or self._text.part != part:
            yield from self._closed()
            prefix = "rs" if kind == "reasoning" else "msg"
            self._text = TextItem(kind, f"{prefix}_{self._identity}_{len(self._items)}", part, key)
            self._items.append(self._text)
            yield from self._of(self._text, self._text.begun())
        yield from self._of(self._text, self._text.grown(text, logprobs))

    def _called(self, call: Json) -> Iterator[NamedEvent]:
        item = self._calls.get(call["index"])
        kind = "custom" if "custom" in call else "function"
        inner = call.get(kind) or {}
        if item is None:
            yield from self._closed()
            identity = f"fc_{self._identity}_{len(self._items)}"
            item = CallItem(kind, identity, str(call.get("id") or identity), str(inner.get("name") or ""))
            self._calls[call["index"]] = item
            self._items.append(item)
            yield from self._of(item, item.begun())
        if piece := inner.get(item.key):
            yield from self._of(item, item.grown(piece))

    def _closed(self) -> Iterator[NamedEvent]:
        """The end of the text that grows: something else begins."""
        if self._text is not None:
            yield from self._of(self._text, self._text.done())
        self._text = None

    def _of(self, item: TextItem | CallItem, events: Iterator[NamedEvent]) -> Iterator[NamedEvent]:
        place = {"output_index": self._items.index(item)}
        yield from ((name, {**place, **data}) for name, data in events)

    def _head(self, status: str) -> Json:
        head = {"id": f"resp_{self._identity}", "object": "response", "created_at": self._created}
        return {
            **head,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": self._name,
            **self._echo,
        }

    def _response(self, completion: Completion) -> Json:
        """The answer, once all of it is there."""
        choice = (completion.choices or [{}])[0]
        finish, reason = finish_of(choice), None
        if finish in {Finish.CUT, Finish.BLOCKED}:
            reason = CUT_REASONS["length" if finish is Finish.CUT else "content_filter"]
        response = self._head("completed" if reason is None else "incomplete")
        response["incomplete_details"] = None if reason is None else {"reason": reason}
        if isinstance(model := completion.body.get("model"), str) and model:
            response["model"] = model
        items = [item.item(done=True) for item in self._items]
        self._keep(items)
        return {**response, "output": items, "usage": _usage(completion.body.get("usage"))}


def _usage(counts: Any) -> Json:
    """The usage; its details are numbers there, whatever was counted."""
    said = fitted_usage(counts)
    told: Json = {there: said[here] for here, there in USAGE_COUNTS.items() if here in said}
    prompt, answer = said.get("prompt_tokens_details"), said.get("completion_tokens_details")
    cached = usage_count(prompt, "cached_tokens") if isinstance(prompt, dict) else None
    reasoned = usage_count(answer, "reasoning_tokens") if isinstance(answer, dict) else None
    details = {"cached_tokens": cached or 0, "cache_write_tokens": 0}
    return {
        **told,
        "input_tokens_details": {
            **details,
            **(prompt if isinstance(prompt, dict) else {}),
            "cached_tokens": cached or 0,
        },
        "output_tokens_details": {"reasoning_tokens": reasoned or 0},
    }


def _flat(note: Json) -> Json:
    """A citation, flat."""
    kind = str(note.get("type"))
    inner = note.get(kind)
    return {"type": kind, **inner} if isinstance(inner, dict) else note
