"""Answers as clients need them: the fields without which one of them fails or loses text in silence."""

from __future__ import annotations

from typing import Any

from llmcli import jsonl
from llmcli.wire import Chunk, Json, usage_count

_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


def fitted_completion(body: Json, name: str) -> Json:
    """A Chat Completion in which nothing is missing; `name` is the model's, where the body has none."""
    choices = [_choice(choice, at) for at, choice in enumerate(body.get("choices") or [])]
    return {
        **_head(body, name, "chat.completion"),
        "choices": choices,
        "usage": fitted_usage(body.get("usage")),
    }


def fitted_chunk(body: Chunk, name: str) -> Chunk:
    """A chunk in which nothing is missing, less its usage: see `fitted_usage_chunk`."""
    choices = [_piece(choice, at) for at, choice in enumerate(body.get("choices") or [])]
    head = _head(body, name, "chat.completion.chunk")
    head.pop("usage", None)
    return {**head, "choices": choices}


def fitted_usage_chunk(last: Chunk, name: str, counts: Any) -> Chunk:
    """The chunk that has the usage, and nothing else, behind all others."""
    return {**_head({**last, "choices": []}, name, "chat.completion.chunk"), "usage": fitted_usage(counts)}


def fitted_usage(counts: Any) -> Json:
    """Usage whose counts are integers; a server that counts nothing has used nothing that could be told."""
    said = counts if isinstance(counts, dict) else {}
    if {int}.issuperset(map(type, map(said.get, _COUNTS))):  # as nearly always
        return said
    prompt, answer = usage_count(said, "prompt_tokens") or 0, usage_count(said, "completion_tokens") or 0
    total = usage_count(said, "total_tokens")
    whole = prompt + answer if total is None else total
    return {**said, "prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": whole}


def _head(body: Json, name: str, kind: str) -> Json:
    identity, created, model = body.get("id"), body.get("created"), body.get("model")
    return {
        **body,
        "id": str(identity) if identity else "chatcmpl-llmcli",
        "object": kind,
        "created": int(created) if isinstance(created, int | float) else 0,
        "model": model if isinstance(model, str) and model else name,
    }


def _choice(choice: Json, at: int) -> Json:
    message = choice.get("message")
    said = {"role": "assistant", "content": None, **(message if isinstance(message, dict) else {})}
    if calls := said.get("tool_calls"):
        said["tool_calls"] = [_call(call, number) for number, call in enumerate(_objects(calls))]
    said["role"] = said["role"] or "assistant"
    return {**_rest(choice, at), "message": said}


def _piece(choice: Json, at: int) -> Json:
    delta = choice.get("delta")
    said = dict(delta) if isinstance(delta, dict) else {}
    if calls := said.get("tool_calls"):
        said["tool_calls"] = [_call_piece(call, number) for number, call in enumerate(_objects(calls))]
    return {**_rest(choice, at), "delta": said}


def _rest(choice: Json, at: int) -> Json:
    """A choice but for what it says."""
    rest = {**choice, "index": _index(choice, at), "finish_reason": choice.get("finish_reason")}
    if rest.get("logprobs") is not None:
        rest["logprobs"] = _fitted_logprobs(rest["logprobs"])
    return rest


def _fitted_logprobs(logprobs: Any) -> Json | None:
    if not isinstance(logprobs, dict):
        return None
    return {name: _objects(tokens) if tokens is not None else None for name, tokens in logprobs.items()}


def _call(call: Json, at: int) -> Json:
    kind, inner = _called_with(call)
    if kind == "function":
        inner = {**inner, "arguments": inner.get("arguments") or "{}"}
    fitted = {**call, "id": call.get("id") or f"call_{at}", "type": kind, kind: inner}
    fitted.pop("index", None)
    return fitted


def _call_piece(call: Json, at: int) -> Json:
    kind, inner = _called_with(call)
    return {**call, "index": _index(call, at), **({kind: inner} if kind in call else {})}


def _called_with(call: Json) -> tuple[str, Json]:
    """The kind of a call, and what stands in it: arguments as a text, where a server sends the object itself."""
    kind, key = ("custom", "input") if "custom" in call else ("function", "arguments")
    inner = call.get(kind)
    if not isinstance(inner, dict):
        return kind, {}
    text = inner.get(key)
    if text is None or isinstance(text, str):
        return kind, inner
    return kind, {**inner, key: jsonl.dumps(text).decode()}


def _objects(items: Any) -> list[Json]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _index(item: Json, at: int) -> int:
    index = item.get("index")
    return index if isinstance(index, int) else at
