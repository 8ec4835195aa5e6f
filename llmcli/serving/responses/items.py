"""The items of an answer, each with the events that tell of it: it begins, grows, and is done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Any

from llmcli.lean.dataclass import dataclass
from llmcli.wire import Json

NamedEvent = tuple[str, Json]
"""The name of an event behind `response.`, and what stands in it."""


@dataclass
class TextItem:
    """A message, or reasoning: one part of text. `part` is the type of that, `key` where its text stands."""

    kind: str
    identity: str
    part: str
    key: str = "text"
    pieces: list[str] = field(default_factory=list)
    logprobs: list[Any] = field(default_factory=list)
    annotations: list[Json] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What came so far."""
        return "".join(self.pieces)

    def item(self, *, done: bool) -> Json:
        """The item as it is."""
        parts = [self._part(self.text)] if done else []
        if self.kind == "reasoning":
            return {"id": self.identity, "type": self.kind, "summary": parts}
        state = "completed" if done else "in_progress"
        return {
            "id": self.identity,
            "type": self.kind,
            "status": state,
            "role": "assistant",
            "content": parts,
        }

    def _part(self, text: str) -> Json:
        part: Json = {"type": self.part, self.key: text}
        if self.part == "output_text":
            part |= {"annotations": self.annotations, "logprobs": self.logprobs if text else []}
        return part

    @property
    def _names(self) -> tuple[str, str]:
        """How the events of the part, and of its text, begin."""
        if self.kind == "reasoning":
            return "reasoning_summary_part", "reasoning_summary_text"
        return "content_part", self.part

    @property
    def _place(self) -> Json:
        index = "summary_index" if self.kind == "reasoning" else "content_index"
        return {"item_id": self.identity, index: 0}

    def begun(self) -> Iterator[NamedEvent]:
        """It is there, and empty."""
        yield "output_item.added", {"item": self.item(done=False)}
        yield f"{self._names[0]}.added", {**self._place, "part": self._part("")}

    def grown(self, piece: str, logprobs: list[Any]) -> Iterator[NamedEvent]:
        """A piece of text more."""
        self.pieces.append(piece)
        self.logprobs += logprobs
        beside = {"logprobs": logprobs} if self.part == "output_text" else {}
        yield f"{self._names[1]}.delta", {**self._place, "delta": piece, **beside}

    def done(self) -> Iterator[NamedEvent]:
        """It is whole."""
        beside = {"logprobs": self.logprobs} if self.part == "output_text" else {}
        yield f"{self._names[1]}.done", {**self._place, self.key: self.text, **beside}
        yield f"{self._names[0]}.done", {**self._place, "part": self._part(self.text)}
        yield "output_item.done", {"item": self.item(done=True)}


@dataclass
class CallItem:
    """A call of a tool. `kind` is `function` or `custom`; `key` is where what it is called with stands."""

    kind: str
    identity: str
    call_id: str
    name: str
    pieces: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Where the text that it is called with stands."""
        return "arguments" if self.kind == "function" else "input"

    @property
    def _text(self) -> str:
        text = "".join(self.pieces)
        return text or ("{}" if self.kind == "function" else "")

    def item(self, *, done: bool) -> Json:
        """The item as it is."""
        kind = "function_call" if self.kind == "function" else "custom_tool_call"
        head = {"id": self.identity, "type": kind, "status": "completed" if done else "in_progress"}
        return {**head, "call_id": self.call_id, "name": self.name, self.key: self._text if done else ""}

    @property
    def _event(self) -> str:
        return "function_call_arguments" if self.kind == "function" else "custom_tool_call_input"

    def begun(self) -> Iterator[NamedEvent]:
        """It is there, and what it is called with is not."""
        yield "output_item.added", {"item": self.item(done=False)}

    def grown(self, piece: str) -> Iterator[NamedEvent]:
        """A piece more."""
        self.pieces.append(piece)
        yield f"{self._event}.delta", {"item_id": self.identity, "delta": piece}

    def done(self) -> Iterator[NamedEvent]:
        """It is whole."""
        said = {"item_id": self.identity, "name": self.name, self.key: self._text}
        yield f"{self._event}.done", said
        yield "output_item.done", {"item": self.item(done=True)}
