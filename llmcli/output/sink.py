"""Sinks: what is shown of an answer, while it comes and when it is whole."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import field
from typing import Any, ClassVar, Protocol

from llmcli import jsonl
from llmcli.finish import is_thought
from llmcli.lean.dataclass import dataclass
from llmcli.output.calls import arguments_of, inner_of, tool_calls
from llmcli.output.media import links_of, media_of
from llmcli.output.report import PriceOf, Report
from llmcli.output.streams import Notes, Out
from llmcli.wire import Chunk, Completion, Json

_FENCE = r"(?ms)^( {0,3})(`{3,}(?=[^`\n]*\n)|~{3,}+)([^\n]*)\n(.*?)(?:^ {0,3}\2[`~]*[ \t]*\r?$|\Z)"


class Sink(Protocol):
    """Takes the chunks of a streamed answer as they come, then the completion that they fold into."""

    def chunk(self, chunk: Chunk) -> None:
        """Show a piece of the answer."""

    def end(self) -> None:
        """The last chunk was shown, and nobody else has the answer yet: end the line that was begun."""

    def finish(self, completion: Completion) -> None:
        """Show what has not been shown yet."""

    def abort(self, body: Json) -> None:
        """The answer will not be whole: show what has come of it, and leave that in good order."""

    @property
    def events(self) -> bool:
        """Whether each chunk is shown, even of an answer that was there whole."""


@dataclass(slots=True)
class Thoughts:
    """Reasoning, shown on stderr where it is `wanted`."""

    notes: Notes
    wanted: bool
    _last: str = ""

    def show(self, message: Json) -> None:
        """What a message, or a delta, holds of it."""
        piece = reasoning_of(message)
        if piece and self.wanted:
            self._last = piece
            self.notes.write(piece)

    def show_whole(self, message: Json) -> None:
        """What a message holds of it, unless it was shown as it came."""
        if not self._last:
            self.show(message)
            self.end()

    def end(self) -> None:
        """End its last line."""
        if self._last and not self._last.endswith("\n"):
            self._last = "\n"
            self.notes.write("\n")


@dataclass(slots=True)
class TextSink:
    """The answer's text, in index order; tool calls as JSON lines; reasoning, if wanted, to stderr.

    The first choice is shown as it comes, unless something must be known first: whether calls come
    (`holds`), where the code is (`extract`), or how the answer is judged (`read`, which gives the text of a
    message as it was). `null` ends answers with NUL and leaves every byte as it is.
    """

    events: ClassVar[bool] = False
    out: Out
    notes: Notes
    null: bool = False
    extract: bool = False
    holds: bool = False
    reasoning: bool = False
    beside: Out | None = None  # where the text goes when audio or an image takes `out`
    read: Callable[[Json], str] | None = None
    _shown: int = 0  # characters of the answer at hand that were taken in
    _held: list[str] = field(default_factory=list)  # newlines that may turn out to be the last
    _half: str = ""  # of a character whose other half is still to come
    _is_ended: bool = False  # its end was shown
    _thoughts: Thoughts = field(init=False)

    def __post_init__(self) -> None:
        self._thoughts = Thoughts(self.notes, self.reasoning)

    def chunk(self, chunk: Chunk) -> None:
        """See Sink."""
        for choice in chunk.get("choices") or []:
            if not isinstance(choice, dict) or (choice.get("index") or 0) != 0:
                continue
            delta = choice.get("delta") or {}
            self._thoughts.show(delta)
            text = text_of(delta)
            if text and not self.holds and not self.extract and self.read is None:
                self._thoughts.end()
                self._show(text)

    def end(self) -> None:
        """See Sink. Of an answer that may go on with half a character, the end is shown with the rest."""
        if self._shown and not self._half:
            self._write_end("")
            self._held.clear()
            self._is_ended = True

    def finish(self, completion: Completion) -> None:
        """See Sink."""
        self._thoughts.end()
        if self.beside is not None and (media := media_of(completion)):
            self.out.write_bytes(media[0])
            self.out = self.beside
            if len(media) > 1:
                self.notes.say(
                    f"{len(media) - 1} more of the answer's images are not written: --json has all"
                )
        for choice in completion.choices:
            message = choice.get("message") or {}
            self._thoughts.show_whole(message)
            self._answer(message)

    def abort(self, body: Json) -> None:
        """See Sink."""
        self._thoughts.end()
        for choice in body["choices"]:
            if text := text_of(choice.get("message") or {}):
                self._end_text(text)

    def _answer(self, message: Json) -> None:
        text = answer_text(message)
        calls = calls_of(message)
        if calls:
            if text and not self._shown:
                self.notes.say(text)
            elif self._shown:
                self._end()
            for call in calls:
                self.out.write_bytes(jsonl.dumps(call) + (b"\0" if self.null else b"\n"))
        elif self.read is not None and text:
            self._end(self.read(message))
        elif text or not message.get("refusal"):
            self._end_text(text)

    def _end_text(self, text: str) -> None:
        self._end(first_code_block(text) if self.extract else text[self._shown :])

    def _show(self, text: str) -> None:
        text = jsonl.joined_halves(self._half + text)
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        text = text.removesuffix(self._half)
        self._shown += len(text)
        if self.null:
            self.out.write(text)
            return
        kept = text.rstrip("\n")
        if kept:
            self.out.write("".join([*self._held, kept]))
            self._held.clear()
        self._held.append(text[len(kept) :])

    def _end(self, rest: str = "") -> None:
        """Show the rest of an answer and its end, unless that was shown."""
        rest = rest.removeprefix("\n") if self._is_ended else rest
        if rest or not self._is_ended:
            self._write_end(rest)
        self._shown, self._held, self._half, self._is_ended = 0, [], "", False

    def _write_end(self, rest: str) -> None:
        """In one write: lines of several processes stay whole."""
        if self.null:
            self.out.write(rest, b"\0")
        else:
            self.out.write("".join([*self._held, rest]).rstrip("\n"), b"\n")


@dataclass(slots=True)
class RecordSink:
    """The Chat Completion object with the `llmcli` key; with `events`, each chunk on a line before it."""

    out: Out
    encode: Callable[[Any], bytes]
    price_of: PriceOf
    events: bool = False

    def chunk(self, chunk: Chunk) -> None:
        """See Sink."""
        if self.events:
            self.out.write_bytes(jsonl.line(chunk))

    def end(self) -> None:
        """See Sink. Each line is whole."""

    def finish(self, completion: Completion) -> None:
        """See Sink."""
        self.out.write_bytes(self.encode(Report.of(completion, self.price_of).record()))

    def abort(self, body: Json) -> None:
        """See Sink."""


RECORDS: dict[str, Callable[[Out, PriceOf], RecordSink]] = {
    "json": lambda out, price_of: RecordSink(out, jsonl.pretty, price_of),
    "jsonl": lambda out, price_of: RecordSink(out, jsonl.line, price_of),
    "events": lambda out, price_of: RecordSink(out, jsonl.line, price_of, events=True),
}
"""The sink of each format but text."""


class _Silent:
    """Shows nothing."""

    events = False

    def chunk(self, chunk: Chunk) -> None:
        """See Sink."""

    def end(self) -> None:
        """See Sink."""

    def finish(self, completion: Completion) -> None:
        """See Sink."""

    def abort(self, body: Json) -> None:
        """See Sink."""


SILENT = _Silent()


def text_of(message: Json) -> str:
    """The text of a message: its content, or the text parts of it, or what its audio says."""
    content = message.get("content")
    if isinstance(content, list | dict):
        return "".join(map(_text_of_part, [content] if isinstance(content, dict) else content))
    if isinstance(content, str) and content:
        return content
    audio = message.get("audio")
    said = audio.get("transcript") if isinstance(audio, dict) else None
    return said if isinstance(said, str) else ""


def answer_text(message: Json) -> str:
    """The text of a whole message, and below it the addresses of images that it has nothing else of."""
    text = text_of(message)
    links = [link for link in links_of(message) if link not in text]
    if not links:
        return text
    return text + "\n" * (text != "" and not text.endswith("\n")) + "\n".join(links)


def _text_of_part(part: Any) -> str:
    """The text of a part of a content; of a thought, none."""
    if isinstance(part, dict):
        part = None if is_thought(part) else part.get("text")
    return part if isinstance(part, str) else ""


def reasoning_of(message: Json) -> str:
    """The reasoning text of a message or delta, whichever name the server has for it."""
    text = message.get("reasoning_content") or message.get("reasoning")
    return text if isinstance(text, str) else ""


def calls_of(message: Json) -> list[Json]:
    """Tool calls as they are printed: `{"id","name","arguments"}`; arguments that are no JSON stay a string."""
    return [_shown(call) for call in tool_calls(message)]


def _shown(call: Json) -> Json:
    inner = inner_of(call)
    arguments = inner.get("arguments", inner.get("input"))
    if "arguments" in inner:
        with contextlib.suppress(ValueError):
            arguments = arguments_of(call)
    return {"id": call["id"], "name": inner.get("name"), "arguments": arguments}


def first_code_block(text: str) -> str:
    """The inside of the first fenced code block, less the fence's indentation; the whole text where there is none."""
    match = re.search(_FENCE, text)
    if match is None:
        return text
    return re.sub(rf"^ {{1,{len(match[1])}}}", "", match[4], flags=re.MULTILINE) if match[1] else match[4]
