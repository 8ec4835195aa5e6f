"""What a server answered: the body of a 2xx reply, whole or an event of a stream, to a Completion or a Chunk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from llmcli import jsonl
from llmcli.errors import CallFailed, Told, TransientFailure
from llmcli.finish import Finish, finish_of, given_up, is_begun, is_plain, is_plain_piece, meaning
from llmcli.lean.maker import maker
from llmcli.responses.names import RESPONSES
from llmcli.transport.failures.complaints import BESIDE, compact, is_blank, is_error, words_of
from llmcli.transport.failures.diagnosis import BROKEN_EVENT, Reply, answer_in, cut, in_band, odd, parsed
from llmcli.transport.folds.completion import Accumulator
from llmcli.transport.folds.indexes import mend_indexes
from llmcli.transport.prefill import REPEATING, gone_on, is_repeated
from llmcli.wire import Chunk, Completion, Json, Meta

if TYPE_CHECKING:
    from llmcli.transport.sse import Event

    Reader = Callable[[Event], Iterable[Chunk | None]]

_UNUSUAL = BESIDE | {REPEATING}  # keys of an object that may be more than its choices say
_completion = maker(Completion)
_ELSEWHERE = ("text", "delta")  # where other APIs have what is said


def completion(reply: Reply, body: bytes) -> Completion:
    """The answer in the body of a 200 reply. Raises TransientFailure where there is none."""
    data, raw = answer_in(reply, body)
    is_chat = reply.request.api.name != RESPONSES
    if is_chat and type(data) is dict and _UNUSUAL.isdisjoint(data) and is_plain(data.get("choices")):
        return _completion(data, reply.meta(done=True), raw, True)
    if not is_chat and isinstance(data, dict):
        from llmcli.transport.responses.whole import completion_in  # here, since few need it

        data, raw = completion_in(reply, data), None
    if is_repeated(data, reply.request):
        data, raw = gone_on(data, reply.request), None
    if data is None and _are_events(reply, body.lstrip()):
        return _completion_of_events(reply, body)
    if is_error(data):
        raise in_band(reply, parsed(body))
    if not isinstance(data, dict):
        raise _nothing_like_it(reply, body)
    choices = data.get("choices")
    if mend_indexes(data):
        raw = None
    if not choices or not _are_choices(choices) or not all(map(_is_answered, choices)):
        raise _no_choices(reply, body)
    _check_choices(reply, data)
    return _ended(reply, Completion(data, reply.meta(done=True), raw))


def _is_answered(choice: Json) -> bool:
    """Whether a choice has a message; where it has none but says how it ended, that is an empty one."""
    if choice.get("message") is not None:
        return True
    return meaning(choice.get("finish_reason")) is not Finish.UNSAID and not any(map(choice.get, _ELSEWHERE))


def _ended(reply: Reply, answer: Completion) -> Completion:
    """The same answer. Raises TransientFailure where the server gave it up, or it came to nothing."""
    broken = next((choice for choice in answer.choices if finish_of(choice) is Finish.BROKEN), None)
    if broken is not None:
        what = given_up(broken.get("finish_reason"))
    elif not any(map(is_begun, answer.choices)):
        what = "the reply has no answer in it: neither text, nor a call, nor a finish_reason"
    else:
        return answer
    told = Told(status=reply.status, request_id=reply.request_id, body=answer.body)
    error = TransientFailure(what, reply.where, "try again", told)
    error.may_have_cost = True
    error.paid = [answer] if answer.usage else []
    raise error


def _no_choices(reply: Reply, body: bytes) -> CallFailed:
    """The error for an object that is no Chat Completion: what it says, or what it is."""
    data = parsed(body)
    if not data.get("choices") and words_of(data):
        return in_band(reply, data)
    what = (
        f"the reply is no Chat Completion: it has no choices that can be read: {reply.shown(compact(data))}"
    )
    return odd(reply, what, body=body)


def _nothing_like_it(reply: Reply, body: bytes) -> TransientFailure:
    if not body.strip():
        return odd(reply, "the reply is empty", body=body)
    kind, shown = reply.without_key(reply.headers.get("content-type", "")), reply.words(body)
    what = f"the reply is no Chat Completion{f' but {kind}' if kind else ''}" + (
        f": {shown}" if shown else ""
    )
    return odd(reply, what, body=body)


def models(reply: Reply, body: bytes) -> list[Json]:
    """The models in the body of a 200 reply to GET /models. Raises TransientFailure where there are none."""
    data, _ = answer_in(reply, body)
    if isinstance(data, dict) and not isinstance(data.get("data"), list) and is_error(data):
        raise in_band(reply, parsed(body))
    items = data.get("data") if isinstance(data, dict) else data
    if not isinstance(items, list):
        raise odd(reply, "the reply is no list of models")
    return [item for item in items if isinstance(item, dict) and isinstance(item.get("id"), str)]


def _are_choices(items: Any) -> bool:
    return isinstance(items, list) and all(isinstance(item, dict) and _is_choice(item) for item in items)


def _is_choice(choice: Json) -> bool:
    return isinstance(choice.get("index"), int | None) and all(
        _is_said(choice.get(key)) for key in ("delta", "message")
    )


def _is_said(message: Any) -> bool:
    """Whether a message, or a delta of one, is built of what it should be, or is not there."""
    if not isinstance(message, dict):
        return message is None
    calls = message.get("tool_calls")
    calls = [calls] if isinstance(calls, dict) else calls
    return calls is None or (isinstance(calls, list) and all(_is_call(call) for call in calls))


def _is_call(call: Any) -> bool:
    return (
        isinstance(call, dict)
        and isinstance(call.get("type"), str | None)
        and all(isinstance(call.get(key), dict | None) for key in ("function", "custom"))
    )


def _completion_of_events(reply: Reply, body: bytes) -> Completion:
    from llmcli.transport.sse import EventDecoder  # here, since few replies are such

    decoder, folded, meta = EventDecoder(), Accumulator(), reply.meta()
    read = translation_of(reply, meta) or (lambda event: (chunk(reply, event),))
    for event in [*decoder.feed(body), *decoder.finish()]:
        for data in () if event.is_blank or meta.done else read(event):
            if data is None:
                meta.done = True
                break
            folded.add(data)
    whole, _ = answer_in(reply, jsonl.dumps(meta.whole or folded.body()))
    answer = Completion(whole, meta)
    if not answer.choices:
        raise _nothing_like_it(reply, body)
    if not meta.done and any(finish_of(choice) is Finish.UNSAID for choice in answer.choices):
        raise cut(reply, "it ended with neither a finish_reason nor [DONE]")
    return _ended(reply, answer)


def says_events(reply: Reply) -> bool:
    """Whether the head of a reply says that its body is a stream of events."""
    return "event-stream" in reply.headers.get("content-type", "")


def _are_events(reply: Reply, body: bytes) -> bool:
    """Whether a whole body that is no JSON is a stream of events."""
    return body[:5] in {b"data:", b"event"} or (says_events(reply) and may_be_events(reply, body))


def may_be_events(reply: Reply, data: bytes) -> bool:
    """Whether a body that begins so may be a stream of events: a comment, a field, or the start of one.

    Where the server says that it is one, any field will do.
    """
    line = data.lstrip(b"\xef\xbb\xbf").splitlines()[:1]
    name = line[0].partition(b":")[0] if line else b""
    if says_events(reply):
        return re.fullmatch(rb"[A-Za-z_-]*", name) is not None
    return any(field.startswith(name) for field in (b"data", b"event", b"id", b"retry"))


def translation_of(reply: Reply, meta: Meta) -> Reader | None:
    """What makes chunks of an event, and None of the end, where another API than Chat Completions was asked."""
    if reply.request.api.name != RESPONSES:
        return None
    from llmcli.transport.responses.events import Events

    return Events(reply, meta).read


def chunk(reply: Reply, event: Event) -> Chunk | None:
    """The chunk in an event, None for [DONE]. Raises TransientFailure for an error or nonsense."""
    text = event.data.strip()
    if text.startswith(b"[DONE]"):
        return None
    data = parsed(text, halves=True)
    if event.name == b"error" or is_error(data):
        raise in_band(reply, parsed(text) or text.decode("utf-8", "replace"))
    if isinstance(data, dict) and is_plain_piece(data.get("choices")):
        return data
    if isinstance(data, dict):
        mend_indexes(data)
    if not isinstance(data, dict) or not _are_choices(data.get("choices") or []):
        what = f"an event of the stream is no chunk of a Chat Completion: {reply.words(text)}"
        raise odd(reply, what, BROKEN_EVENT)
    _check_choices(reply, data)
    return data


def _check_choices(reply: Reply, data: Json) -> None:
    """Raise the error that stands in a choice, as gateways have it that lost their provider."""
    for choice in data.get("choices") or []:
        if not is_blank(choice.get("error")):
            raise in_band(reply, {"error": choice["error"]})
