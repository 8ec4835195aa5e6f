"""What came and what goes back: a Request, and an Answer of parts that are sent, waited for or held."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from http import HTTPStatus
from typing import Any, Literal

Json = dict[str, Any]
Framing = Literal["length", "chunked", "close", "wire"]
Ending = Literal["keep", "close", "reset", "half", "stall"]


class Mark(Enum):
    """AUTO is what the request asks for; ABSENT leaves the key out, where None would send null."""

    AUTO = "auto"
    ABSENT = "absent"


AUTO: Any = Mark.AUTO
ABSENT: Any = Mark.ABSENT


@dataclass(eq=False)
class Request:
    """One request as it came. `time` is time.monotonic() when it was whole; numbers count from 1."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    time: float = field(default_factory=time.monotonic)
    number: int = 0
    connection: int = 0
    gone: bool = False  # the client left before the answer was whole
    finished: threading.Event = field(default_factory=threading.Event, repr=False)

    @cached_property
    def json(self) -> Any:
        """The body's JSON; None where it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def fields(self) -> Json:
        return self.json if isinstance(self.json, dict) else {}

    @property
    def messages(self) -> list[Json]:
        """What was said, be it as the items of the Responses API."""
        return list(self.fields.get("messages") or self.fields.get("input") or ())

    @property
    def text(self) -> str:
        """The text of the last user message."""
        users = [message for message in self.messages if message.get("role") == "user"]
        return text_of(users[-1]) if users else ""


def text_of(message: Json) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content or ""


class Hold:
    """A gate in an answer: the server sets `reached` when it gets there, and waits for `release()`."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._lock = threading.Lock()
        self._released = False
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def release(self) -> None:
        with self._lock:
            self._released = True
            waiting, self._waiting = self._waiting, []
        for loop, event in waiting:
            with contextlib.suppress(RuntimeError):  # the server is closed by now
                loop.call_soon_threadsafe(event.set)

    async def wait(self) -> None:
        event = asyncio.Event()
        with self._lock:
            if self._released:
                event.set()
            self._waiting.append((asyncio.get_running_loop(), event))
        self.reached.set()
        await event.wait()


Part = bytes | float | Hold
"""Bytes are flushed by themselves, a float is a pause in seconds, a Hold is waited for."""


@dataclass(frozen=True)
class Answer:
    """What goes over the wire. With the framing "wire" the parts are all of it, else they are the body."""

    parts: tuple[Part, ...] = ()
    status: int = 200
    headers: Mapping[str, str | None] = field(default_factory=dict)
    framing: Framing = "length"
    ending: Ending = "keep"
    before: tuple[Part, ...] = ()  # waited for before the first byte
    declared: int | None = None  # the content-length, where it is not the truth
    whole: bool = True  # False: the last chunk of a chunked body is not sent

    @property
    def size(self) -> int:
        return sum(len(part) for part in self.parts if isinstance(part, bytes))

    @property
    def is_stream(self) -> bool:
        return (self.headers.get("content-type") or "").startswith("text/event-stream")

    def steps(self, request: Request) -> Iterator[Part]:
        """All that is sent and waited for, in order."""
        yield from self.before
        if self.framing == "wire":
            yield from self.parts
            return
        if self.framing == "length" and len(self.parts) == 1 and isinstance(self.parts[0], bytes):
            yield self._head(request) + self.parts[0]  # one segment, as servers do
            return
        yield self._head(request)
        for part in self.parts:
            if part != b"":
                yield framed_part(part) if self.framing == "chunked" else part
        if self.framing == "chunked" and self.whole:
            yield b"0\r\n\r\n"

    def _head(self, request: Request) -> bytes:
        headers: dict[str, str | None] = {"x-request-id": f"req_{request.number}"}
        if self.framing == "length":
            headers["content-length"] = str(self.size if self.declared is None else self.declared)
        else:
            headers.update(CHUNKED if self.framing == "chunked" else CLOSE)
        headers.update(self.headers)
        lines = [f"{name}: {value}\r\n" for name, value in headers.items() if value is not None]
        return f"HTTP/1.1 {self.status} {reason(self.status)}\r\n{''.join(lines)}\r\n".encode("latin-1")


CHUNKED = {"transfer-encoding": "chunked"}
CLOSE = {"connection": "close"}


def framed_part(part: Part) -> Part:
    return b"%x\r\n%b\r\n" % (len(part), part) if isinstance(part, bytes) else part


def reason(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return "Unknown"


Scenario = Callable[[Request], "Answer | Scenario"]


def play(scenario: Scenario | Answer, request: Request) -> Answer:
    """The answer of a scenario, however deep."""
    while not isinstance(scenario, Answer):
        scenario = scenario(request)
    return scenario
