"""The path: run(request, transport, sink) -> Completion. Every answer of every command comes this way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

from llmcli import jsonl
from llmcli.errors import Incomplete, Invalid, LlmcliError, Refused, StreamCut, TransientFailure
from llmcli.output.sink import Sink, text_of
from llmcli.transport.accumulate import Accumulator
from llmcli.transport.base import Transport
from llmcli.transport.retry import says_something
from llmcli.wire import Completion, Json, Request


async def run(request: Request, transport: Transport, sink: Sink, clock: Callable[[], float]) -> Completion:
    """Send a request, show its answer, return it. Whether the answer is usable is for `check` to say.

    `clock` is monotonic, in seconds. Raises the CallFailed family.
    """
    started = clock()
    try:
        if request.stream:
            completion = await _follow(request, transport, sink, clock)
        else:
            completion = await transport.send(request)
    except BaseException:
        sink.abort()
        raise
    completion.meta.latency = clock() - started
    if completion.meta.ttft is not None:
        completion.meta.ttft -= started
    sink.finish(completion)
    return completion


async def _follow(
    request: Request, transport: Transport, sink: Sink, clock: Callable[[], float]
) -> Completion:
    stream = await transport.open_stream(request)
    folded, meta = Accumulator(), stream.meta
    try:
        async with aclosing(stream.chunks) as chunks:
            async for chunk in chunks:
                if meta.ttft is None and says_something(chunk):
                    meta.ttft = clock()
                folded.add(chunk)
                sink.chunk(chunk)
    except StreamCut as error:
        if meta.ttft is None:
            raise
        meta.cut = error.what
    return Completion(folded.body(), meta)


def check(completion: Completion, request: Request) -> None:
    """Raise what is wrong with an answer: Incomplete, Refused, Invalid, or TransientFailure for none at all.

    An answer is complete when a finish_reason or [DONE] was seen. Of several choices the first bad one counts.
    """
    where = f"{completion.meta.provider}/{completion.meta.model}"
    if completion.meta.request_id:
        where += f", request {completion.meta.request_id}"
    if not completion.choices and completion.meta.done:
        raise TransientFailure("the stream ended with no answer in it", where, "try again")
    if not completion.choices:
        raise _broken_off(completion, where)
    for choice in completion.choices:
        error = _problem(choice, completion, request, where)
        if error is not None:
            raise error


def _problem(choice: Json, completion: Completion, request: Request, where: str) -> LlmcliError | None:
    message = choice.get("message") or {}
    reason = choice.get("finish_reason")
    if refusal := message.get("refusal"):
        return Refused(f"the model refused: {refusal}", where, "ask for something else")
    if reason == "content_filter":
        return Refused("a content filter stopped the answer", where, "ask for something else")
    if reason == "length":
        return Incomplete("the answer was cut at the token limit", where, "raise -M/--max-tokens")
    if not reason and (not completion.meta.done or completion.meta.cut):
        return _broken_off(completion, where)
    return _invalid(message, request, where)


def _broken_off(completion: Completion, where: str) -> Incomplete:
    why = completion.meta.cut or "it ended with neither a finish_reason nor [DONE]"
    return Incomplete(f"the answer broke off: {why}", where, "try again")


def _invalid(message: Json, request: Request, where: str) -> Invalid | None:
    for call in message.get("tool_calls") or []:
        inner = call.get("function") or {}
        if isinstance(inner.get("arguments"), str) and not _is_json(inner["arguments"] or "{}"):
            return Invalid(
                f"the arguments of the call of {inner.get('name')} are not valid JSON", where, "try again"
            )
    wanted = (request.fields.get("response_format") or {}).get("type")
    if (
        wanted in {"json_object", "json_schema"}
        and not message.get("tool_calls")
        and not _is_json(text_of(message))
    ):
        return Invalid("the answer is not valid JSON", where, "try again")
    return None


def _is_json(text: str) -> bool:
    try:
        jsonl.loads(text)
    except ValueError:
        return False
    return True
