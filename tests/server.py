"""A loopback HTTP/1.1 server that speaks Chat Completions, and misbehaves on demand.

    with Server() as server:
        server.script = [status(429, headers={"retry-after": "0"}), ok("Hello")]
        ...  # send requests to server.base_url
    assert [request.json["model"] for request in server.requests] == ["tiny", "tiny"]

A scenario is a function of the Request; it gives an Answer, or another scenario. `script` is one scenario,
or a list of them, one for each POST to .../chat/completions; the last one repeats. Without one, the server
echoes.

An Answer is what goes over the wire, part by part, and how it ends. Wrappers such as `cut` and `chopped`
change the parts of any scenario's body; around `wire(scenario)` they change the very bytes of the wire, head
and framing included.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import re
import socket
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from enum import Enum
from functools import cached_property
from http import HTTPStatus
from typing import Any, Literal, Self

Json = dict[str, Any]
Framing = Literal["length", "chunked", "close", "wire"]
Ending = Literal["keep", "close", "reset", "half", "stall"]


class Mark(Enum):
    """AUTO is what the request asks for; ABSENT leaves the key out, where None would send null."""

    AUTO = "auto"
    ABSENT = "absent"


AUTO: Any = Mark.AUTO
ABSENT: Any = Mark.ABSENT


# --- What came, and what goes back --------------------------------------------------------------------------


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
    def text(self) -> str:
        """The text of the last user message."""
        users = [message for message in self.fields.get("messages") or () if message.get("role") == "user"]
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


# --- Answers of one piece -----------------------------------------------------------------------------------


ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def dumps(value: Any) -> bytes:
    """JSON as the API writes it: UTF-8, compact. backslashreplace turns a lone surrogate into its escape."""
    return ENCODER.encode(value).encode("utf-8", "backslashreplace")


def reply(
    body: Any,
    code: int = 200,
    *,
    headers: Mapping[str, str | None] | None = None,
    content_type: str | None = None,
    framing: Framing = "length",
) -> Scenario:
    """This body, whatever was asked: objects and lists as JSON, a str as text or HTML, bytes as they are."""
    if isinstance(body, str):
        kind, data = "text/html" if body.lstrip().startswith("<") else "text/plain", body.encode()
    else:
        kind, data = "application/json", body if isinstance(body, bytes) else dumps(body)
    answer = Answer((data,), code, {"content-type": content_type or kind, **(headers or {})}, framing)
    return lambda _: answer


def error(message: str, *, code: Any = None, kind: Any = "invalid_request_error", param: Any = None) -> Json:
    """An error body of OpenAI's shape."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def status(code: int, body: Any = None, **options: Any) -> Scenario:
    """An HTTP error; without a body, OpenAI's error object. `options` are those of `reply`."""
    return reply(
        error(f"The server says {code}.", kind=reason(code)) if body is None else body, code, **options
    )


def quota() -> Scenario:
    """The 429 that no waiting cures."""
    kind = "insufficient_quota"
    return status(429, error("You exceeded your current quota.", code=kind, kind=kind))


def redirect(code: int, location: str) -> Scenario:
    return reply(b"", code, headers={"location": location})


ERROR_BODIES: dict[str, Any] = {
    "object": error("It went wrong.", code="some_code", param="messages"),
    "code is an int": {"error": {"message": "It went wrong.", "type": "server_error", "code": 500}},
    "message only": {"error": {"message": "It went wrong."}},
    "message is null": {"error": {"message": None, "type": None, "code": None}},
    "string": {"error": "It went wrong."},
    "list": [{"error": {"message": "It went wrong.", "status": "INVALID_ARGUMENT", "code": 400}}],
    "detail": {"detail": "It went wrong."},
    "detail list": {"detail": [{"loc": ["body", "model"], "msg": "It went wrong.", "type": "missing"}]},
    "flat": {"object": "error", "message": "It went wrong.", "type": "BadRequestError", "code": 400},
    "html": "<html><body><h1>It went wrong.</h1></body></html>",
    "text": "It went wrong.",
    "empty": "",
    "empty JSON": b"",
    "broken JSON": b'{"error": {"message": "It went wro',
    "null": b"null",
    "number": b"17",
    "not UTF-8": b'{"error": {"message": "It went \xff wrong."}}',
}
"""Every odd shape of an error: status(500, ERROR_BODIES["html"])."""


# --- The friendly answer ------------------------------------------------------------------------------------


def call(name: str, arguments: Any, call_id: str = "call_1") -> Json:
    """One tool call; arguments that are a str are sent as they are."""
    arguments = arguments if isinstance(arguments, str) else dumps(arguments).decode()
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def usage(prompt: int, completion: int, *, cached: int = 0, reasoning: int = 0) -> Json:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def event(data: Any) -> bytes:
    """One SSE event; data that is not bytes is sent as JSON."""
    return b"data: %b\n\n" % (data if isinstance(data, bytes) else dumps(data))


DONE = event(b"[DONE]")


def chunk(content: Any = ABSENT, *, finish_reason: Any = None, index: Any = 0, **delta: Any) -> Json:
    """One chat.completion.chunk with one choice, for `events`."""
    choice = {"index": index, "delta": {"content": content, **delta}, "finish_reason": finish_reason}
    choice["delta"] = present(choice["delta"])
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": CREATED, "model": "tiny"}
    return {**head, "choices": [present(choice)]}


def present(mapping: Mapping[str, Any]) -> Json:
    return {key: value for key, value in mapping.items() if value is not ABSENT}


def pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


CREATED = 1_700_000_000


@dataclass(frozen=True)
class Ok:
    """A good answer, streamed if the request asks for it; the options bend it.

    `text` is one for all choices, or one for each; `size` is the number of characters in a delta. AUTO is
    "Hello", or nothing beside a refusal or tool calls.
    """

    text: str | Sequence[str] | None = AUTO
    _: KW_ONLY
    finish_reason: Any = AUTO
    usage: Any = AUTO  # AUTO counts words; None is never
    usage_at: Literal["extra", "finish"] = "extra"  # in a chunk without choices, or in the finish chunk
    n: int | None = None
    model: str | None = None
    refusal: str | None = None
    tool_calls: Sequence[Json] = ()
    logprobs: bool | None = None
    reasoning: str | None = None
    reasoning_field: str = "reasoning_content"
    index: Any = AUTO
    first: Any = ""  # the content of the opening delta
    size: int = 4
    done: bool = True  # [DONE] is sent
    error: Any = None  # an error instead of the answer; in a stream, after `after` deltas
    extra: Mapping[str, Any] = field(default_factory=dict)  # further keys of the body and of each chunk
    stream: bool | None = None
    hold: Hold | None = None  # in a stream, after `after` deltas; else before the first byte
    after: int = 0
    delay: float = 0.0
    headers: Mapping[str, str | None] = field(default_factory=dict)
    framing: Framing | None = None

    def __call__(self, request: Request) -> Answer:
        streamed = bool(request.fields.get("stream")) if self.stream is None else self.stream
        kind = "text/event-stream; charset=utf-8" if streamed else "application/json"
        before: tuple[Part, ...] = (self.delay,) if self.delay else ()
        if self.hold and not streamed:
            before += (self.hold,)
        return Answer(
            tuple(self._events(request)) if streamed else (dumps(self._body(request)),),
            headers={"content-type": kind, **self.headers},
            framing=self.framing or ("chunked" if streamed else "length"),
            before=before,
        )

    # The answer whole

    def _body(self, request: Request) -> Json:
        if self.error is not None:
            return {"error": self.error}
        body = self._head(request, "chat.completion")
        body["choices"] = [self._choice(request, index) for index in range(self._count(request))]
        if (counted := self._usage(request)) is not None:
            body["usage"] = counted
        return {**body, **self.extra}

    def _choice(self, request: Request, index: int) -> Json:
        message = present({"role": "assistant", "content": self._content(index), "refusal": self.refusal})
        if self.reasoning is not None:
            message[self.reasoning_field] = self.reasoning
        if self.tool_calls:
            message["tool_calls"] = list(self.tool_calls)
        return present(
            {
                "index": index if self.index is AUTO else self.index,
                "message": message,
                "logprobs": self._logprobs(request, self._said(index)),
                "finish_reason": self._finish_reason(),
            },
        )

    # The answer in pieces

    def _events(self, request: Request) -> Iterator[Part]:
        count, head = self._count(request), self._chunk_head(request)
        opening = present({"role": "assistant", "content": self.first})
        for index in range(count):
            yield event({**head, "choices": [self._delta(index, opening)]})
        turns = itertools.zip_longest(*(self._deltas(request, index) for index in range(count)))
        choices = [choice for turn in turns for choice in turn if choice]
        deltas: list[Part] = [event({**head, "choices": [choice]}) for choice in choices]
        if self.hold:
            deltas.insert(self.after, self.hold)
        if self.error is not None:
            yield from deltas[: self.after]
            yield event({"error": self.error})
            return
        yield from deltas
        yield from self._closing(request, head)

    def _closing(self, request: Request, head: Json) -> Iterator[bytes]:
        counted = self._usage(request)
        for index in range(self._count(request)):
            last = present({**self._delta(index, {}), "finish_reason": self._finish_reason()})
            tail = {"usage": counted} if counted and self.usage_at == "finish" else {}
            yield event({**head, "choices": [last], **tail})
        if counted and self.usage_at == "extra" and self._asks_usage(request):
            yield event({**head, "choices": [], "usage": counted})
        if self.done:
            yield DONE

    def _deltas(self, request: Request, index: int) -> Iterator[Json]:
        for piece in pieces(self.reasoning or "", self.size):
            yield self._delta(index, {self.reasoning_field: piece})
        for piece in pieces(self._said(index), self.size):
            logprobs = self._logprobs(request, piece)
            yield self._delta(index, {"content": piece}) | ({"logprobs": logprobs} if logprobs else {})
        for piece in pieces(self.refusal or "", self.size):
            yield self._delta(index, {"refusal": piece})
        for position, tool_call in enumerate(self.tool_calls):
            function = tool_call["function"]
            opening = {**tool_call, "function": {**function, "arguments": ""}}
            yield self._delta(index, {"tool_calls": [{"index": position, **opening}]})
            for piece in pieces(function["arguments"], self.size):
                yield self._delta(
                    index, {"tool_calls": [{"index": position, "function": {"arguments": piece}}]}
                )

    def _delta(self, index: int, delta: Json) -> Json:
        index = index if self.index is AUTO else self.index
        return present({"index": index, "delta": delta, "logprobs": None, "finish_reason": None})

    def _chunk_head(self, request: Request) -> Json:
        nothing = {"usage": None} if self.usage is not None and self._asks_usage(request) else {}
        return {**self._head(request, "chat.completion.chunk"), **nothing, **self.extra}

    # What both need

    def _head(self, request: Request, kind: str) -> Json:
        model = self.model or request.fields.get("model")
        return {"id": f"chatcmpl-{request.number}", "object": kind, "created": CREATED, "model": model}

    def _count(self, request: Request) -> int:
        return (
            self.n
            or request.fields.get("n")
            or (len(self.text) if isinstance(self.text, list | tuple) else 1)
        )

    def _content(self, index: int) -> Any:
        if self.text is AUTO:
            return None if self.refusal is not None or self.tool_calls else "Hello"
        return self.text[index % len(self.text)] if isinstance(self.text, list | tuple) else self.text

    def _said(self, index: int) -> str:
        content = self._content(index)
        return content if isinstance(content, str) else ""

    def _finish_reason(self) -> Any:
        if self.finish_reason is not AUTO:
            return self.finish_reason
        return "tool_calls" if self.tool_calls else "stop"

    def _asks_usage(self, request: Request) -> bool:
        return bool((request.fields.get("stream_options") or {}).get("include_usage"))

    def _usage(self, request: Request) -> Any:
        if self.usage is not AUTO:
            return self.usage
        asked = " ".join(text_of(message) for message in request.fields.get("messages") or ())
        said = " ".join(self._said(index) for index in range(self._count(request)))
        return usage(len(asked.split()), len(said.split()))

    def _logprobs(self, request: Request, text: str) -> Json | None:
        wanted = request.fields.get("logprobs") if self.logprobs is None else self.logprobs
        if not wanted:
            return None
        top = request.fields.get("top_logprobs") or 0
        return {"content": [logprob(token, top) for token in pieces(text, self.size)], "refusal": None}


ok = Ok


def logprob(token: str, alternatives: int) -> Json:
    def entry(text: str, rank: int) -> Json:
        return {"token": text, "logprob": -0.25 - rank, "bytes": list(text.encode())}

    top = [entry(token + "'" * rank, rank) for rank in range(alternatives)]
    return {**entry(token, 0), "top_logprobs": top}


def echo(request: Request) -> Answer:
    """The last user message's text."""
    return Ok(request.text)(request)


def events(
    blocks: Sequence[Any],
    *,
    headers: Mapping[str, str | None] | None = None,
    framing: Framing = "chunked",
) -> Scenario:
    """Exactly these bytes as an SSE stream, whatever was asked; a dict is an event of its JSON."""
    parts = tuple(event(block) if isinstance(block, dict) else block for block in blocks)
    answer = Answer(parts, headers={"content-type": "text/event-stream", **(headers or {})}, framing=framing)
    return lambda _: answer


# --- Misbehaviour: wrappers around any scenario -------------------------------------------------------------


def changed(scenario: Scenario, change: Callable[[Answer], Answer]) -> Scenario:
    return lambda request: change(play(scenario, request))


def with_headers(scenario: Scenario, headers: Mapping[str, str | None]) -> Scenario:
    """Further headers; None takes one away."""
    return changed(scenario, lambda answer: replace(answer, headers={**answer.headers, **headers}))


def framed(scenario: Scenario, framing: Framing) -> Scenario:
    """The body with a content-length, chunked, or ended by the connection's close."""
    return changed(scenario, lambda answer: replace(answer, framing=framing))


def wire(scenario: Scenario) -> Scenario:
    """The same bytes, of which the head and the framing are now parts that wrappers can change."""

    def render(request: Request) -> Answer:
        answer = play(scenario, request)
        ending = "close" if (answer.framing, answer.ending) == ("close", "keep") else answer.ending
        return Answer(tuple(answer.steps(request)), framing="wire", ending=ending)

    return render


def held(scenario: Scenario, hold: Hold) -> Scenario:
    """Nothing is sent before hold.release()."""
    return changed(scenario, lambda answer: replace(answer, before=(hold, *answer.before)))


def delayed(scenario: Scenario, seconds: float) -> Scenario:
    return changed(scenario, lambda answer: replace(answer, before=(seconds, *answer.before)))


def chopped(scenario: Scenario, size: int = 1, *, at: Sequence[int] | None = None) -> Scenario:
    """The same body in pieces of `size` bytes, or cut at these places: each flushed, a chunk of its own."""

    def chop(answer: Answer) -> Answer:
        cuts = sorted(at) if at is not None else range(size, answer.size, size)
        return replace(answer, parts=tuple(split_parts(answer.parts, cuts)))

    return changed(scenario, chop)


def split_parts(parts: Sequence[Part], cuts: Sequence[int]) -> Iterator[Part]:
    """The parts, joined where no wait is between them, and cut at these positions of the whole."""
    start = 0
    for is_bytes, group in itertools.groupby(parts, lambda part: isinstance(part, bytes)):
        if not is_bytes:
            yield from group
            continue
        data = b"".join(group)
        edges = [0, *(cut - start for cut in cuts if start < cut < start + len(data)), len(data)]
        yield from (data[left:right] for left, right in itertools.pairwise(edges))
        start += len(data)


def slow(scenario: Scenario, delay: float, size: int | None = None) -> Scenario:
    """A pause before each part (in a stream: each event), or before each `size` bytes."""

    def slacken(answer: Answer) -> Answer:
        return replace(
            answer, parts=tuple(itertools.chain.from_iterable((delay, part) for part in answer.parts))
        )

    return changed(scenario if size is None else chopped(scenario, size), slacken)


def cut(scenario: Scenario, after: int, how: Ending = "close") -> Scenario:
    """The first `after` bytes of the body (if negative: all but so many), then FIN, RST, or "half" a close.

    What was announced stays: a content-length is that of the whole body, a chunked one lacks its last chunk.
    """

    def shorten(answer: Answer) -> Answer:
        parts = tuple(first_bytes(answer.parts, after if after >= 0 else answer.size + after))
        declared = answer.size if answer.declared is None else answer.declared
        return replace(answer, parts=parts, declared=declared, whole=False, ending=how)

    return changed(scenario, shorten)


def first_bytes(parts: Sequence[Part], count: int) -> Iterator[Part]:
    for part in parts:
        if count <= 0:
            return
        if isinstance(part, bytes):
            yield part[:count]
            count -= len(part)
        else:
            yield part


def stall(scenario: Scenario, after: int = 0) -> Scenario:
    """The first `after` bytes of the body, then nothing until the client goes away."""
    return cut(scenario, after, "stall")


def closing(scenario: Scenario) -> Scenario:
    """A whole answer that promises keep-alive, and then the connection is closed."""
    return changed(scenario, lambda answer: replace(answer, ending="close"))


def raw(*parts: Part, ending: Ending = "close") -> Scenario:
    """These bytes and nothing else, HTTP or not."""
    return lambda _: Answer(parts, framing="wire", ending=ending)


def hang() -> Scenario:
    """Never a byte."""
    return raw(ending="stall")


def drop() -> Scenario:
    """FIN without a byte."""
    return raw()


def reset() -> Scenario:
    """RST without a byte."""
    return raw(ending="reset")


def gzipped(scenario: Scenario, *, broken: bool = False) -> Scenario:
    """The body compressed, each part flushed; broken: its first bytes are no gzip."""

    def compress(answer: Answer) -> Answer:
        squeeze = zlib.compressobj(wbits=31)
        parts = [
            squeeze.compress(part) + squeeze.flush(zlib.Z_SYNC_FLUSH) if isinstance(part, bytes) else part
            for part in answer.parts
        ]
        parts.append(squeeze.flush())
        if broken:
            parts.insert(0, b"no gzip at all")
        return replace(answer, parts=tuple(parts), headers={**answer.headers, "content-encoding": "gzip"})

    return changed(scenario, compress)


def dialect(
    scenario: Scenario,
    *,
    end: bytes = b"\n",
    comments: bool = False,
    pings: bool = False,
    lines: bool = False,
    space: bool = True,
    bom: bool = False,
    last: bytes = b"\n\n",
) -> Scenario:
    r"""Another way to write the same SSE events; an answer that is no stream stays as it is.

    `end` is the line end (b"\r\n", b"\r"); `comments` and `pings` (an `event:` line without data) stand
    before each event; `lines` spreads the JSON over several data lines; `last` ends the last event, say b"".
    """

    def speak(block: bytes) -> bytes:
        if lines and block.startswith(b"data: {"):
            value = json.dumps(json.loads(block[6:]), ensure_ascii=False, indent=1)
            block = b"".join(b"data: %b\n" % line.encode() for line in value.split("\n")) + b"\n"
        block = block if space else re.sub(rb"(?m)^data: ", b"data:", block)
        return b": still here\n\n" * comments + b"event: ping\n\n" * pings + block

    def translate(answer: Answer) -> Answer:
        if not answer.is_stream or not answer.size:
            return answer
        parts = [speak(part) if isinstance(part, bytes) else part for part in answer.parts]
        if isinstance(parts[-1], bytes):
            parts[-1] = parts[-1].removesuffix(b"\n\n") + last
        parts = [b"\xef\xbb\xbf"] * bom + [
            part.replace(b"\n", end) if isinstance(part, bytes) else part for part in parts
        ]
        return replace(answer, parts=tuple(parts))

    return changed(scenario, translate)


# --- Servers that choose ------------------------------------------------------------------------------------


def echo_auth(key: str, scenario: Scenario = echo) -> Scenario:
    """401 unless the request carries this key."""

    def check(request: Request) -> Scenario:
        if request.headers.get("authorization") == f"Bearer {key}":
            return scenario
        return status(401, error("Incorrect API key provided.", code="invalid_api_key"))

    return check


def limited(
    rps: float,
    burst: int = 1,
    scenario: Scenario = echo,
    *,
    headers: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> Scenario:
    """A bucket of `burst` requests that refills at `rps` a second; 429 when it is empty."""
    tokens, then = float(burst), clock()

    def admit(_: Request) -> Scenario:
        nonlocal tokens, then
        now = clock()
        tokens, then = min(burst, tokens + (now - then) * rps), now
        admitted = tokens >= 1
        tokens -= admitted
        wait = max(0.0, (1 - tokens) / rps)
        answer = (
            scenario if admitted else status(429, error("Rate limit reached.", code="rate_limit_exceeded"))
        )
        if not headers:
            return answer
        said: dict[str, str | None] = {
            "x-ratelimit-limit-requests": f"{rps * 60:.0f}",
            "x-ratelimit-remaining-requests": f"{tokens:.0f}" if tokens >= 1 else "0",
            "x-ratelimit-reset-requests": f"{(burst - tokens) / rps * 1000:.0f}ms",
        }
        if not admitted:
            said |= {"retry-after": f"{wait:.3f}", "retry-after-ms": f"{wait * 1000:.0f}"}
        return with_headers(answer, said)

    return admit


# --- The server ---------------------------------------------------------------------------------------------


class Server:
    """The server, in a thread of its own between `with` and its end.

    `requests` are those that came, `peak` is the most that were in flight at once, `connections` how many
    were opened. `models` answers GET .../models. What a script raises is raised again when the `with` ends.
    """

    def __init__(self, *, port: int = 0, record: bool = True) -> None:
        self.requests: list[Request] = []
        self.peak = 0
        self.connections = 0
        self.port = port
        self.failures: list[BaseException] = []
        self.models: Scenario = reply({"object": "list", "data": [{"id": "tiny", "object": "model"}]})
        self._script: Scenario | list[Scenario] = echo
        self._record = record
        self._numbers = itertools.count(1)
        self._flying = 0
        self._changed = threading.Condition()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="server", daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def script(self) -> Scenario | list[Scenario]:
        """What is still to be played."""
        return self._script

    @script.setter
    def script(self, script: Scenario | Sequence[Scenario]) -> None:
        with self._changed:
            self._script = script if callable(script) else list(script)

    def wait_for(self, count: int, timeout: float = 60) -> bool:
        """Whether so many requests have come, at the latest after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.requests) >= count, timeout)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self.failures:
            raise self.failures[0]
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close()
        if self.failures and kind is None:
            raise self.failures[0]

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):  # closed already
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    # Everything below runs in the server's thread.

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await asyncio.start_server(
                self._serve, "127.0.0.1", self.port, limit=2**24, backlog=4096
            )
            self.port = server.sockets[0].getsockname()[1]
        except OSError as failure:
            self.failures.append(failure)
            return
        finally:
            self._ready.set()
        await self._stop.wait()
        server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        writer.transport.set_write_buffer_limits(0)  # so that drain() means: the kernel has it all
        try:
            while request := await read_request(reader, writer):
                request.connection = number
                if not await self._answer(request, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or the server is closing
        except Exception as failure:  # noqa: BLE001, kept for the test's thread
            self.failures.append(failure)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()  # nothing is buffered: that is a FIN, at once

    async def _answer(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Send the answer; whether the connection stays open."""
        self._came(request)
        try:
            answer = play(self._choose(request), request)
            await self._send(answer, request, reader, writer)
        except ConnectionError:
            request.gone = True
            raise
        finally:
            self._went(request)
        kept = answer.ending == "keep" and answer.framing != "close"
        return kept and request.headers.get("connection", "").lower() != "close"

    def _came(self, request: Request) -> None:
        request.number = next(self._numbers)
        with self._changed:
            if self._record:
                self.requests.append(request)
            self._flying += 1
            self.peak = max(self.peak, self._flying)
            self._changed.notify_all()

    def _went(self, request: Request) -> None:
        with self._changed:
            self._flying -= 1
        request.finished.set()

    def _choose(self, request: Request) -> Scenario:
        path = request.path.partition("?")[0]
        if path.endswith("/models") and request.method == "GET":
            return self.models
        if not path.endswith("/chat/completions"):
            return status(404, error(f"Unknown request URL: {request.method} {path}", code="unknown_url"))
        if request.method != "POST":
            return status(405, error(f"Not allowed: {request.method} {path}"))
        with self._changed:
            if callable(self._script):
                return self._script
            return self._script.pop(0) if len(self._script) > 1 else (*self._script, echo)[0]

    async def _send(
        self, answer: Answer, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        for step in answer.steps(request):
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif isinstance(step, Hold):
                await unless_gone(step.wait(), reader)
            else:
                await asyncio.sleep(step)
                if reader.at_eof():
                    raise ConnectionAbortedError
        await self._end(answer.ending, reader, writer)

    async def _end(self, ending: Ending, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if ending == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        elif ending == "half":
            writer.write_eof()
            await gone(reader)
        elif ending == "stall":
            await gone(reader)
            raise ConnectionAbortedError


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """The next request of a connection; None where there is none."""
    first = await reader.read(1)
    if first and not first.isalpha():  # TLS, most likely: its client would wait for ever
        writer.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
        await writer.drain()
        return None
    if not first:
        return None
    head = first + await reader.readuntil(b"\r\n\r\n")
    line, *lines = head[:-4].decode("latin-1").split("\r\n")
    method, path, _ = line.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await read_chunked(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body)


async def read_chunked(reader: asyncio.StreamReader) -> bytes:
    chunks = []
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        chunks.append((await reader.readexactly(size + 2))[:-2])
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass  # trailers
    return b"".join(chunks)


async def gone(reader: asyncio.StreamReader) -> None:
    """Return when the client has gone away."""
    with contextlib.suppress(ConnectionError):
        while await reader.read(2**16):
            pass


async def unless_gone(waiting: Any, reader: asyncio.StreamReader) -> None:
    tasks = [asyncio.ensure_future(waiting), asyncio.ensure_future(gone(reader))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[0].done():
            raise ConnectionAbortedError
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    """Serve until killed: `python tests/server.py --port 0` prints the base URL."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--text", help="the answer, instead of an echo")
    parser.add_argument("--rps", type=float, help="answer 429 above so many requests a second")
    parser.add_argument("--burst", type=int, default=1)
    options = parser.parse_args()
    scenario: Scenario = echo if options.text is None else ok(options.text)
    scenario = delayed(scenario, options.delay) if options.delay else scenario
    scenario = limited(options.rps, options.burst, scenario) if options.rps else scenario
    with Server(port=options.port, record=False) as server, contextlib.suppress(KeyboardInterrupt):
        server.script = scenario
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
