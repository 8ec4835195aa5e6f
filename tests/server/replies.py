"""Answers of one piece: a body and a status, good, odd or an error of any shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.server.exchanged import (
    Answer,
    Framing,
    Json,
    Request,
    Scenario,
    reason,
)
from tests.server.responses import as_response, is_answer, wants_responses

ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def dumps(value: Any) -> bytes:
    """JSON as the API writes it: UTF-8, compact. backslashreplace turns a lone surrogate into its escape."""
    return ENCODER.encode(value).encode("utf-8", "backslashreplace")


def reply(
    body: Any,
    code: int = 200,
    *,
    headers: Mapping[str, str | None] | None = None,
    content_type: str | None = None,
    framing: Framing = "length",
) -> Scenario:
    """This body, whatever was asked: objects and lists as JSON, a str as text or HTML, bytes as they are."""
    if isinstance(body, str):
        kind, data = "text/html" if body.lstrip().startswith("<") else "text/plain", body.encode()
    else:
        kind, data = "application/json", body if isinstance(body, bytes) else dumps(body)
    head = {"content-type": content_type or kind, **(headers or {})}

    def scenario(request: Request) -> Answer:
        other = code == 200 and is_answer(body) and wants_responses(request)
        return Answer((dumps(as_response(body)) if other else data,), code, head, framing)

    return scenario


def error(message: str, *, code: Any = None, kind: Any = "invalid_request_error", param: Any = None) -> Json:
    """An error body of OpenAI's shape."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def status(code: int, body: Any = None, **options: Any) -> Scenario:
    """An HTTP error; without a body, OpenAI's error object. `options` are those of `reply`."""
    return reply(
        error(f"The server says {code}.", kind=reason(code)) if body is None else body, code, **options
    )


def quota() -> Scenario:
    """The 429 that no waiting cures."""
    kind = "insufficient_quota"
    return status(429, error("You exceeded your current quota.", code=kind, kind=kind))


def redirect(code: int, location: str) -> Scenario:
    return reply(b"", code, headers={"location": location})


ERROR_BODIES: dict[str, Any] = {
    "object": error("It went wrong.", code="some_code", param="messages"),
    "code is an int": {"error": {"message": "It went wrong.", "type": "server_error", "code": 500}},
    "message only": {"error": {"message": "It went wrong."}},
    "message is null": {"error": {"message": None, "type": None, "code": None}},
    "string": {"error": "It went wrong."},
    "list": [{"error": {"message": "It went wrong.", "status": "INVALID_ARGUMENT", "code": 400}}],
    "detail": {"detail": "It went wrong."},
    "detail list": {"detail": [{"loc": ["body", "model"], "msg": "It went wrong.", "type": "missing"}]},
    "flat": {"object": "error", "message": "It went wrong.", "type": "BadRequestError", "code": 400},
    "html": "<html><body><h1>It went wrong.</h1></body></html>",
    "text": "It went wrong.",
    "empty": "",
    "empty JSON": b"",
    "broken JSON": b'{"error": {"message": "It went wro',
    "null": b"null",
    "number": b"17",
    "not UTF-8": b'{"error": {"message": "It went \xff wrong."}}',
}
"""Every odd shape of an error: status(500, ERROR_BODIES["html"])."""
