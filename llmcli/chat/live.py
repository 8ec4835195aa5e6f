"""The live sink: an answer on a person's screen while it comes, and what of it has come so far."""

from __future__ import annotations

from typing import ClassVar

from llmcli import jsonl
from llmcli.lean.dataclass import dataclass
from llmcli.output.sink import answer_text, calls_of, reasoning_of, text_of
from llmcli.output.streams import Notes, Out
from llmcli.wire import Chunk, Completion, Json


@dataclass(slots=True)
class Live:
    """A sink for one answer after another. `text` is what came of the one at hand."""

    events: ClassVar[bool] = True
    out: Out
    notes: Notes
    reasoning: bool = False
    text: str = ""
    _identity: object = None
    _is_open: bool = False  # its end was not shown yet
    _held: str = ""  # newlines that may turn out to be the last
    _thinks: bool = False  # the last line is reasoning, and not ended

    def begin(self) -> None:
        """Forget the answer before."""
        self.text, self._identity = "", None

    def chunk(self, chunk: Chunk) -> None:
        """See Sink. Between a text and the answer to its tool calls, a line ends."""
        if chunk.get("id") != self._identity:
            self._end()
            self.begin()
            self._identity = chunk.get("id")
        for choice in chunk.get("choices") or []:
            if isinstance(choice, dict) and (choice.get("index") or 0) == 0:
                delta = choice.get("delta") or {}
                self._think(reasoning_of(delta))
                if text := text_of(delta):
                    self._show(text)

    def end(self) -> None:
        """See Sink. Nobody else writes here."""

    def finish(self, completion: Completion) -> None:
        """See Sink. Of several answers, all are shown; calls that nobody ran are JSON lines."""
        for number, choice in enumerate(completion.choices):
            message = choice.get("message") or {}
            if number:
                self.text = ""
            self._show(answer_text(message).removeprefix(self.text))
            self._end()
            for call in calls_of(message):
                self.out.write_bytes(jsonl.line(call))

    def abort(self, body: Json) -> None:  # noqa: ARG002 - it was shown as it came
        """See Sink."""
        self._end()

    def _show(self, text: str) -> None:
        self._stop_thinking()
        self.text += text
        kept = text.rstrip("\n")
        if kept:
            self.out.write(self._held + kept)
            self._is_open, self._held = True, ""
        self._held += text[len(kept) :]

    def _think(self, text: str) -> None:
        if text and self.reasoning:
            self._thinks = True
            self.notes.write(text)

    def _stop_thinking(self) -> None:
        if self._thinks:
            self.notes.write("\n")
        self._thinks = False

    def _end(self) -> None:
        self._stop_thinking()
        if self._is_open:
            self.out.write("", b"\n")
        self._is_open, self._held = False, ""
