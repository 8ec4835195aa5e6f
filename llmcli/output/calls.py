"""The tool calls of a message, in the API's shape, however a server dresses them: they are read here alone."""

from __future__ import annotations

from typing import Any

from llmcli import jsonl
from llmcli.wire import Json


def tool_calls(message: Json) -> list[Json]:
    """The calls: `{"id", "type", "function": {"name", "arguments"}}`, or `custom` with its `input`.

    One object for a list, a call without its `function`, arguments that are encoded twice and the old
    `function_call` are what was meant by them.
    """
    said = message.get("tool_calls")
    calls = [said] if isinstance(said, dict) else said if isinstance(said, list) else []
    old = message.get("function_call")
    if not calls and isinstance(old, dict) and old.get("name"):
        calls = [{"id": None, "type": "function", "function": old}]
    return [_call(call) for call in calls if isinstance(call, dict)]


def _call(call: Json) -> Json:
    kind = call.get("type") or ("custom" if "custom" in call else "function")
    inner = call.get(kind)
    if not isinstance(inner, dict):
        inner = {key: call[key] for key in ("name", "arguments", "input") if key in call}
        kind = "function" if kind == "tool_use" or "arguments" in call else kind
        if kind == "function" and "input" in inner:  # as Anthropic has it
            inner["arguments"] = inner.pop("input")
    if isinstance(arguments := inner.get("arguments"), str):
        inner = {**inner, "arguments": _encoded_once(arguments)}
    rest = {key: value for key, value in call.items() if key not in {"name", "arguments", "input"}}
    return {**rest, "id": call.get("id") or None, "type": kind, kind: inner}


def _encoded_once(arguments: str) -> str:
    """The text of an object that was encoded as a text again; any other as it is."""
    if not arguments.lstrip().startswith('"'):
        return arguments
    try:
        text = jsonl.loads(arguments)
        return text if isinstance(jsonl.loads(text), dict) else arguments
    except (ValueError, TypeError):
        return arguments


def inner_of(call: Json) -> Json:
    """What a call says of its tool: the name, and the arguments or the input."""
    inner = call.get(call.get("type") or "function")
    return inner if isinstance(inner, dict) else {}


def name_of(call: Json) -> str:
    """The name of the tool that a call is for."""
    return str(inner_of(call).get("name"))


def arguments_of(call: Json) -> Any:
    """The value of a call's arguments; none are an empty object. Raises ValueError where they are no JSON."""
    arguments = inner_of(call).get("arguments")
    return jsonl.loads(arguments or "{}") if isinstance(arguments, str) or not arguments else arguments
