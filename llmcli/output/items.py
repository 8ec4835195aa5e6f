"""The items of a list, one JSON line each, as soon as each is whole in the stream."""

from __future__ import annotations

from dataclasses import dataclass, field

from llmcli import jsonl
from llmcli.output.sink import text_of
from llmcli.output.streams import Out
from llmcli.wire import Chunk, Completion


@dataclass(slots=True)
class ItemScanner:
    """Finds the elements of the first array inside a JSON object, in text that comes in pieces."""

    _depth: int = 0
    _in_string: bool = False
    _escaped: bool = False
    _inside: bool = False  # the array
    _item: list[str] = field(default_factory=list)

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
        elif character in "[{":
            self._depth += 1
            if self._depth == 2 and character == "[" and not self._inside:
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
        if self._inside:
            self._item.append(character)

    def _whole(self) -> str | None:
        text = "".join(self._item).strip()
        self._item = []
        return text or None


@dataclass(slots=True)
class ItemSink:
    """`--schema-multi`: one JSON line per item.

    An answer that is not valid JSON is printed as it is, if nothing of it was printed yet.
    """

    out: Out
    live: bool = True
    _scanner: ItemScanner = field(default_factory=ItemScanner)
    _printed: int = 0

    def chunk(self, chunk: Chunk) -> None:
        """See Sink."""
        for choice in chunk.get("choices") or []:
            content = (choice.get("delta") or {}).get("content")
            if self.live and (choice.get("index") or 0) == 0 and isinstance(content, str):
                for item in self._scanner.feed(content):
                    self._print(item)

    def finish(self, completion: Completion) -> None:
        """See Sink."""
        for choice in completion.choices:
            text = text_of(choice.get("message") or {})
            try:
                items = jsonl.loads(text)["items"]
            except (ValueError, KeyError, TypeError):
                if text and not self._printed:
                    self.out.write(text.rstrip("\n") + "\n")
                continue
            for item in items[self._printed :] if isinstance(items, list) else []:
                self.out.write_bytes(jsonl.line(item))
            self._printed = 0

    def abort(self) -> None:
        """See Sink."""

    def _print(self, item: str) -> None:
        try:
            value = jsonl.loads(item)
        except ValueError:
            return
        self._printed += 1
        self.out.write_bytes(jsonl.line(value))
