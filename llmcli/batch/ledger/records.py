"""Records: the lines of OUT and OUT.errors, in the shape of OpenAI's Batch output."""

from __future__ import annotations

from decimal import Decimal

from llmcli import jsonl
from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.final import record_id
from llmcli.errors import CallFailed, LlmcliError, UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.output.report import Report
from llmcli.wire import CHAT, Completion, Json, Request, spelled

_LF, _CR = 0x0A, 0x0D


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
    return _line(row, _response(report.completion), None, (_envelope(row, course, report), course.kept))


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
    return _line(row, response, {"code": code, "message": str(error)}, (envelope, course.kept)), code


def code_of(error: LlmcliError) -> str:
    """A bad row's own code, else the name of the exit code that `ask` would have ended with."""
    code = getattr(error, "code", None)
    if isinstance(error, UsageError):
        return "invalid_row"
    return error.exit_code.label if isinstance(error, CallFailed) or code is None else str(code)


def _milliseconds(seconds: float) -> float:
    """Seconds in milliseconds, to the microsecond. `round` takes three times as long."""
    return int(seconds * 1_000_000 + 0.5) / 1000


def _line(row: Row, response: Json | None, error: Json | None, about: tuple[Json, bytes | None]) -> bytes:
    envelope, kept = about
    return jsonl.line(
        {
            "id": record_id(row),
            "custom_id": row.custom_id,
            "response": response,
            "error": error,
            # The row's own columns come first: what counts at a resume ends the line.
            "llmcli": envelope if kept is None else {"input": jsonl.Raw(kept), **envelope},
        }
    )


def _response(completion: Completion) -> Json:
    raw = (completion.raw or b"").strip()
    is_one_line = raw.startswith(b"{") and _LF not in raw and _CR not in raw
    body = jsonl.Raw(raw) if is_one_line and 0 not in raw else completion.body  # UTF-16 has zeros
    return {"status_code": 200, "request_id": completion.meta.request_id, "body": body}


def _envelope(row: Row, course: Course, report: Report | None) -> Json:
    """What we know of a row; null is what is not known.

    `cost_usd` in $, of all that the row took; `latency_ms` of the last attempt; `at`: when it came to its end, UTC.
    """
    via, cost, meta = course.via, course.carried, None
    if report is not None:
        meta = report.completion.meta
        cost = report.cost if report.cost is None or not cost else report.cost + cost
    envelope: Json = {"row": row.number}
    if row.file is not None:
        envelope["file"] = row.file
    if row.id_column is not None:
        envelope["id_column"] = row.id_column
    envelope["attempts"] = course.attempts
    envelope["latency_ms"] = None if meta is None or via is not None else _milliseconds(meta.latency)
    envelope["cost_usd"] = None if cost is None else float(cost)
    envelope["model"] = None if meta is None else spelled(meta.provider, meta.model)
    envelope["at"] = course.at
    if meta is not None and meta.api != CHAT.name:
        envelope["api"] = meta.api
    if via is not None:
        envelope["via"] = via
    if meta is not None and (meta.cached or meta.recovered or meta.choice):
        told = {"cached": meta.cached, "recovered": meta.recovered, "choice": meta.choice}
        envelope.update({name: value for name, value in told.items() if value})
    return envelope
