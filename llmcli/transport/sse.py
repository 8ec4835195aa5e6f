"""Server-sent events: bytes, cut anywhere, to the `data` of each event."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its `event:` name (empty: none) and its `data:` lines joined by newlines."""

    name: bytes
    data: bytes


@dataclass(slots=True)
class EventDecoder:
    """Feed it bytes as they come; it gives the events that have become whole.

    Follows https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream but
    for the end: `finish` gives the last event even without its blank line, since servers forget it.
    """

    _tail: bytes = b""
    _name: bytes = b""
    _data: list[bytes] = field(default_factory=list)
    started: bool = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        buffer = self._tail + data
        if not self.started:
            if len(buffer) < 3 and b"\xef\xbb\xbf".startswith(buffer):
                self._tail = buffer
                return []
            buffer = buffer.removeprefix(b"\xef\xbb\xbf")
            self.started = True
        # A CR at the end may be the first half of CRLF: it waits for the next byte.
        held = b"\r" if buffer.endswith(b"\r") else b""
        *lines, rest = _LINE_END.split(buffer[: len(buffer) - len(held)])
        self._tail = rest + held
        return [event for line in lines if (event := self._line(line))]

    def finish(self) -> list[Event]:
        """What is left when the bytes have ended."""
        lines = _LINE_END.split(self._tail)
        self._tail = b""
        return [event for line in (*lines, b"") if (event := self._line(line))]

    def _line(self, line: bytes) -> Event | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._name = value
        return None  # comments, id, retry and unknown fields mean nothing here

    def _dispatch(self) -> Event | None:
        event = Event(self._name, b"\n".join(self._data)) if self._data else None
        self._name, self._data = b"", []
        return event
