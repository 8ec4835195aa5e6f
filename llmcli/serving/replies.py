"""What goes back to a client: a status, headers and a body, whole or in pieces; errors in OpenAI's shape."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from dataclasses import field

from llmcli import jsonl
from llmcli.errors import (
    AuthFailure,
    BudgetExceeded,
    Busy,
    CallFailed,
    ContextOverflow,
    DeadlinePassed,
    LlmcliError,
    NoInput,
    PromptTooLong,
    QuotaExhausted,
    TransientFailure,
    UsageError,
)
from llmcli.lean.dataclass import dataclass
from llmcli.wire import Json

_TOO_LONG = "context_length_exceeded"  # the one code that clients know by name
_STATUSES: tuple[tuple[type[LlmcliError], int, str | None], ...] = (
    (ContextOverflow, 400, _TOO_LONG),
    (UsageError, 400, None),
    (BudgetExceeded, 402, "budget_exceeded"),
    (NoInput, 404, "no_recorded_answer"),
    (AuthFailure, 401, "invalid_api_key"),
    (QuotaExhausted, 429, "insufficient_quota"),
    (DeadlinePassed, 504, "deadline"),
    (Busy, 503, None),
    (CallFailed, 502, None),
)
"""Status and code of an error that no server's status stands behind; the first that fits."""

_KINDS = {401: "authentication_error", 402: "insufficient_quota", 403: "permission_error", 429: "requests"}


@dataclass(frozen=True, slots=True)
class Response:
    """What goes back. `pieces`: a stream of server-sent events, in place of a body."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    pieces: AsyncGenerator[bytes, None] | None = None


def json_response(data: Json, headers: dict[str, str] | None = None) -> Response:
    """A whole answer."""
    return Response(200, jsonl.dumps(data), headers or {})


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as a client is told it. `final`: asking again would not help."""

    status: int
    message: str
    code: str | None = None
    param: str | None = None
    final: bool = True
    wait: float | None = None  # seconds
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> Json:
        """OpenAI's shape of an error."""
        kind = _KINDS.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    @property
    def reply(self) -> Response:
        """The error, in place of an answer."""
        headers = dict(self.headers)
        if self.final:
            headers["x-should-retry"] = "false"
        if self.wait is not None:  # whole seconds are all that some clients read
            headers |= {
                "retry-after": str(math.ceil(self.wait)),
                "retry-after-ms": str(round(self.wait * 1000)),
            }
        return Response(self.status, jsonl.dumps(self.body), headers)

    @property
    def event(self) -> bytes:
        """The same in a stream that has begun."""
        return b"data: " + jsonl.dumps(self.body) + b"\n\n"


def naming(identity: object) -> dict[str, str]:
    """The header that names a request by an upstream's word for it, where a header can hold that."""
    if not isinstance(identity, str) or not identity.isascii() or not identity.isprintable():
        return {}
    return {"x-request-id": identity} if identity and identity == identity.strip() else {}


def problem_of(error: LlmcliError) -> Problem:
    """An error of ours, as a client is told it: with the upstream's own status and code, where it gave them."""
    status, code = next(
        ((status, code) for kind, status, code in _STATUSES if isinstance(error, kind)), (500, None)
    )
    if not isinstance(error, CallFailed):
        return Problem(status, str(error), code)
    if error.meant is not None and error.meant >= 400:
        status = error.meant
    elif error.no_answer_in_time:
        status = 504
    code = _TOO_LONG if isinstance(error, PromptTooLong) else error.code or code
    headers = naming(error.request_id)
    is_final = not isinstance(error, TransientFailure)
    return Problem(status, str(error), code, None, is_final, error.retry_after, headers)
