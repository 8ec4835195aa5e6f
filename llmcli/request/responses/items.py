"""The messages of a conversation to the items of `input`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from llmcli.errors import UsageError
from llmcli.responses.names import SAID
from llmcli.wire import Json, Message

_SPEAKERS = frozenset({"system", "developer", "user"})


def items_of(messages: Sequence[Message], *, refusals: bool) -> list[Json]:
    """The items that say the same, in the same order. `refusals`: a refusal may go back as one, not as text.

    Raises UsageError for what has no counterpart: names, audio, the old functions.
    """
    items: list[Json] = []
    custom: set[str] = set()  # ids of calls of custom tools, whose results are of their own type
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        _check(message, where)
        role = message["role"]
        if role == "assistant":
            said = list(_assistant(message, refusals=refusals))
            custom |= {item["call_id"] for item in said if item["type"] == "custom_tool_call"}
            items += said
        elif role == "tool":
            items.append(_result(message, custom, where))
        else:
            items.append(_message(role, _parts(message.get("content"), where)))
    return items


def _check(message: Message, where: str) -> None:
    role = message.get("role")
    if role not in _SPEAKERS | {"assistant", "tool"}:
        raise no_counterpart(f"{where}, of role {role}")
    for key in ("name", "audio", "function_call"):
        if message.get(key) is not None and (key != "name" or role != "tool"):
            raise no_counterpart(f"{where}.{key}")


def no_counterpart(what: str) -> UsageError:
    """The error for what the Responses API cannot be told."""
    return UsageError(
        f"the Responses API has no counterpart of {what}", todo="drop it, or ask with --api chat"
    )


def _message(role: str, parts: list[Json]) -> Json:
    return {"type": "message", "role": role, "content": parts}


def _parts(content: Any, where: str) -> list[Json]:
    if isinstance(content, str):
        return [{"type": "input_text", "text": content}]
    parts = content if isinstance(content, list) else []
    return [_part(part, f"{where}.content[{at}]") for at, part in enumerate(parts)]


def _part(part: Any, where: str) -> Json:
    """A part of what is said to the model. Types of which we know nothing are for the endpoint to judge."""
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "input_audio":
        raise no_counterpart(f"{where}: input_audio")
    if not isinstance(part, dict) or kind not in SAID:
        return part if isinstance(part, dict) else {"type": "input_text", "text": str(part)}
    rest = {key: value for key, value in part.items() if key not in {"type", kind}}
    if kind == "text":
        return {"type": SAID[kind], "text": part.get("text"), **rest}
    inner = part.get(kind)
    inner = inner if isinstance(inner, dict) else {"url": inner}
    if kind == "image_url":
        inner = {"image_url": inner.get("url"), "detail": inner.get("detail") or "auto"}
    return {"type": SAID[kind], **inner, **rest}


def _assistant(message: Message, *, refusals: bool) -> Iterator[Json]:
    """What the model said in one turn: as it came, where that is known, else its text and then its calls."""
    if isinstance(kept := message.get("output"), list):
        yield from kept if _is_sealed(kept) else _unpaired(kept)
        return
    calls = message.get("tool_calls") or []
    parts = list(_answered(message, refusals=refusals))
    if parts or not calls:
        yield _message("assistant", parts or [_output_text("")])
    yield from map(_call, calls)


def _is_sealed(items: list[Json]) -> bool:
    """Whether each thought among them is in the form that goes back to the server."""
    return all(item.get("encrypted_content") for item in items if item.get("type") == "reasoning")


def _unpaired(items: list[Json]) -> Iterator[Json]:
    """What was said and called, without thoughts: with its own id an item wants the thought that stood before it."""
    for item in items:
        if item.get("type") in {"message", "function_call", "custom_tool_call"}:
            yield {key: value for key, value in item.items() if key != "id"}


def _answered(message: Message, *, refusals: bool) -> Iterator[Json]:
    content = message.get("content")
    for part in content if isinstance(content, list) else [{"type": "text", "text": content}]:
        if part.get("type") == "refusal":
            yield from _refusal(part.get("refusal"), refusals=refusals)
        elif text := part.get("text"):
            yield _output_text(text)
    yield from _refusal(message.get("refusal"), refusals=refusals)


def _refusal(text: Any, *, refusals: bool) -> Iterator[Json]:
    """A refusal: most servers read it as text alone."""
    if text:
        yield {"type": "refusal", "refusal": text} if refusals else _output_text(text)


def _output_text(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": []}


def _call(call: Json) -> Json:
    kind = "custom" if "custom" in call else "function"
    inner = call.get(kind) or {}
    name = {"call_id": call.get("id"), "name": inner.get("name")}
    if kind == "custom":
        return {"type": "custom_tool_call", **name, "input": inner.get("input") or ""}
    return {"type": "function_call", **name, "arguments": inner.get("arguments") or ""}


def _result(message: Message, custom: set[str], where: str) -> Json:
    """A tool's result: text as text, parts as parts."""
    identity, content = message.get("tool_call_id"), message.get("content")
    kind = "custom_tool_call_output" if identity in custom else "function_call_output"
    output = _parts(content, where) if isinstance(content, list) else content or ""
    return {"type": kind, "call_id": identity, "output": output}
