"""Owns the stream of an answer made here: a completion cut into chunks, one a token."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from typing import Any

from llmcli.tokens.encodings import Encoder
from llmcli.wire import Chunk, Json


def chunks_of(body: Json, encoder: Encoder, with_usage: bool) -> Iterator[Chunk]:
    """The chunks that an API would have sent for a completion's body."""
    head = {key: body[key] for key in ("id", "created", "model", "system_fingerprint")}
    head["object"] = "chat.completion.chunk"

    def chunk(index: int, delta: Json, finish_reason: str | None = None) -> Chunk:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**head, "choices": [choice]}

    for choice in body["choices"]:
        index, message = choice["index"], choice["message"]
        yield chunk(index, {"role": "assistant", "content": message["content"] and "", "refusal": None})
        for piece in _pieces(message["content"] or "", encoder):
            yield chunk(index, {"content": piece})
        for delta in _call_deltas(message.get("tool_calls") or [], encoder):
            yield chunk(index, {"tool_calls": [delta]})
        yield chunk(index, {}, choice["finish_reason"])
    if with_usage:
        yield {**head, "choices": [], "usage": body["usage"]}


def _call_deltas(calls: Sequence[Json], encoder: Encoder) -> Iterator[Json]:
    for index, call in enumerate(calls):
        kind = call["type"]
        field = "arguments" if kind == "function" else "input"
        inner: dict[str, Any] = call[kind]
        yield {"index": index, "id": call["id"], "type": kind, kind: {"name": inner["name"], field: ""}}
        for piece in _pieces(inner[field], encoder):
            yield {"index": index, kind: {field: piece}}


def _pieces(text: str, encoder: Encoder) -> Iterator[str]:
    """The text token by token; a token that ends inside a character waits for the next."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for token in encoder.encode(text):
        if piece := decoder.decode(encoder.decode([token])):
            yield piece
