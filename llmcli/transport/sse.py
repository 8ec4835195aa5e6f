"""Server-sent events: bytes, cut anywhere, to the `data` of each event."""

from __future__ import annotations

from dataclasses import field
from typing import NamedTuple

from llmcli.lean.dataclass import dataclass
from llmcli.lean.pattern import lazy_pattern

_LINE_END = lazy_pattern(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
_CR = 0x0D


class Event(NamedTuple):
    """One event: its `event:` name (empty: none) and its `data:` lines joined by newlines."""

    name: bytes
    data: bytes

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing in it: such events keep a connection alive."""
        return not self.data or self.data.isspace()


@dataclass(slots=True)
class EventDecoder:
    """Feed it bytes as they come; it gives the events that have become whole.

    Follows https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream, but at
    the end `finish` gives the last event even without its blank line, since servers forget it.
    """

    _begun: list[bytes] = field(default_factory=list)  # a line without its end yet, in pieces
    _cr: bool = False  # the last byte was a CR: an LF that follows belongs to it
    _name: bytes = b""
    _data: list[bytes] = field(default_factory=list)
    started: bool = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        if not self.started:
            data = b"".join(self._begun) + data
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._begun = [data]
                return []
            self.started, self._begun, data = True, [], data.removeprefix(_BOM)
        if self._cr and data:
            data, self._cr = data.removeprefix(b"\n"), False
        if not data:
            return []
        self._cr = data.endswith(b"\r")
        lines = _LINE_END.split(data) if _CR in data else data.split(b"\n")
        last = lines.pop()
        if not lines:
            self._begun.append(last)
            return []
        if self._begun:
            lines[0] = b"".join(self._begun) + lines[0]
        self._begun = [last] if last else []
        return [event for line in lines if (event := self._line(line)) is not None]

    @property
    def idle(self) -> bool:
        """Whether no event is under way: nothing but comments and blank lines came since the last."""
        return not self._data and next(filter(None, self._begun), b"")[:1] in {b"", b":"}

    def finish(self) -> list[Event]:
        """What is left when the bytes have ended."""
        last, self._begun = b"".join(self._begun), []
        return [event for line in (last, b"") if (event := self._line(line))]

    def _line(self, line: bytes) -> Event | None:
        if not line:
            return self._dispatch() if self._data or self._name else None
        if line[:6] == b"data: ":  # as nearly all are
            self._data.append(line[6:])
            return None
        if not self._data and line[:1] == b"{" and line.rstrip()[-1:] == b"}":
            return Event(b"", line)
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._name = value
        elif name == b"error" and value:
            return Event(name, value)
        return None  # comments, id, retry and unknown fields mean nothing here

    def _dispatch(self) -> Event | None:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        event = Event(self._name, data) if self._data else None
        self._name, self._data = b"", []
        return event
