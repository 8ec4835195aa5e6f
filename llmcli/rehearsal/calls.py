"""Owns the calls of tools that offline/echo makes, and the instances that are their arguments."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from llmcli import jsonl
from llmcli.wire import Json


def rehearsed_calls(body: Json, text: str, *, each: bool) -> list[Json]:
    """The calls that the answer to a request is; none where it is text. `text` is what the user said last.

    Where a call is required, one is made, whatever was called before. `each`: where the choice is the model's, each
    tool that this conversation has not called is called.
    """
    wanted = _wanted(body, each=each)
    identity = (
        "call_offline_" + hashlib.blake2b(jsonl.dumps(body), digest_size=6).hexdigest() if wanted else ""
    )
    return [_call(tool, f"{identity}{f'_{at}' if at else ''}", text) for at, tool in enumerate(wanted)]


def _wanted(body: Json, *, each: bool) -> list[Json]:
    choice = body.get("tool_choice") or "auto"
    tools = [tool for tool in body["tools"] if tool["type"] in tool]
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        tools, choice = _allowed(tools, choice["allowed_tools"])
    if isinstance(choice, dict):
        kind = choice.get("type", "function")
        named = (choice.get(kind) or {}).get("name")
        return [tool for tool in tools if _name(tool) == named][:1]
    called = _called(body.get("messages") or [])
    new = [tool for tool in tools if _name(tool) not in called]
    if choice == "required":
        return (new or tools[-1:])[:1]
    if choice != "auto" or not each:
        return []
    return new[:1] if body.get("parallel_tool_calls") is False else new


def _allowed(tools: Sequence[Json], allowed: Json) -> tuple[list[Json], Any]:
    """Those of the tools that may be called, and the choice among them."""
    names = {_name(tool) for tool in allowed.get("tools") or []}
    return [tool for tool in tools if _name(tool) in names], allowed.get("mode", "auto")


def _name(tool: Json) -> str:
    return str(tool[tool["type"]]["name"])


def _called(messages: Sequence[Json]) -> set[str]:
    """The names of what was called in a conversation."""
    calls = [call for message in messages for call in message.get("tool_calls") or []]
    return {_name({"type": "function", **call}) for call in calls}


def _call(tool: Json, identity: str, text: str) -> Json:
    kind = tool["type"]
    inner = tool[kind]
    if kind == "custom":
        return {"id": identity, "type": kind, kind: {"name": inner["name"], "input": text}}
    arguments = jsonl.dumps(instance_of(inner.get("parameters") or {"type": "object"})).decode()
    return {"id": identity, "type": kind, kind: {"name": inner["name"], "arguments": arguments}}


def instance_of(schema: Json, expects: Json | None = None) -> Any:
    """An instance of the schema that was sent, unless only one of the user's own fits that."""
    from llmcli.rehearsal.document import Document  # here, since what asks for text needs no generator
    from llmcli.rehearsal.instance import instance

    value = instance(schema)
    return value if expects is None or Document(expects).holds(value, expects) else instance(expects)
