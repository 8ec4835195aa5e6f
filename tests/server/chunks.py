"""The small pieces of good answers: events, chunks, tool calls and usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.server.exchanged import (
    ABSENT,
    Answer,
    Framing,
    Json,
    Request,
    Scenario,
)
from tests.server.replies import dumps
from tests.server.responses import as_events, wants_responses


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


def events(
    blocks: Sequence[Any],
    *,
    headers: Mapping[str, str | None] | None = None,
    framing: Framing = "chunked",
) -> Scenario:
    """Exactly these bytes as an SSE stream, whatever was asked; a dict is an event of its JSON."""
    head = {"content-type": "text/event-stream", **(headers or {})}

    def scenario(request: Request) -> Answer:
        shown = as_events(blocks) if wants_responses(request) else blocks
        parts = tuple(event(block) if isinstance(block, dict) else block for block in shown)
        return Answer(parts, headers=head, framing=framing)

    return scenario
