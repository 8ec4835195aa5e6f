"""Sessions: a conversation as JSON lines that are appended to, whole after any crash.

    {"llmcli": {"version": 1, "model": "offline/echo", "created": "2026-11-20T12:00:00Z"}}
    {"role": "system", "content": "..."}
    {"role": "user", "content": "...", "llmcli": {"tokens": 9, "encoding": "cl100k_base"}}
    {"role": "assistant", "content": "...", "llmcli": {"cost_usd": 0.0}}
    {"llmcli": {"pin": 1}}                                            the message of that number stays
    {"llmcli": {"tokens": [9, 4], "from": 0, "encoding": "..."}}      counts of messages that had none
    {"llmcli": {"summary": "...", "of": 2, "cost_usd": 0.0}}          stands for the first messages
    {"llmcli": {"model": "..."}}                                      from here on

Lines with a role are the messages, as `--messages` reads them; all else is the session's own. A system message
that says `"replaces": true` is sent in place of those before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Any

from llmcli import jsonl
from llmcli.chat.sessions.transcript import Transcript
from llmcli.errors import UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.request.messages import checked_message, settled
from llmcli.wire import Json, Message

VERSION = 1
_HEADER = b'{"llmcli":'  # how the first line that is written here begins
_ANY = b'{"'  # and any other


@dataclass(slots=True)
class KeptMessage:
    """A message and what is known of it.

    `bound` is a number of tokens that it surely has no more than; `tokens` are counted in `encoding`.
    """

    message: Message
    bound: float
    tokens: int | None = None
    encoding: str | None = None
    pinned: bool = False
    replaces: bool = False
    cut: bool = False  # it broke off, or was stopped
    cost: float | None = None  # $, of the answer that this is; None: not known
    offset: int = 0  # where its line begins

    @classmethod
    def of(cls, message: Message, size: int | None = None) -> KeptMessage:
        """A message that is new, or whose line has `size` bytes. A token is at least one byte of text.

        What is no text (images, sound) may have more tokens than bytes.
        """
        size = len(jsonl.dumps(message)) if size is None else size
        return cls(message, float("inf") if isinstance(message.get("content"), list) else size + 16)

    def line(self) -> bytes:
        """What stands in the file."""
        extra: Json = {}
        if self.tokens is not None:
            extra |= {"tokens": self.tokens, "encoding": self.encoding}
        if self.pinned:
            extra["pin"] = True
        if self.replaces:
            extra["replaces"] = True
        if self.cut:
            extra["cut"] = True
        if self.cost is not None:
            extra["cost_usd"] = self.cost
        return jsonl.line({**self.message, "llmcli": extra} if extra else self.message)

    def take(self, extra: Json) -> None:
        """Take in the `llmcli` key of its line."""
        tokens, encoding, cost = extra.get("tokens"), extra.get("encoding"), extra.get("cost_usd")
        if isinstance(tokens, int) and isinstance(encoding, str):
            self.tokens, self.encoding = tokens, encoding
        self.pinned = extra.get("pin") is True
        self.replaces = extra.get("replaces") is True
        self.cut = extra.get("cut") is True
        self.cost = cost if isinstance(cost, (int, float)) else None


@dataclass(frozen=True, slots=True)
class Summary:
    """`text` stands for the messages before number `of`, pinned and system messages aside."""

    text: str
    of: int
    cost: float | None = None


@dataclass(slots=True)
class _State:
    """What the lines of a transcript say."""

    entries: list[KeptMessage] = field(default_factory=list)
    model: str | None = None
    created: str | None = None
    summary: Summary | None = None
    end: int = 0  # bytes that are whole lines
    newline: bool = False  # the last of them lacks its newline


class Conversation:
    """What was said, as a transcript has it. Messages of a turn are written together, when the turn is whole.

    `name` is for error messages. A last line that is torn is not seen, and cut off before the next is written.
    """

    def __init__(self, transcript: Transcript, name: str, created: str) -> None:
        self.name = name
        self._transcript = transcript
        self._created = created
        self._state = _parse(transcript.read(), name)

    @property
    def entries(self) -> list[KeptMessage]:
        """The messages, oldest first."""
        return self._state.entries

    @property
    def model(self) -> str | None:
        """The model that was last spoken to, as `provider/name`."""
        return self._state.model

    @property
    def summary(self) -> Summary | None:
        """What stands for the oldest messages, where they were summarized."""
        return self._state.summary

    @property
    def settled(self) -> int:
        """How many of the messages are whole turns; those behind are questions or calls without an answer."""
        return settled([entry.message for entry in self.entries])

    @property
    def cost(self) -> float:
        """The $ that are known to have been spent."""
        costs = (entry.cost for entry in self.entries)
        return sum(cost for cost in costs if cost is not None) + ((self.summary and self.summary.cost) or 0)

    def append(self, entries: Sequence[KeptMessage], model: str, *, after: int | None = None) -> None:
        """Write a turn behind the first `after` messages (None: all), with one write; what stood there is cut off.

        Raises OutputFailure.
        """
        after = len(self.entries) if after is None else after
        if after < len(self.entries):
            # What stood behind the cut is gone: model, pins, counts and summaries are read anew.
            self._state = _parse(self._transcript.read()[: self.entries[after].offset], self.name)
        self._write(b"", cut=self._state.end, head=self._head(model), entries=entries)
        self._state.entries += entries
        self._state.model = model

    def pin(self, number: int) -> None:
        """Keep a message, whatever is dropped."""
        self.entries[number].pinned = True
        self._note({"pin": number})

    def keep_counts(self, first: int, tokens: list[int], encoding: str) -> None:
        """Keep the counts of messages from number `first` on."""
        self._note({"tokens": tokens, "from": first, "encoding": encoding})

    def summarize(self, summary: Summary) -> None:
        """Keep a summary."""
        self._state.summary = summary
        cost = {} if summary.cost is None else {"cost_usd": summary.cost}
        self._note({"summary": summary.text, "of": summary.of, **cost})

    def close(self) -> None:
        """Let go of the file."""
        self._transcript.close()

    def copy_to(self, transcript: Transcript) -> None:
        """Write all of it to another transcript."""
        transcript.write(0, self._transcript.read()[: self._state.end])

    def _note(self, what: Json) -> None:
        if self._state.end:  # else there is nothing yet that it could be about
            self._write(jsonl.line({"llmcli": what}), cut=self._state.end)

    def _head(self, model: str) -> bytes:
        if self._state.end == 0:
            return jsonl.line({"llmcli": {"version": VERSION, "model": model, "created": self._created}})
        return b"" if model == self.model else jsonl.line({"llmcli": {"model": model}})

    def _write(
        self, data: bytes, *, cut: int, head: bytes = b"", entries: Sequence[KeptMessage] = ()
    ) -> None:
        newline = b"\n" if self._state.newline and cut == self._state.end else b""
        lines = [newline + head, data]
        offset = cut + len(newline) + len(head) + len(data)
        for entry in entries:
            entry.offset = offset
            lines.append(entry.line())
            offset += len(lines[-1])
        self._transcript.write(cut, b"".join(lines))
        self._state.end = offset
        self._state.newline = False


def _parse(data: bytes, name: str) -> _State:
    """Read the lines of a transcript. Raises UsageError naming the first line that does not belong in a session."""
    state = _State()
    for number, offset, line in _lines(data):
        last = offset + len(line) >= len(data)
        torn = last and _is_torn(line, _ANY if state.end else _HEADER)
        record = _record(line, f"{name}, line {number}", torn=torn)
        if record is None:
            break
        if "role" in record:
            message = checked_message(record, f"{name}, line {number}")
            entry = KeptMessage.of(message, len(line))
            entry.offset = offset
            entry.take(_extra(record))
            state.entries.append(entry)
        else:
            _take_note(state, _extra(record))
        state.end = offset + len(line)
        state.newline = not line.endswith(b"\n")
    return state


def _lines(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(number, offset, line with its newline) of the lines that are not blank."""
    offset = 0
    for number, line in enumerate(data.split(b"\n"), 1):
        size = len(line) + 1
        if line.strip():
            yield number, offset, data[offset : offset + size]
        offset += size


def _is_torn(line: bytes, ours: bytes) -> bool:
    """Whether the last line can be the beginning of one of `ours`, or the NUL bytes that a crash leaves behind it.

    Anything else was not written here, and is not ours to cut off.
    """
    begun = line.strip(b"\0\n")
    return (not line.endswith(b"\n") or b"\0" in line) and (begun.startswith(ours) or ours.startswith(begun))


def _record(line: bytes, where: str, *, torn: bool) -> Json | None:
    """The object of a line; None where it is torn."""
    try:
        record = jsonl.loads(line)
    except ValueError as error:
        if torn:
            return None
        raise UsageError(
            f"the session is not valid JSON: {error}", where, "mend or remove that line"
        ) from None
    if not isinstance(record, dict) or ("role" not in record and "llmcli" not in record):
        raise UsageError("that is no line of a session", where, "name another --session")
    return record


def _extra(record: Json) -> Json:
    extra = record.get("llmcli")
    return extra if isinstance(extra, dict) else {}


def _take_note(state: _State, note: Json) -> None:
    if isinstance(note.get("model"), str):
        state.model = note["model"]
    if isinstance(note.get("created"), str):
        state.created = note["created"]
    if isinstance(pin := note.get("pin"), int) and 0 <= pin < len(state.entries):
        state.entries[pin].pinned = True
    if isinstance(note.get("summary"), str) and isinstance(note.get("of"), int):
        cost = note.get("cost_usd")
        state.summary = Summary(
            note["summary"], min(note["of"], len(state.entries)), cost if isinstance(cost, float) else None
        )
    _take_counts(state, note.get("tokens"), note.get("from"), note.get("encoding"))


def _take_counts(state: _State, tokens: Any, first: Any, encoding: Any) -> None:
    if not isinstance(tokens, list) or not isinstance(first, int) or not isinstance(encoding, str):
        return
    for entry, count in zip(state.entries[max(first, 0) :], tokens, strict=False):
        if isinstance(count, int):
            entry.tokens, entry.encoding = count, encoding
