"""A whole Response to the Chat Completion that says the same; streamed or not, it is made here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from llmcli.errors import CallFailed
from llmcli.finish import Finish, meaning
from llmcli.responses.names import CALL_ITEMS, CUT_REASONS, SHARED_HEAD, UNFINISHED, USAGE_COUNTS
from llmcli.transport.failures.complaints import compact, is_blank, is_error
from llmcli.transport.failures.diagnosis import Reply, in_band, odd
from llmcli.transport.prefill import gone_on
from llmcli.wire import Completion, Json, Request, usage_count

_WORDS = {reason: word for word, reason in CUT_REASONS.items()}
_REPEATS = "llama"  # in the name of a server that has a message that was begun for it in the answer again
_NAMES = {there: here for here, there in USAGE_COUNTS.items()}
_PLAIN = frozenset(
    {"message", "function_call", "custom_tool_call", "reasoning"}
)  # items that a message can say


def completion_in(reply: Reply, data: Json) -> Json:
    """The Chat Completion of the JSON of a 200 reply. Raises the CallFailed family where that is no finished answer."""
    if not isinstance(data.get("output"), list) and "status" not in data:
        if is_error(data):
            raise in_band(reply, data)
        raise odd(reply, f"the reply is no Response: {reply.shown(compact(data))}")
    if data.get("status") == "failed" or not is_blank(data.get("error")):
        raise failed(reply, data)
    if (status := str(data.get("status"))) in UNFINISHED:
        raise odd(reply, f"the answer is not finished: its status is {status}")
    body = folded_completion(data, reply.request)
    return gone_on(body, reply.request) if _REPEATS in reply.headers.get("server", "") else body


def failed(reply: Reply, response: Json) -> CallFailed:
    """The error of an answer that failed, half of which may have come, and is paid."""
    error = in_band(reply, {"error": response.get("error") or {"message": "the answer failed"}})
    error.may_have_cost = True
    half = Completion(folded_completion(response, reply.request), reply.meta())
    error.paid = [half] if half.usage else []
    return error


def folded_completion(response: Json, request: Request) -> Json:
    """The Chat Completion object; its one message says all that the items of `output` do."""
    output = response.get("output")
    items = [item for item in as_list(output) if isinstance(item, dict)]
    message, usage = folded_message(items), folded_usage(response.get("usage"))
    choice: Json = {"index": 0, "message": message, "finish_reason": None}
    if logprobs := [each for part in _parts_of(items) for each in as_list(part.get("logprobs"))]:
        choice["logprobs"] = {"content": logprobs}
    has_calls = bool(message.get("tool_calls"))
    choice["finish_reason"] = folded_finish(response, usage, request, has_calls=has_calls)
    head = {**folded_head(response), "object": "chat.completion", "choices": [choice]}
    return {**head, "usage": usage} if usage is not None else head


def folded_head(response: Json) -> Json:
    """What an answer says beside what it says, under Chat Completions' names."""
    head = {name: response[name] for name in SHARED_HEAD if response.get(name) is not None}
    if metadata := response.get("metadata"):
        head["metadata"] = metadata
    created = response.get("created_at")
    if isinstance(created, int | float) and math.isfinite(created):
        head["created"] = int(created)
    return head


def folded_usage(usage: Any) -> Json | None:
    """The usage object, its counts under Chat Completions' names."""
    if not isinstance(usage, dict):
        return None
    return {_NAMES.get(str(name), str(name)): value for name, value in usage.items() if value is not None}


def folded_finish(response: Json, usage: Json | None, request: Request, *, has_calls: bool) -> str:
    """How the answer ended. A server may call an answer completed that the limit of tokens has cut."""
    status = response.get("status") or "completed"
    if status == "incomplete":
        details = response.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        word = _WORDS.get(str(reason), str(reason))
        return "incomplete" if meaning(word) in {Finish.WHOLE, Finish.UNSAID} else word
    if status != "completed":
        return str(status)
    paid, most = usage_count(usage or {}, "completion_tokens"), request.max_tokens
    if paid is not None and most is not None and paid >= most:
        return "length"
    return "tool_calls" if has_calls else "stop"


def folded_message(items: list[Json]) -> Json:
    """The items of an answer as one message; `output` are they, where a message cannot say all of them."""
    finals = any(item.get("phase") == "final_answer" for item in items)
    answers = [item for item in items if kind_in(item) == "message" and _is_answer(item, finals=finals)]
    content = "".join(_texts(answers))
    message: Json = {"role": "assistant", "content": content if any(_texts(answers)) else None}
    told = {
        "refusal": "".join(_texts(answers, "refusal")),
        "annotations": list(_citations(answers)),
        "reasoning_content": "\n\n".join(_thoughts(items, answers)),
        "tool_calls": [_call(item) for item in items if kind_in(item) in CALL_ITEMS],
        "output": [] if all(map(_is_plain, items)) else items,
    }
    return message | {name: value for name, value in told.items() if value}


def _is_answer(item: Json, *, finals: bool) -> bool:
    """Whether a message is the answer, and no comment on the way to it."""
    phase = item.get("phase")
    return phase == "final_answer" if finals else phase != "commentary"


def _parts_of(items: Iterable[Json]) -> Iterator[Json]:
    for item in items:
        content = item.get("content") if item.get("type") == "message" else None
        if isinstance(content, str):
            yield {"type": "output_text", "text": content}
        elif isinstance(content, list):
            yield from (part for part in content if isinstance(part, dict))


def _texts(items: Iterable[Json], key: str = "text") -> list[str]:
    return [text for part in _parts_of(items) if isinstance(text := part.get(key), str)]


def _citations(items: Iterable[Json]) -> Iterator[Json]:
    """The citations of the web, at their places in the whole text."""
    before = 0
    for part in _parts_of(items):
        for said in as_list(part.get("annotations")):
            if isinstance(said, dict) and said.get("type") == "url_citation":
                yield {"type": "url_citation", "url_citation": _citation(said, before)}
        before += len(text) if isinstance(text := part.get("text"), str) else 0


def _citation(said: Json, before: int) -> Json:
    nested = said.get("url_citation")
    flat = nested if isinstance(nested, dict) else {key: said[key] for key in said if key != "type"}
    places = {key: flat[key] + before for key in ("start_index", "end_index") if type(flat.get(key)) is int}
    return {**flat, **places}


def _thoughts(items: Iterable[Json], answers: list[Json]) -> Iterator[str]:
    """The reasoning, and the comments on the way."""
    for item in items:
        if item.get("type") == "reasoning":
            for key in ("summary", "content"):
                yield from _said_in(as_list(item.get(key)))
        elif item.get("type") == "message" and not any(item is answer for answer in answers):
            yield from filter(None, _texts([item]))


def _said_in(parts: list[Any]) -> Iterator[str]:
    for part in parts:
        text = part.get("text") if isinstance(part, dict) else part
        if isinstance(text, str) and text:
            yield text


def _call(item: Json) -> Json:
    kind, key = CALL_ITEMS[item["type"]]
    inner = {"name": item.get("name"), key: item.get(key) or ""}
    return {"id": item.get("call_id") or item.get("id"), "type": kind, kind: inner}


def _is_plain(item: Json) -> bool:
    """Whether a message of Chat Completions says all of an item that matters later."""
    if kind_in(item) not in _PLAIN or item.get("phase") or item.get("encrypted_content"):
        return False
    notes = (note for part in _parts_of([item]) for note in as_list(part.get("annotations")))
    return all(isinstance(note, dict) and note.get("type") == "url_citation" for note in notes)


def kind_in(item: Json) -> str:
    """The type of an item, or of an event."""
    kind = item.get("type")
    return kind if isinstance(kind, str) else ""


def as_list(value: Any) -> list[Any]:
    """A list as it is; nothing of anything else."""
    return value if isinstance(value, list) else []
