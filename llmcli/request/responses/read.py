"""A body for the Responses API as the fields of Chat Completions that ask the same: the translation read backwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from llmcli.errors import UsageError
from llmcli.responses.names import ANSWERED, CALL_ITEMS, LOGPROBS, MOVED_FIELDS, SAID
from llmcli.wire import Json, Message

_MOVED = {
    path: name for name, path in reversed(MOVED_FIELDS.items())
}  # the newer name of a limit stands first
_SAID = {there: here for here, there in SAID.items()}
_ANSWERED = {there: here for here, there in ANSWERED.items()}
_FLAT = frozenset({"function", "custom"})


def fields_of_body(body: Json) -> Json:
    """The fields; what the Responses API alone has stays under its own name. Raises UsageError for what has none."""
    try:
        return _fields(body)
    except (AttributeError, KeyError, TypeError):
        raise UsageError("the body is not of the Responses API's shape") from None


def _fields(body: Json) -> Json:
    fields: Json = {"messages": [*_instructions(body), *messages_of_input(body.get("input"))]}
    for name, value in body.items():
        if (name,) in _MOVED:
            fields[_MOVED[(name,)]] = value
        elif name in _RESHAPE:
            fields |= _RESHAPE[name](value)
        elif name not in {"input", "instructions"}:
            fields[name] = value
    return fields


def _instructions(body: Json) -> Iterator[Message]:
    if instructions := body.get("instructions"):
        if not isinstance(instructions, str):
            raise UsageError("instructions must be text")
        yield {"role": "system", "content": instructions}


def messages_of_input(given: Any) -> list[Message]:
    """The messages that `input` is: a text, or items. Raises UsageError for items that no message says."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise UsageError("input must be text, or a list of messages that is not empty")
    messages: list[Message] = []
    for index, item in enumerate(given):
        _take(messages, item, f"input[{index}]")
    return messages


def _take(messages: list[Message], item: Any, where: str) -> None:
    """Add an item to the conversation: calls join the assistant's message before them."""
    kind = item.get("type", "message") if isinstance(item, dict) else None
    if kind == "message" and isinstance(item.get("role"), str):
        messages.append({"role": item["role"], "content": _content(item.get("content"), item["role"], where)})
    elif kind in CALL_ITEMS:
        if not messages or messages[-1]["role"] != "assistant":
            messages.append({"role": "assistant", "content": None})
        messages[-1].setdefault("tool_calls", []).append(_call(item, kind))
    elif kind in {"function_call_output", "custom_tool_call_output"}:
        content = _content(item.get("output"), "tool", where)
        messages.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": content})
    else:
        what = f"an item of type {kind}" if kind else "no item"
        raise UsageError(f"{where} is {what}, which no message of Chat Completions says")


def _call(item: Json, kind: str) -> Json:
    name, key = CALL_ITEMS[kind]
    return {"id": item.get("call_id"), "type": name, name: {"name": item.get("name"), key: item.get(key)}}


def _content(content: Any, role: str, where: str) -> Any:
    """Text as text, parts as parts; one text of the assistant's is text, which all servers read."""
    if not isinstance(content, list):
        return content
    parts = [_part(part, f"{where}.content[{at}]") for at, part in enumerate(content)]
    texts = [part for part in parts if part.keys() == {"type", "text"}]
    return texts[0]["text"] if role == "assistant" and len(parts) == len(texts) == 1 else parts


def _part(part: Any, where: str) -> Json:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in _ANSWERED:
        return {"type": _ANSWERED[kind], _ANSWERED[kind]: part.get(_ANSWERED[kind])}
    if kind not in _SAID:
        raise UsageError(f"{where} is of type {kind}, which no part of a message is")
    name, rest = _SAID[kind], {key: value for key, value in part.items() if key != "type"}
    if name == "text":
        return {"type": name, **rest}
    if name == "image_url":
        rest = {"url": rest.pop("image_url", None), **rest}
    return {"type": name, name: rest}


def _text(value: Json) -> Json:
    form = value.get("format") or {}
    rest = {key: part for key, part in value.items() if key not in {"format", "verbosity"}}
    fields: Json = {"text": rest} if rest else {}
    if "verbosity" in value:
        fields["verbosity"] = value["verbosity"]
    if form.get("type") == "json_schema":
        inner = {key: part for key, part in form.items() if key != "type"}
        fields["response_format"] = {"type": "json_schema", "json_schema": inner}
    elif form.get("type") not in {None, "text"}:
        fields["response_format"] = form
    return fields


def _reasoning(value: Json) -> Json:
    rest = {key: part for key, part in value.items() if key != "effort"}
    return ({"reasoning_effort": value["effort"]} if "effort" in value else {}) | (
        {"reasoning": rest} if rest else {}
    )


def _include(value: list[Any]) -> Json:
    rest = [what for what in value if what != LOGPROBS]
    return ({"logprobs": True} if LOGPROBS in value else {}) | ({"include": rest} if rest else {})


def _tools(value: list[Json]) -> Json:
    return {"tools": [_nested(tool) for tool in value]}


def _nested(tool: Json) -> Json:
    kind = tool.get("type")
    if kind not in _FLAT or kind in tool:
        return tool
    inner = {key: part for key, part in tool.items() if key != "type" and part is not None}
    form = inner.get("format")
    if (
        kind == "custom"
        and isinstance(form, dict)
        and form.get("type") == "grammar"
        and "grammar" not in form
    ):
        inner["format"] = {"type": "grammar", "grammar": {key: form[key] for key in form if key != "type"}}
    return {"type": kind, kind: inner}


def _tool_choice(value: Any) -> Json:
    if isinstance(value, dict) and value.get("type") == "allowed_tools" and "tools" in value:
        inner = {**{key: part for key, part in value.items() if key != "type"}, **_tools(value["tools"])}
        return {"tool_choice": {"type": "allowed_tools", "allowed_tools": inner}}
    return {"tool_choice": _nested(value) if isinstance(value, dict) else value}


_RESHAPE: dict[str, Callable[[Any], Json]] = {
    "text": _text,
    "reasoning": _reasoning,
    "include": _include,
    "tools": _tools,
    "tool_choice": _tool_choice,
}
