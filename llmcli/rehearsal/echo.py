"""Owns what offline/echo answers: the last user text, an instance of a schema, or the calls that are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from llmcli import jsonl
from llmcli.errors import Rejected, Told
from llmcli.rehearsal.calls import instance_of, rehearsed_calls
from llmcli.request.schemas.choices import labels_in
from llmcli.settings.labels import KEY, mentioned
from llmcli.tokens.count import prompt_tokens
from llmcli.tokens.encodings import Encoder
from llmcli.wire import Json, Request

_MOST = 128  # answers, as OpenAI says it
_CUTS = frozenset({"stop", "max_tokens", "max_completion_tokens", "max_output_tokens"})  # what may end a text
_LONGEST = 64_000_000  # characters of them


def completion_of(request: Request, encoder: Encoder, *, each: bool = False) -> Json:
    """The answer, which is the same streamed and unstreamed. `each`: see `rehearsed_calls`."""
    body = dict(request.fields)
    body.pop("stream", None)
    body.pop("stream_options", None)
    message, finish_reason = _message(body, request.expects, each=each)
    content = message["content"]
    if isinstance(content, str):
        content, finish_reason = _cut(content, request, encoder)
        message["content"] = content
    answer = content if isinstance(content, str) else jsonl.dumps(message["tool_calls"]).decode()
    n = request.n
    _check_bounds(n, len(answer))
    prompt = prompt_tokens(body, encoder)
    answered = encoder.count(answer) * n
    digest = hashlib.blake2b(jsonl.dumps(body), digest_size=8).hexdigest()
    return {
        "id": f"chatcmpl-offline-{digest}",
        "object": "chat.completion",
        "created": 0,
        "model": request.name,
        "choices": [
            {"index": index, "message": message.copy(), "logprobs": None, "finish_reason": finish_reason}
            for index in range(n)
        ],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": answered,
            "total_tokens": prompt + answered,
        },
        "system_fingerprint": "offline",
    }


def _check_bounds(n: int, length: int) -> None:
    """Raise Rejected where `n` answers of a length are too much: all of them are made at once."""
    if n <= _MOST and n * length <= _LONGEST:
        return
    many = f"n is at most {_MOST}, and the request asks for {n}"
    what = many if n > _MOST else f"{n} such answers are longer than {_LONGEST // 1_000_000} MB"
    raise Rejected(what, todo="ask for fewer answers", told=Told(400))


def _message(body: Json, expects: Json | None, *, each: bool) -> tuple[Json, str]:
    message: Json = {"role": "assistant", "content": None, "refusal": None}
    text = _last_user_text(body.get("messages") or [])
    if body.get("tools") and (calls := rehearsed_calls(body, text, each=each)):
        message["tool_calls"] = calls
        return message, "tool_calls"
    wanted = body.get("response_format") or {}
    if (labels := labels_in(wanted)) is not None:
        text = jsonl.dumps({KEY: mentioned(text, labels)}).decode()
    elif wanted.get("type") == "json_schema":
        text = jsonl.dumps(instance_of(wanted["json_schema"].get("schema") or {}, expects)).decode()
    elif wanted.get("type") == "json_object":
        text = _as_json_object(text)
    message["content"] = text
    return message, "stop"


def _last_user_text(messages: Sequence[Json]) -> str:
    """The text of the newest user message; its text parts joined, where it has parts."""
    for message in reversed(messages):
        if message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, list):
                return "\n".join(part["text"] for part in content if part.get("type") == "text")
            if not isinstance(content, str | None):
                raise TypeError(content)
            return content or ""
    return ""


def _as_json_object(text: str) -> str:
    try:
        if isinstance(jsonl.loads(text), dict):
            return text
    except ValueError:
        pass
    return jsonl.dumps({"echo": text}).decode()


def _cut(text: str, request: Request, encoder: Encoder) -> tuple[str, str]:
    if _CUTS.isdisjoint(request.fields):
        return text, "stop"
    stop = request.fields.get("stop") or []
    for word in [stop] if isinstance(stop, str) else stop:
        text = text.partition(word)[0] if word else text
    limit = request.max_tokens
    tokens = encoder.encode(text) if limit else []
    if limit and len(tokens) > limit:
        return encoder.decode(tokens[:limit]).decode("utf-8", "ignore"), "length"
    return text, "stop"
