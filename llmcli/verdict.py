"""The verdict: whether an answer is complete, not refused, and what was asked for."""

from __future__ import annotations

from llmcli import jsonl
from llmcli.errors import Incomplete, Invalid, LlmcliError, Refused
from llmcli.output.sink import text_of
from llmcli.request.schema import problem
from llmcli.transport.retry import no_answer
from llmcli.wire import Completion, Json, Request


def check(completion: Completion, request: Request) -> None:
    """Raise what is wrong with an answer: Incomplete, Refused, Invalid, or TransientFailure for none at all.

    An answer is complete when a finish_reason or [DONE] was seen. Of several choices the first bad one counts.
    """
    error = verdict(completion, request)
    if error is not None:
        raise error


def verdict(completion: Completion, request: Request) -> LlmcliError | None:
    """What is wrong with an answer, if anything is."""
    where = completion.meta.where
    if not completion.choices:
        return no_answer(completion.meta) if completion.meta.done else _broken_off(completion, where)
    errors = (_problem(choice, completion, request, where) for choice in completion.choices)
    return next((error for error in errors if error is not None), None)


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
    misfitting = misfit(message, request)
    return Invalid(misfitting, where, "try again, or let --repair N try") if misfitting else None


def _broken_off(completion: Completion, where: str) -> Incomplete:
    why = completion.meta.cut or "it ended with neither a finish_reason nor [DONE]"
    return Incomplete(f"the answer broke off: {why}", where, "try again")


def misfit(message: Json, request: Request) -> str | None:
    """Why a message is not what was asked for: its calls' arguments, its JSON, its schema. None where it is."""
    calls = message.get("tool_calls") or []
    for call in calls:
        inner = call.get("function") or {}
        if isinstance(inner.get("arguments"), str) and _json(inner["arguments"] or "{}") is _NO_JSON:
            return f"the arguments of the call of {inner.get('name')} are not valid JSON"
    wanted = request.fields.get("response_format") or {}
    if calls or wanted.get("type") not in {"json_object", "json_schema"}:
        return None
    value = _json(text_of(message))
    if value is _NO_JSON:
        return "the answer is not valid JSON"
    if wanted["type"] == "json_object":
        return None if isinstance(value, dict) else "the answer is JSON, but no object"
    schema = request.expects or wanted["json_schema"].get("schema")
    violation = problem(value, schema) if schema else None
    return f"the answer does not fit the schema: {violation}" if violation else None


_NO_JSON = object()


def _json(text: str) -> object:
    try:
        return jsonl.loads(text)
    except ValueError:
        return _NO_JSON
