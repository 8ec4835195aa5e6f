"""Records: the lines of OUT and OUT.errors, in the shape of OpenAI's Batch output."""

from __future__ import annotations

from decimal import Decimal

from llmcli import jsonl
from llmcli.batch.done import record_id
from llmcli.batch.rows import Row
from llmcli.errors import CallFailed, LlmcliError, UsageError
from llmcli.output.report import Report
from llmcli.wire import Completion, Json, Request


def success_line(row: Row, attempts: int, report: Report, carried: Decimal | None = None) -> bytes:
    """The record of an answer. The body is the very bytes that the server sent, where they are one line.

    `carried`: what the row cost before this answer, in $.
    """
    return _line(row, _response(report.completion), None, _envelope(row, attempts, report, carried))


def failure_line(
    row: Row,
    attempts: int,
    request: Request | None,
    error: LlmcliError,
    report: Report | None,
    carried: Decimal | None = None,
) -> tuple[bytes, str]:
    """The record of a final failure, and its code; with the reply, where there was one."""
    code = code_of(error)
    response = None
    if report is not None:
        response = _response(report.completion)
    elif isinstance(error, CallFailed) and error.status is not None:
        response = _head(error.status, error.request_id) + jsonl.dumps(error.body) + b"}"
    envelope = _envelope(row, attempts, report, carried)
    if report is None and request is not None:
        envelope["model"] = request.name
    return _line(row, response, {"code": code, "message": str(error)}, envelope), code


def code_of(error: LlmcliError) -> str:
    """A bad row's own code, else the name of the exit code that `ask` would have ended with."""
    code = getattr(error, "code", None)
    if isinstance(error, UsageError):
        return "invalid_row"
    return error.exit_code.label if isinstance(error, CallFailed) or code is None else str(code)


def _line(row: Row, response: bytes | None, error: Json | None, envelope: Json) -> bytes:
    return b"".join(
        (
            b'{"id":"',
            record_id(row.number, row.digest).encode(),
            b'","custom_id":',
            jsonl.dumps(row.custom_id),
            b',"response":',
            response or b"null",
            b',"error":',
            jsonl.dumps(error),
            b',"llmcli":',
            jsonl.dumps(envelope),
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


def _envelope(row: Row, attempts: int, report: Report | None, carried: Decimal | None) -> Json:
    """`cost_usd` in $, of all that the row took; `latency_ms` of the last attempt; null is what is not known."""
    meta = report.completion.meta if report else None
    cost = report.cost if report else carried
    if report and cost is not None and carried:
        cost += carried
    return {
        "row": row.number,
        "attempts": attempts,
        "latency_ms": round(meta.latency * 1000, 3) if meta else None,
        "cost_usd": None if cost is None else float(cost),
        "model": meta.name if meta else None,
        **({"recovered": meta.recovered} if meta and meta.recovered else {}),
    }
