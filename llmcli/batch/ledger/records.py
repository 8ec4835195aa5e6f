"""Records: the lines of OUT and OUT.errors, in the shape of OpenAI's Batch output."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from llmcli import jsonl
from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.final import record_id
from llmcli.errors import CallFailed, LlmcliError, UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.output.report import Report
from llmcli.wire import CHAT, Completion, Json, Request, spelled

_LF, _CR = 0x0A, 0x0D
_USUAL = (
    b'{"id":"batch_req_%06d_%016x","custom_id":%b,"response":{"status_code":200,"request_id":%b,"body":%b},'
    b'"error":null,"llmcli":{"row":%d,"attempts":%d,"latency_ms":%b,"cost_usd":%b,"model":%b,"at":"%b"}}\n'
)


@dataclass(slots=True)
class Course:
    """How a row came to its end: requests that were sent, $ that they cost before the last, and when it was.

    `at` is a moment as `jsonl` writes it.
    `kept`: the JSON of the row's own columns that go into its record, None: nothing of them does. `via`: another way
    than one request at a time, where nobody knows how long an answer took.
    """

    attempts: int
    carried: Decimal | None
    at: str
    kept: bytes | None = None
    via: str | None = None


def success_line(row: Row, course: Course, report: Report) -> bytes:
    """The record of an answer. The body is the very bytes that the server sent, where they are one line."""
    return _usual_line(row, course, report) or _line(
        row, course, _response(report.completion), None, _envelope(row, course, report)
    )


def _usual_line(row: Row, course: Course, report: Report) -> bytes | None:
    """The same line for what most answers are, put together from its parts in half the steps; None: it is another."""
    completion, cost = report.completion, report.cost
    meta, raw, dumps = completion.meta, completion.raw, jsonl.dumps
    if raw is None or _LF in raw or _CR in raw or row.key is not None or row.file is not None:
        return None
    if course.kept is not None or course.via is not None or course.carried or meta.api != CHAT.name:
        return None
    if meta.cached or meta.recovered or meta.choice:
        return None
    number, request_id, custom_id = row.number, meta.request_id, row.custom_id
    return _USUAL % (
        number,
        row.digest,
        dumps(custom_id),
        b"null" if request_id is None else dumps(request_id),
        raw.strip(),
        number,
        course.attempts,
        dumps(_milliseconds(meta.latency)),
        b"null" if cost is None else dumps(float(cost)),
        _spelled(meta.provider, meta.model),
        course.at.encode(),
    )


@lru_cache(64)
def _spelled(provider: str, model: str) -> bytes:
    return jsonl.dumps(spelled(provider, model))


def failure_line(
    row: Row, course: Course, request: Request | None, error: LlmcliError, report: Report | None
) -> tuple[bytes, str]:
    """The record of a final failure, and its code; with the reply, where there was one."""
    code = code_of(error)
    response = None
    if report is not None:
        response = _response(report.completion)
    elif isinstance(error, CallFailed) and error.status is not None:
        response = {"status_code": error.status, "request_id": error.request_id, "body": error.body}
    envelope = _envelope(row, course, report)
    if report is None and request is not None:
        envelope["model"] = request.name
    return _line(row, course, response, {"code": code, "message": str(error)}, envelope), code


def code_of(error: LlmcliError) -> str:
    """A bad row's own code, else the name of the exit code that `ask` would have ended with."""
    code = getattr(error, "code", None)
    if isinstance(error, UsageError):
        return "invalid_row"
    return error.exit_code.label if isinstance(error, CallFailed) or code is None else str(code)


def _milliseconds(seconds: float) -> float:
    """Seconds in milliseconds, to the microsecond. `round` takes three times as long."""
    return int(seconds * 1_000_000 + 0.5) / 1000


def _line(row: Row, course: Course, response: Json | None, error: Json | None, envelope: Json) -> bytes:
    # The row's own columns come first: what counts at a resume ends the line.
    about = envelope if course.kept is None else {"input": jsonl.Raw(course.kept), **envelope}
    return jsonl.line(
        {
            "id": record_id(row),
            "custom_id": row.custom_id,
            "response": response,
            "error": error,
            "llmcli": about,
        }
    )


def _response(completion: Completion) -> Json:
    body: object = completion.body
    if (raw := completion.raw) is not None:
        raw = raw.strip()
        if _LF not in raw and _CR not in raw:
            body = jsonl.Raw(raw)
    return {"status_code": 200, "request_id": completion.meta.request_id, "body": body}


def _envelope(row: Row, course: Course, report: Report | None) -> Json:
    """What we know of a row; null is what is not known.

    `cost_usd` in $, of all that the row took; `latency_ms` of the last attempt; `at`: when it came to its end, UTC.
    """
    cost, latency, model, meta = course.carried, None, None, None
    if report is not None:
        meta = report.completion.meta
        model = spelled(meta.provider, meta.model)
        latency = _milliseconds(meta.latency) if course.via is None else None
        cost = report.cost if report.cost is None or not cost else report.cost + cost
    envelope: Json = {
        "row": row.number,
        "attempts": course.attempts,
        "latency_ms": latency,
        "cost_usd": None if cost is None else float(cost),
        "model": model,
        "at": course.at,
    }
    if row.file is not None or row.id_column is not None:
        place = {"row": row.number, "file": row.file, "id_column": row.id_column}
        envelope = {**{name: value for name, value in place.items() if value is not None}, **envelope}
    if meta is not None and meta.api != CHAT.name:
        envelope["api"] = meta.api
    if course.via is not None:
        envelope["via"] = course.via
    if meta is not None and (meta.cached or meta.recovered or meta.choice):
        told = {"cached": meta.cached, "recovered": meta.recovered, "choice": meta.choice}
        envelope.update({name: value for name, value in told.items() if value})
    return envelope
