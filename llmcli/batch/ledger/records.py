"""Records: the lines of OUT and OUT.errors, in the shape of OpenAI's Batch output."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from llmcli import jsonl
from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.final import record_id
from llmcli.errors import CallFailed, LlmcliError, UsageError
from llmcli.output.report import Report
from llmcli.wire import CHAT, Completion, Json, Request


class Course(NamedTuple):
    """How a row came to its end: requests that were sent, $ that they cost before the last, and when (UTC) it was.

    `kept`: the JSON of the row's own columns that go into its record, None: nothing of them does. `via`: another way
    than one request at a time, where nobody knows how long an answer took.
    """

    attempts: int
    carried: Decimal | None
    at: datetime
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
        response = _head(error.status, error.request_id) + jsonl.dumps(error.body) + b"}"
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


def _line(row: Row, response: bytes | None, error: Json | None, about: tuple[Json, bytes | None]) -> bytes:
    envelope, kept = about
    return b"".join(
        (
            b'{"id":"',
            record_id(row).encode(),
            b'","custom_id":',
            jsonl.dumps(row.custom_id),
            b',"response":',
            response or b"null",
            b',"error":',
            jsonl.dumps(error) if error else b"null",
            b',"llmcli":',
            b"{" if kept is None else b'{"input":%b,' % kept,  # first: what counts at a resume ends the line
            jsonl.dumps(envelope)[1:],
            b"}\n",
        )
    )


def _response(completion: Completion) -> bytes:
    raw = (completion.raw or b"").strip()
    if (
        not raw.startswith(b"{") or b"\n" in raw or b"\r" in raw or b"\0" in raw
    ):  # or UTF-16, for JSON may be that
        raw = jsonl.dumps(completion.body)
    return _head(200, completion.meta.request_id) + raw + b"}"


def _head(status: int, request_id: str | None) -> bytes:
    return b'{"status_code":%d,"request_id":%s,"body":' % (status, jsonl.dumps(request_id))


def _envelope(row: Row, course: Course, report: Report | None) -> Json:
    """What we know of a row; null is what is not known.

    `cost_usd` in $, of all that the row took; `latency_ms` of the last attempt; `at`: when it came to its end, UTC.
    """
    meta = report.completion.meta if report else None
    cost = report.cost if report else course.carried
    if report and cost is not None and course.carried:
        cost += course.carried
    envelope: Json = {"row": row.number}
    if row.file is not None:
        envelope["file"] = row.file
    if row.id_column is not None:
        envelope["id_column"] = row.id_column
    envelope["attempts"] = course.attempts
    envelope["latency_ms"] = round(meta.latency * 1000, 3) if meta and course.via is None else None
    envelope["cost_usd"] = None if cost is None else float(cost)
    envelope["model"] = meta.name if meta else None
    envelope["at"] = jsonl.moment(course.at)
    if meta and meta.api != CHAT.name:
        envelope["api"] = meta.api
    if course.via is not None:
        envelope["via"] = course.via
    if meta and meta.cached:
        envelope["cached"] = True
    if meta and meta.recovered:
        envelope["recovered"] = meta.recovered
    if meta and meta.choice:
        envelope["choice"] = meta.choice
    return envelope
