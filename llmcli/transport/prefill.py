"""An answer that was begun for the model: what it went on with, alike streamed and whole."""

from __future__ import annotations

from typing import Any

from llmcli.wire import Json, Request

REPEATING = "timings"  # a key of llama.cpp's replies: it alone repeats the beginning, and only in a whole one


def is_repeated(data: Any, request: Request) -> bool:
    """Whether a whole reply begins with the assistant's message that ends the request."""
    if not isinstance(data, dict) or REPEATING not in data or (begun := _begun(request)) == "":
        return False
    return any(_text(choice).startswith(begun) for choice in data.get("choices") or ())


def gone_on(data: Json, request: Request) -> Json:
    """The same reply without that message."""
    begun, choices = _begun(request), []
    for choice in data["choices"]:
        text = _text(choice)
        if text.startswith(begun):
            choice = {**choice, "message": {**choice["message"], "content": text.removeprefix(begun)}}  # noqa: PLW2901
        choices.append(choice)
    return {**data, "choices": choices}


def _begun(request: Request) -> str:
    """The text of the last message, where it is the assistant's."""
    last = (request.fields.get("messages") or [{}])[-1]
    text = last.get("content") if isinstance(last, dict) and last.get("role") == "assistant" else None
    return text if isinstance(text, str) else ""


def _text(choice: Any) -> str:
    message = choice.get("message") if isinstance(choice, dict) else None
    text = message.get("content") if isinstance(message, dict) else None
    return text if isinstance(text, str) else ""
