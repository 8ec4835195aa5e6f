"""The embedded provider: answers in this process, with no key and no network, the same way each time.

`offline/echo` answers with the last user text. `offline/flaky?rate=0.2&status=429&seed=1` does the same
but fails that share of requests, so that retries and resumes can be rehearsed.
"""

from __future__ import annotations

import codecs
import hashlib
import random
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl

from llmcli import jsonl
from llmcli.errors import Rejected, UsageError
from llmcli.tokens.count import count_request
from llmcli.tokens.encodings import Encoder, encoding_for, load
from llmcli.transport import replies
from llmcli.transport.instances.instance import instance
from llmcli.transport.instances.judge import Judge
from llmcli.wire import Chunk, Completion, Json, Meta, Request, Stream

_FLAKY_DEFAULTS = {"rate": "0.2", "status": "429", "seed": "1"}


class Offline:
    """A transport that speaks to nobody."""

    def __init__(self) -> None:
        self._attempts: Counter[str] = Counter()

    async def send(self, request: Request) -> Completion:
        """See Transport."""
        body, _ = self._answer(request)
        return Completion(body, self._meta(request, body))

    async def open_stream(self, request: Request) -> Stream:
        """See Transport. One chunk per token."""
        body, encoder = self._answer(request)
        meta = self._meta(request, body)
        with_usage = bool((request.fields.get("stream_options") or {}).get("include_usage"))

        async def chunks() -> AsyncGenerator[Chunk, None]:
            for chunk in _chunks(body, encoder, with_usage):
                yield chunk
            meta.done = True

        return Stream(chunks(), meta)

    async def aclose(self) -> None:
        """See Transport."""

    def _answer(self, request: Request) -> tuple[Json, Encoder]:
        name, _, query = request.model.partition("?")
        if name == "flaky":
            self._maybe_fail(request, query)
        elif name != "echo":
            raise Rejected(
                f"there is no model {request.name}",
                todo="offline/echo or offline/flaky",
                status=404,
                code="model_not_found",
            )
        encoder = load(encoding_for("offline", name)[0])
        try:
            return _completion(request, encoder), encoder
        except (AttributeError, KeyError, TypeError):  # a field that is not what it should be
            raise Rejected(
                f"{request.name} cannot read the request: it is not of the API's shape",
                todo="change the request",
                status=400,
            ) from None

    def _maybe_fail(self, request: Request, query: str) -> None:
        rate, status, seed = _flaky_settings(query)
        identity = hashlib.blake2b(jsonl.dumps([seed, request.body()]), digest_size=16).hexdigest()
        self._attempts[identity] += 1
        if random.Random(f"{identity}:{self._attempts[identity]}").random() < rate:  # noqa: S311 - a rehearsal
            error = {"error": {"message": "offline/flaky fails this attempt on purpose", "code": "offline"}}
            reply = replies.Reply(request, status, {"x-request-id": f"offline-{identity[:8]}"})
            raise replies.failure(reply, jsonl.dumps(error))

    @staticmethod
    def _meta(request: Request, body: Json) -> Meta:
        return Meta(request.provider, request.model, request_id=body["id"])


def _flaky_settings(query: str) -> tuple[float, int, str]:
    given = dict(parse_qsl(query, keep_blank_values=True))
    settings = _FLAKY_DEFAULTS | given
    try:
        rate, status = float(settings["rate"]), int(settings["status"])
    except ValueError:
        rate, status = -1.0, 0
    if not 0 <= rate <= 1 or not 400 <= status <= 599 or given.keys() - _FLAKY_DEFAULTS.keys():
        raise UsageError(
            f"offline/flaky?{query}: rate is 0 to 1, status 400 to 599, seed anything",
            todo="e.g. offline/flaky?rate=0.2&status=429&seed=1",
        )
    return rate, status, settings["seed"]


def _completion(request: Request, encoder: Encoder) -> Json:
    """The answer, which is the same streamed and unstreamed."""
    body = {key: value for key, value in request.body().items() if key not in {"stream", "stream_options"}}
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
    text = last_user_text(body.get("messages") or [])
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        text = jsonl.dumps(_fitting(wanted["json_schema"].get("schema") or {}, expects)).decode()
    elif wanted.get("type") == "json_object":
        text = _as_json_object(text)
    message["content"] = text
    return message, "stop"


def _fitting(schema: Json, expects: Json | None) -> Any:
    """An instance of the schema that was sent, unless only one of the user's own fits that."""
    value = instance(schema)
    return value if expects is None or Judge(expects).holds(value, expects) else instance(expects)


def last_user_text(messages: Sequence[Json]) -> str:
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
        text = last_user_text(body.get("messages") or [])
        return {"id": identity, "type": kind, kind: {"name": inner["name"], "input": text}}
    arguments = jsonl.dumps(instance(inner.get("parameters") or {"type": "object"})).decode()
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


def _pieces(text: str, encoder: Encoder) -> Iterator[str]:
    """The text token by token; a token that ends inside a character waits for the next."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for token in encoder.encode(text):
        if piece := decoder.decode(encoder.decode([token])):
            yield piece


def _chunks(body: Json, encoder: Encoder, with_usage: bool) -> Iterator[Chunk]:
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
