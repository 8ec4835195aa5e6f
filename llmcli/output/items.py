"""The items of a list, one JSON line each, as soon as each is whole in the stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from llmcli import jsonl
from llmcli.output.sink import calls_of, text_of
from llmcli.output.streams import Out
from llmcli.wire import Chunk, Completion, Json


@dataclass(slots=True)
class ItemScanner:
    """Finds the elements of the array `items` of a JSON object, in text that comes in pieces."""

    _depth: int = 0
    _in_string: bool = False
    _escaped: bool = False
    _inside: bool = False  # the array
    _text: list[str] = field(default_factory=list)  # of the element; outside of the array, of the last key

    def feed(self, text: str) -> list[str]:
        """The JSON texts of the elements that `text` completes."""
        return [item for character in text if (item := self._step(character))]

    def _step(self, character: str) -> str | None:
        if self._in_string:
            self._keep(character)
            ends = character == '"' and not self._escaped
            self._escaped = character == "\\" and not self._escaped
            self._in_string = not ends
            return None
        if character == '"':
            self._in_string = True
            if not self._inside:
                self._text = []
        elif character in "[{":
            self._depth += 1
            if self._depth == 2 and character == "[" and self._whole() == '"items"':
                self._inside = True
                return None
        elif character in "]}":
            self._depth -= 1
            if self._inside and self._depth == 1:
                self._inside = False
                return self._whole()
        elif character == "," and self._inside and self._depth == 2:
            return self._whole()
        self._keep(character)
        return None

    def _keep(self, character: str) -> None:
        if self._inside or (self._in_string and self._depth == 1):
            self._text.append(character)

    def _whole(self) -> str | None:
        text = "".join(self._text).strip()
        self._text = []
        return text or None


@dataclass(slots=True)
class ItemSink:
    """`--schema-multi`: one JSON line per item.

    An answer that is not valid JSON is printed as it is, if nothing of it was printed yet.
    """

    events: ClassVar[bool] = False
    out: Out
    live: bool = True
    _scanner: ItemScanner = field(default_factory=ItemScanner)
    _printed: int = 0

    def chunk(self, chunk: Chunk) -> None:
        """See Sink."""
        for choice in chunk.get("choices") or []:
            if self.live and (choice.get("index") or 0) == 0:
                for item in self._scanner.feed(text_of(choice.get("delta") or {})):
                    self._print(item)

    def finish(self, completion: Completion) -> None:
        """See Sink."""
        for choice in completion.choices:
            message = choice.get("message") or {}
            for line in calls_of(message) or self._rest(text_of(message)):
                self.out.write_bytes(jsonl.line(line))
            self._printed = 0

    def abort(self, body: Json) -> None:
        """See Sink."""

    def _rest(self, text: str) -> list[Any]:
        """The items that were not printed yet."""
        try:
            items = jsonl.loads(text)["items"]
        except (ValueError, KeyError, TypeError):
            items = None
        if isinstance(items, list):
            return items[self._printed :]
        if text and not self._printed:
            self.out.write(text.rstrip("\n") + "\n")
        return []

    def _print(self, item: str) -> None:
        try:
            value = jsonl.loads(item)
        except ValueError:
            return
        self._printed += 1
        self.out.write_bytes(jsonl.line(value))
