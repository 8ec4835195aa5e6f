"""The same answers as the Responses API gives them: whole, and as the events of a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tests.server.exchanged import Json, Request

USAGE = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "prompt_tokens_details": "input_tokens_details",
    "completion_tokens_details": "output_tokens_details",
}
WHOLE = {"stop", "tool_calls"}
CUT = {"length": "max_output_tokens"}


def wants_responses(request: Request) -> bool:
    return request.path.partition("?")[0].endswith("/responses")


def is_answer(body: Any) -> bool:
    """Whether a body is a Chat Completion of one choice, which can be said the other way."""
    choices = body.get("choices") if isinstance(body, dict) else None
    return isinstance(choices, list) and len(choices) == 1 and isinstance(choices[0], dict)


def as_response(body: Json) -> Json:
    """A Chat Completion as the Response that says the same."""
    (choice,) = body["choices"]
    items = list(items_of(choice.get("message") or {}, choice.get("logprobs")))
    usage = body.get("usage")
    rest = {key: value for key, value in body.items() if key not in {"choices", "usage", "object", "created"}}
    return {
        "id": None,
        **rest,
        "object": "response",
        "created_at": body.get("created", 0),
        **status_of(choice.get("finish_reason")),
        "output": items,
        "usage": usage and {USAGE.get(name, name): value for name, value in usage.items()},
    }


def status_of(reason: Any) -> Json:
    if reason in WHOLE:
        return {"status": "completed", "incomplete_details": None}
    if reason is None:
        return {"status": "in_progress"}
    return {"status": "incomplete", "incomplete_details": {"reason": CUT.get(reason, reason)}}


def items_of(message: Json, logprobs: Any) -> Iterator[Json]:
    if thought := message.get("reasoning_content") or message.get("reasoning"):
        part = {"type": "reasoning_text", "text": thought}
        yield {"type": "reasoning", "id": "rs_1", "summary": [], "content": [part]}
    parts: list[Json] = []
    if isinstance(message.get("content"), str) and message["content"]:
        parts.append({"type": "output_text", "text": message["content"], "annotations": []})
        if logprobs:
            parts[0]["logprobs"] = logprobs["content"]
    if message.get("refusal"):
        parts.append({"type": "refusal", "refusal": message["refusal"]})
    if parts:
        yield {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": parts}
    for number, call in enumerate(message.get("tool_calls") or ()):
        yield {"type": "function_call", "id": f"fc_{number}", "call_id": call.get("id"), **call["function"]}


class Events:
    """Chunks of a Chat Completion in, events of a Response out; `end` where the stream is said to be over."""

    def __init__(self) -> None:
        self.head: Json = {}
        self.message: Json = {"role": "assistant", "content": ""}
        self.reason: Any = None
        self.usage: Any = None
        self.begun: set[str] = set()
        self.calls: list[Json] = []
        self.over = False
        self.number = 0

    def take(self, chunk: Json) -> Iterator[Json]:
        if not self.head:
            self.head = {key: chunk[key] for key in ("id", "model", "created") if key in chunk}
            yield {
                "type": "response.created",
                "response": {"id": "resp_1", "status": "in_progress", "output": []},
            }
        self.usage = chunk.get("usage") or self.usage
        for choice in chunk.get("choices") or ():
            yield from self._delta(choice.get("delta") or {})
            self.reason = choice.get("finish_reason") or self.reason

    def _delta(self, delta: Json) -> Iterator[Json]:
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if thought:
            self.message["reasoning_content"] = self.message.get("reasoning_content", "") + thought
            yield {
                "type": "response.reasoning_text.delta",
                "item_id": "rs_1",
                "content_index": 0,
                "delta": thought,
            }
        for key, kind in (("content", "output_text"), ("refusal", "refusal")):
            if text := delta.get(key):
                if "msg_1" not in self.begun:
                    self.begun.add("msg_1")
                    item = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
                    yield {"type": "response.output_item.added", "output_index": 0, "item": item}
                self.message[key] = self.message.get(key, "") + text
                yield {
                    "type": f"response.{kind}.delta",
                    "item_id": "msg_1",
                    "content_index": 0,
                    "delta": text,
                }
        for call in delta.get("tool_calls") or ():
            yield from self._call(call)

    def _call(self, call: Json) -> Iterator[Json]:
        index, function = call.get("index", 0), call.get("function") or {}
        if index >= len(self.calls):
            self.calls.append(
                {"id": call.get("id"), "function": {"name": function.get("name"), "arguments": ""}}
            )
            item = {"type": "function_call", "id": f"fc_{index}", "call_id": call.get("id"), "arguments": ""}
            yield {"type": "response.output_item.added", "item": {**item, "name": function.get("name")}}
        if text := function.get("arguments"):
            self.calls[index]["function"]["arguments"] += text
            yield {"type": "response.function_call_arguments.delta", "item_id": f"fc_{index}", "delta": text}

    def end(self) -> Iterator[Json]:
        if self.reason is None or self.over:
            return
        self.over = True
        message = {**self.message, **({"tool_calls": self.calls} if self.calls else {})}
        choice = {"index": 0, "message": message, "finish_reason": self.reason}
        response = as_response({**self.head, "choices": [choice], "usage": self.usage})
        yield {"type": f"response.{response['status']}", "response": response}


def as_events(blocks: Sequence[Any]) -> Iterator[Any]:
    """Chunks as events; what is no chunk stays where it is."""
    events, done = Events(), b"data: [DONE]\n\n"
    for block in blocks:
        if isinstance(block, dict) and "choices" in block:
            yield from events.take(block)
            if block.get("error"):
                yield {"type": "error", "error": block["error"]}
        elif block == done:
            yield from events.end()
        else:
            yield block
    yield from events.end()
