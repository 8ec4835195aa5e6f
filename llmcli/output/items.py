"""The items of a list, one JSON line each, as soon as each is whole in the stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import field
from typing import Any, ClassVar

from llmcli import jsonl
from llmcli.lean.dataclass import dataclass
from llmcli.output.sink import Thoughts, calls_of, text_of
from llmcli.output.streams import Notes, Out
from llmcli.wire import Chunk, Completion, Json

_THINK, _THOUGHT = "<think>", "</think>"


def _as_it_is(item: Any) -> Any:
    return item


@dataclass(slots=True)
class ItemScanner:
    """Finds the elements of the array `items` of a JSON object, in text that comes in pieces."""

    _depth: int = 0
    _in_string: bool = False
    _escaped: bool = False
    _inside: bool = False  # the array
    _text: list[str] = field(default_factory=list)  # of the element; outside of the array, of the last key
    _before: str | None = ""  # of what may be a block of thoughts; None where the answer has begun
    _thinks: bool = False

    def feed(self, text: str) -> list[str]:
        """The JSON texts of the elements that `text` completes."""
        text = text if self._before is None else self._behind_thoughts(self._before + text)
        return [item for character in text if (item := self._step(character))]

    def _behind_thoughts(self, text: str) -> str:
        """What follows a `<think>` block that the answer begins with, or may begin with."""
        start = text if self._thinks else text.lstrip("\ufeff \t\r\n")
        self._thinks = self._thinks or start.startswith(_THINK)
        if self._thinks:
            _, end, rest = start.partition(_THOUGHT)
            self._before = None if end else start[-len(_THOUGHT) :]
            return rest
        self._before = start if _THINK.startswith(start) else None
        return "" if self._before is not None else start

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
    """`--schema-multi`: one JSON line per item; `null` ends each with NUL. Reasoning, if wanted, to stderr.

    Of an answer that was cut, the whole items are shown; one that holds none, and is no list, as it is.
    `read` gives the text of a message as it is judged, `mend` an item.
    """

    events: ClassVar[bool] = False
    out: Out
    notes: Notes
    null: bool = False
    reasoning: bool = False
    live: bool = True
    read: Callable[[Json], str] = text_of
    mend: Callable[[Any], Any] = _as_it_is
    _scanner: ItemScanner = field(default_factory=ItemScanner)
    _printed: int = 0
    _thoughts: Thoughts = field(init=False)

    def __post_init__(self) -> None:
        self._thoughts = Thoughts(self.notes, self.reasoning)

    def chunk(self, chunk: Chunk) -> None:
        """See Sink."""
        for choice in chunk.get("choices") or []:
            if (choice.get("index") or 0) != 0:
                continue
            delta = choice.get("delta") or {}
            self._thoughts.show(delta)
            for item in _values(self._scanner.feed(text_of(delta))) if self.live else []:
                self._thoughts.end()
                self._printed += 1
                self._print(self.mend(item))

    def end(self) -> None:
        """See Sink. An item ends where it is printed."""

    def finish(self, completion: Completion) -> None:
        """See Sink."""
        self._thoughts.end()
        for choice in completion.choices:
            message = choice.get("message") or {}
            self._thoughts.show_whole(message)
            self._answer(message)

    def abort(self, body: Json) -> None:
        """See Sink."""
        self._thoughts.end()
        for choice in body["choices"]:
            self._answer(choice.get("message") or {})

    def _answer(self, message: Json) -> None:
        """Print what was not printed yet."""
        text, calls = self.read(message), calls_of(message)
        items = _items_of(text)
        for item in calls or map(self.mend, (items or [])[self._printed :]):
            self._print(item)
        if text and not calls and items is None:
            self.out.write(*((text, b"\0") if self.null else (text.rstrip("\n"), b"\n")))
        self._printed = 0

    def _print(self, item: Any) -> None:
        self.out.write_bytes(jsonl.dumps(item) + (b"\0" if self.null else b"\n"))


def _items_of(text: str) -> list[Any] | None:
    """The items of a whole answer, or the whole items of one that was cut; None where it is no list at all."""
    try:
        items = jsonl.loads(text)["items"]
    except (ValueError, KeyError, TypeError):
        items = None
    return items if isinstance(items, list) else list(_values(ItemScanner().feed(text))) or None


def _values(items: list[str]) -> Iterator[Any]:
    """Those that are JSON."""
    for item in items:
        with suppress(ValueError):
            yield jsonl.loads(item)
