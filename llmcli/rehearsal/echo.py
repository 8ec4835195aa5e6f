"""Owns what offline/echo answers: the last user text, or an instance of the schema or tool that is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from llmcli import jsonl
from llmcli.request.schemas.choices import KEY, labels_in
from llmcli.settings.labels import mentioned
from llmcli.tokens.count import count_request
from llmcli.tokens.encodings import Encoder
from llmcli.wire import Json, Request


def completion_of(request: Request, encoder: Encoder) -> Json:
    """The answer, which is the same streamed and unstreamed."""
    body = {key: value for key, value in request.fields.items() if key not in {"stream", "stream_options"}}
    message, finish_reason = _message(body, request.expects)
    content = message["content"]
    if isinstance(content, str):
        content, finish_reason = _cut(content, request, encoder)
        message["content"] = content
    answer = content if isinstance(content, str) else jsonl.dumps(message["tool_calls"]).decode()
    n = request.n
    prompt_tokens = count_request(body, encoder).tokens
    completion_tokens = encoder.count(answer) * n
    digest = hashlib.blake2b(jsonl.dumps(body), digest_size=8).hexdigest()
    return {
        "id": f"chatcmpl-offline-{digest}",
        "object": "chat.completion",
        "created": 0,
        "model": request.name,
        "choices": [
            {"index": index, "message": dict(message), "logprobs": None, "finish_reason": finish_reason}
            for index in range(n)
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
        "system_fingerprint": "offline",
    }


def _message(body: Json, expects: Json | None) -> tuple[Json, str]:
    message: Json = {"role": "assistant", "content": None, "refusal": None}
    if (tool := _wanted_tool(body)) is not None:
        message["tool_calls"] = [_call(tool, body)]
        return message, "tool_calls"
    text = _last_user_text(body.get("messages") or [])
    wanted = body.get("response_format") or {}
    if (labels := labels_in(wanted)) is not None:
        text = jsonl.dumps({KEY: mentioned(text, labels)}).decode()
    elif wanted.get("type") == "json_schema":
        text = jsonl.dumps(_instance(wanted["json_schema"].get("schema") or {}, expects)).decode()
    elif wanted.get("type") == "json_object":
        text = _as_json_object(text)
    message["content"] = text
    return message, "stop"


def _instance(schema: Json, expects: Json | None = None) -> Any:
    """An instance of the schema that was sent, unless only one of the user's own fits that."""
    from llmcli.rehearsal.document import Document  # here, since what asks for text needs no generator
    from llmcli.rehearsal.instance import instance

    value = instance(schema)
    return value if expects is None or Document(expects).holds(value, expects) else instance(expects)


def _last_user_text(messages: Sequence[Json]) -> str:
    """The text of the newest user message; its text parts joined, where it has parts."""
    for message in reversed(messages):
        if message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, list):
                return "\n".join(part["text"] for part in content if part.get("type") == "text")
            return content or ""
    return ""


def _as_json_object(text: str) -> str:
    try:
        if isinstance(jsonl.loads(text), dict):
            return text
    except ValueError:
        pass
    return jsonl.dumps({"echo": text}).decode()


def _wanted_tool(body: Json) -> Json | None:
    """The tool that tool_choice makes the model call, if it does; a tool's result is answered with text."""
    tools, choice = body.get("tools") or [], body.get("tool_choice")
    messages = body.get("messages") or [{}]
    if not tools or messages[-1].get("role") == "tool":
        return None
    if isinstance(choice, dict):
        kind = choice.get("type", "function")
        named = (choice.get(kind) or {}).get("name")
        return next((tool for tool in tools if tool[tool["type"]]["name"] == named), None)
    return tools[0] if choice == "required" else None


def _call(tool: Json, body: Json) -> Json:
    kind = tool["type"]
    inner = tool[kind]
    identity = "call_offline_" + hashlib.blake2b(jsonl.dumps(body), digest_size=6).hexdigest()
    if kind == "custom":
        text = _last_user_text(body.get("messages") or [])
        return {"id": identity, "type": kind, kind: {"name": inner["name"], "input": text}}
    arguments = jsonl.dumps(_instance(inner.get("parameters") or {"type": "object"})).decode()
    return {"id": identity, "type": kind, kind: {"name": inner["name"], "arguments": arguments}}


def _cut(text: str, request: Request, encoder: Encoder) -> tuple[str, str]:
    stop = request.fields.get("stop") or []
    for word in [stop] if isinstance(stop, str) else stop:
        text = text.partition(word)[0] if word else text
    limit = request.max_tokens
    tokens = encoder.encode(text) if limit else []
    if limit and len(tokens) > limit:
        return encoder.decode(tokens[:limit]).decode("utf-8", "ignore"), "length"
    return text, "stop"
