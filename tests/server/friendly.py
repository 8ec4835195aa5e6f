"""The good answer, whole or streamed as the request asks, and the options that bend it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal

from tests.server.chunks import CREATED, DONE, event, pieces, present, usage
from tests.server.exchanged import (
    AUTO,
    Answer,
    Framing,
    Hold,
    Json,
    Part,
    Request,
    text_of,
)
from tests.server.replies import dumps
from tests.server.responses import as_events, as_response, is_answer, wants_responses


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
            self._parts(request, streamed=streamed),
            headers={"content-type": kind, **self.headers},
            framing=self.framing or ("chunked" if streamed else "length"),
            before=before,
        )

    def _parts(self, request: Request, *, streamed: bool) -> tuple[Part, ...]:
        other = wants_responses(request)
        if not streamed:
            body = self._body(request)
            return (dumps(as_response(body) if other and is_answer(body) else body),)
        blocks = [*self._events(request)]
        if other:
            chunks = [json.loads(each[6:]) if each[:7] == b"data: {" else each for each in blocks]
            return tuple(event(each) if isinstance(each, dict) else each for each in as_events(chunks))
        return tuple(blocks)

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
        asked = bool((request.fields.get("stream_options") or {}).get("include_usage"))
        return asked or wants_responses(request)

    def _usage(self, request: Request) -> Any:
        if self.usage is not AUTO:
            return self.usage
        asked = " ".join(text_of(message) for message in request.messages)
        said = " ".join(self._said(index) for index in range(self._count(request)))
        return usage(len(asked.split()), len(said.split()))

    def _logprobs(self, request: Request, text: str) -> Json | None:
        asked = request.fields.get("logprobs") or request.fields.get("include")
        wanted = asked if self.logprobs is None else self.logprobs
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
