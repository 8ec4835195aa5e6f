"""A line of a batch's output or error file: what a provider says of one row, in whatever dress, as a reply of its."""

from __future__ import annotations

from typing import Any, NamedTuple

from llmcli import jsonl
from llmcli.errors import LlmcliError
from llmcli.transport import bodies
from llmcli.transport.answer import Answer
from llmcli.transport.failures import diagnosis
from llmcli.transport.failures.diagnosis import Reply
from llmcli.wire import Completion, Json, Request

_UNDONE = {
    "batch_expired": "batch_expired",
    "batch_cancelled": "batch_expired",
    "batch_canceled": "batch_expired",
}
_UNSAID = "the batch ended before this row had its turn"


class AwayError(LlmcliError):
    """A row came back from a batch without an answer; `code` is what its record says."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code


class Result(NamedTuple):
    """What came of a row. `status` is HTTP's, None where there was no reply; `body` what stood in it."""

    custom_id: str
    status: int | None
    request_id: str | None
    body: Any
    error: Json | None


def result_of(line: bytes) -> Result | None:
    """The result in a line; None where it is none."""
    try:
        data, _ = jsonl.lenient(line)
    except ValueError:
        return None
    if not isinstance(data, dict) or not isinstance(data.get("custom_id"), str):
        return None
    response, error = data.get("response"), data.get("error")
    status = request_id = body = None
    if isinstance(response, dict):
        status, body = response.get("status_code"), response.get("body")
        request_id = response.get("request_id")
        if isinstance(body, str):  # JSON in a string
            body = diagnosis.parsed(body.encode()) or body
        if status is None and isinstance(body, dict) and error is None:
            status = 200
    error = error if isinstance(error, dict) else {"message": error} if isinstance(error, str) else None
    number = status if type(status) is int and status >= 100 else None  # 0: it had none
    return Result(data["custom_id"], number, request_id if isinstance(request_id, str) else None, body, error)


def brought_answer(result: Result, request: Request, key: str | None) -> Completion:
    """The answer to a request that a batch brought. `key` is not to be shown.

    Raises the CallFailed family, and AwayError for a row that had no turn.
    """
    reply = Reply(request, result.status or 0, _headers(result), key)
    if result.status is not None and 200 <= result.status < 300 and result.body is not None:
        return bodies.completion(reply, jsonl.dumps(result.body))
    raise _failure(reply, result)


def _failure(reply: Reply, result: Result) -> LlmcliError:
    error = result.error or {}
    if (code := _UNDONE.get(str(error.get("code") or ""))) is not None:
        return AwayError(code, reply.shown(str(error.get("message") or _UNSAID)))
    if result.status is not None and not 200 <= result.status < 300:
        body = result.body if result.body is not None else {"error": error}
        return diagnosis.failure(reply, jsonl.dumps(body))
    return diagnosis.in_band(reply, {"error": error}) if error else AwayError("batch_expired", _UNSAID)


class Delivery:
    """A transport that answers with what a batch brought: put `result` there, and ask. `key` is not to be shown."""

    def __init__(self, key: str | None) -> None:
        self._key = key
        self.result: Result | None = None

    async def ask(self, request: Request) -> Answer:
        """See Transport. Raises AwayError for a row that had no turn."""
        assert self.result is not None  # noqa: S101 - it was put there
        return Answer.of(brought_answer(self.result, request, self._key))

    async def aclose(self) -> None:
        """See Transport."""


class NotKept(LlmcliError):
    """No answer is kept."""


class Nowhere:
    """A transport behind what keeps answers, where nothing is to be sent: it raises NotKept."""

    async def ask(self, request: Request) -> Answer:
        """See Transport."""
        raise NotKept(request.name)

    async def aclose(self) -> None:
        """See Transport."""


def _headers(result: Result) -> dict[str, str]:
    return {} if result.request_id is None else {"x-request-id": result.request_id}
