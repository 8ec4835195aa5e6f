"""What a server said, judged: bytes and statuses to Completions and Chunks, or to our errors.

Both HTTP transports share this table, so that the same misbehaviour comes out as the same error.
"""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from llmcli import jsonl
from llmcli.errors import AuthFailure, CallFailed, QuotaExhausted, Rejected, TransientFailure
from llmcli.transport.sse import Event, EventDecoder
from llmcli.wire import Chunk, Completion, Json, Meta, Request

_NO_MONEY = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"}
_TRANSIENT = {408, 409, 425, 429}
_LONGEST_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class Reply:
    """The head of an HTTP reply to `request`. Header names are lower case."""

    request: Request
    status: int
    headers: Mapping[str, str]

    @property
    def request_id(self) -> str | None:
        """What the provider calls this request, where it says so."""
        return self.headers.get("x-request-id") or self.headers.get("request-id")

    @property
    def where(self) -> str:
        """The place in an error message."""
        parts = [f"HTTP {self.status}", self.request.name]
        return ", ".join([*parts, *([f"request {self.request_id}"] if self.request_id else [])])

    def meta(self) -> Meta:
        """The Meta of the answer that begins here."""
        return Meta(self.request.provider, self.request.model, self.request_id, self.headers)


def failure(reply: Reply, body: bytes) -> CallFailed:
    """The error for a reply whose status is not 2xx."""
    data = _parsed(body)
    code, message = error_words(data)
    if data is None:
        message = _words_of_text(body)
    status = reply.status
    kind, todo = _kind(status, code)
    return kind(
        message or f"the endpoint answered {status} and said nothing",
        reply.where,
        todo,
        status=status,
        code=code,
        request_id=reply.request_id,
        retry_after=retry_after(reply.headers),
        body=data if data is not None else body.decode("utf-8", "replace"),
    )


def _kind(status: int, code: str | None) -> tuple[type[CallFailed], str]:
    if status == 402 or code in _NO_MONEY:
        return QuotaExhausted, "check the account's plan and billing"
    if status in {401, 403}:
        return AuthFailure, "check the key"
    if status in _TRANSIENT or status >= 500:
        return TransientFailure, "try again later"
    if 300 <= status < 400:
        return Rejected, "the address has moved: give the new one with --base-url"
    return Rejected, "check the model's name and the address" if status == 404 else "change the request"


def completion(reply: Reply, body: bytes) -> Completion:
    """The answer in the body of a 200 reply. Raises TransientFailure where there is none."""
    data = _parsed(body)
    if data is None and body.lstrip()[:5] in {b"data:", b"event"}:
        return _completion_of_events(reply, body)
    if not isinstance(data, dict):
        kind = reply.headers.get("content-type", "no content type")
        shown = _words_of_text(body)
        raise _odd(reply, f"the reply is no Chat Completion but {kind}" + (f": {shown}" if shown else ""))
    if data.get("error"):
        raise _in_band(reply, data)
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices or not all(_is_choice(item) for item in choices):
        raise _odd(reply, "the reply is no Chat Completion: it has no choices")
    return Completion(data, reply.meta())


def _is_choice(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("message"), dict)


def _completion_of_events(reply: Reply, body: bytes) -> Completion:
    from llmcli.transport.accumulate import Accumulator

    decoder, folded, meta = EventDecoder(), Accumulator(), reply.meta()
    for event in [*decoder.feed(body), *decoder.finish()]:
        if (data := chunk(reply, event)) is None:
            meta.done = True
            break
        folded.add(data)
    return Completion(folded.body(), meta)


async def chunks(reply: Reply, pieces: AsyncIterator[bytes], meta: Meta) -> AsyncIterator[Chunk]:
    """The chunks of a 200 reply to a streamed request; sets `meta.done` where [DONE] comes.

    A server that answers with plain JSON has its completion given as one chunk. An end without
    a finish_reason is for the reader to see; an end inside an event is such an end.
    """
    decoder = EventDecoder()
    first = b""
    async for piece in pieces:
        if not first and not (piece := piece.lstrip() if not decoder.started else piece):
            continue
        first = first or piece[:1]
        if first in {b"{", b"<", b"["} and not decoder.started:
            yield _as_chunk(completion(reply, piece + b"".join([rest async for rest in pieces])))
            return
        for event in decoder.feed(piece):
            if (data := chunk(reply, event)) is None:
                meta.done = True
                return
            yield data
    for event in decoder.finish():
        try:
            data = chunk(reply, event)
        except TransientFailure as error:
            if error.code == _BROKEN:
                return
            raise
        if data is None:
            meta.done = True
            return
        yield data


_BROKEN = "broken_event"


def chunk(reply: Reply, event: Event) -> Chunk | None:
    """The chunk in an event, None for [DONE]. Raises TransientFailure for an error or nonsense."""
    text = event.data.strip()
    if text.startswith(b"[DONE]"):
        return None
    if not text:
        return {}
    data = _parsed(text)
    if not isinstance(data, dict):
        raise _odd(reply, f"an event of the stream is no JSON object: {_words_of_text(text)}", _BROKEN)
    if data.get("error") or event.name == b"error":
        raise _in_band(reply, data)
    return data


def _as_chunk(answer: Completion) -> Chunk:
    choices = [
        {**{k: v for k, v in choice.items() if k != "message"}, "delta": choice["message"]}
        for choice in answer.body["choices"]
    ]
    return {**answer.body, "choices": choices}


def _in_band(reply: Reply, data: Json) -> CallFailed:
    """The error that stands in a 200 body or a stream."""
    code, message = error_words(data)
    kind = QuotaExhausted if code in _NO_MONEY else TransientFailure
    return kind(
        f"the endpoint reported an error: {message or 'it gave no message'}",
        reply.where,
        "try again later",
        status=reply.status,
        code=code,
        request_id=reply.request_id,
        body=data,
    )


def _odd(reply: Reply, what: str, code: str | None = None) -> TransientFailure:
    return TransientFailure(
        what,
        reply.where,
        "check that the address is that of a Chat Completions API",
        status=reply.status,
        code=code,
        request_id=reply.request_id,
    )


def _parsed(body: bytes) -> Any:
    try:
        return jsonl.loads(body)
    except ValueError:
        return None


def error_words(data: Any) -> tuple[str | None, str]:
    """(code, message) of an error body in any of the shapes that servers have: object, string, list, `detail`."""
    if isinstance(data, list):
        data = next((item for item in data if isinstance(item, dict)), {})
    if not isinstance(data, dict):
        return None, _short(str(data)) if data else ""
    inner = data.get("error") or data
    if not isinstance(inner, dict):
        return None, _short(str(inner))
    code = inner.get("code") or inner.get("type")
    message = inner.get("message") or inner.get("detail") or inner.get("msg") or data.get("message") or ""
    if inner.get("type") in _NO_MONEY:
        code = inner["type"]
    return None if code is None else str(code), _short(
        message if isinstance(message, str) else _json(message)
    )


def _json(value: Any) -> str:
    return jsonl.dumps(value).decode("utf-8", "replace")


def _words_of_text(body: bytes) -> str:
    text = body[:20_000].decode("utf-8", "replace")
    if "<" in text:
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        text = html.unescape(
            title.group(1) if title else re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", text)
        )
    return _short(text)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "..."


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that the server asks to wait: `retry-after-ms`, else `retry-after` (seconds or a date)."""
    try:
        return max(0.0, float(headers["retry-after-ms"]) / 1000)
    except (KeyError, ValueError):
        pass
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            when = parsedate_to_datetime(value)
        except ValueError:
            return None
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        seconds = (when - (now or datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if seconds == seconds else None  # noqa: PLR0124 - NaN
