"""Owns offline/flaky: which attempts fail on purpose, the same ones each time."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from typing import NamedTuple
from urllib.parse import parse_qsl

from llmcli import jsonl
from llmcli.errors import UsageError
from llmcli.transport.failures import diagnosis as failures
from llmcli.wire import Request

_DEFAULTS = {"rate": "0.2", "status": "429", "seed": "1"}
_BESIDE = {"retry_after", "tools"}
_OF_BATCHES = {"batch": "completed", "at": "0.5"}
_ENDS = frozenset({"completed", "expired", "cancelled", "failed"})


class BatchPlan(NamedTuple):
    """How each batch ends, and the share of its rows that are done by then."""

    status: str = "completed"
    at: float = 1.0


def batch_plan(query: str) -> BatchPlan:
    """How batches end that are made of a model with this query. Raises UsageError where it is none."""
    _settings(query)
    given = dict(parse_qsl(query, keep_blank_values=True))
    status = given.get("batch", "completed")
    return BatchPlan(status, float(given.get("at", _OF_BATCHES["at"])) if status != "completed" else 1.0)


def maybe_fail(request: Request, query: str, attempts: Counter[str], wait: str | None = None) -> None:
    """Raise the failure of this attempt, if it is one that fails. Raises UsageError where the query is none.

    query: what stands behind the `?` of the model; attempts: how often each request was tried, counted here; wait: the
    seconds of `Retry-After`, where the query says nothing of them (None: there is no such header).
    """
    rate, status, seed, said = _settings(query)
    wait = wait if said is None else said
    identity = hashlib.blake2b(jsonl.dumps([seed, request.fields]), digest_size=16).hexdigest()
    attempts[identity] += 1
    if random.Random(f"{identity}:{attempts[identity]}").random() < rate:  # noqa: S311 - a rehearsal
        error = {"error": {"message": "offline/flaky fails this attempt on purpose", "code": "offline"}}
        headers = {"x-request-id": f"offline-{identity[:8]}"}
        reply = failures.Reply(request, status, headers if wait is None else {**headers, "retry-after": wait})
        raise failures.failure(reply, jsonl.dumps(error))


def _settings(query: str) -> tuple[float, int, str, str | None]:
    given = dict(parse_qsl(query, keep_blank_values=True))
    settings = _DEFAULTS | _OF_BATCHES | ({"rate": "0"} if "batch" in given else {}) | given
    try:
        rate, status, at = float(settings["rate"]), int(settings["status"]), float(settings["at"])
        wait = float(settings.get("retry_after", "0"))
    except ValueError:
        rate, status, at, wait = -1.0, 0, -1.0, -1.0
    is_good = 0 <= rate <= 1 and 0 <= at <= 1 and 400 <= status <= 599 and settings["batch"] in _ENDS
    is_good = is_good and 0 <= wait < float("inf") and settings.get("tools", "each") == "each"
    if not is_good or given.keys() - _DEFAULTS.keys() - _OF_BATCHES.keys() - _BESIDE:
        of_batches = (
            f", batch {', '.join(sorted(_ENDS))}, at 0 to 1" if given.keys() & _OF_BATCHES.keys() else ""
        )
        raise UsageError(
            f"offline/flaky?{query}: rate is 0 to 1, status 400 to 599, seed anything, "
            f"retry_after seconds, tools each{of_batches}",
            todo="e.g. offline/flaky?rate=0.2&status=429&seed=1",
        )
    return rate, status, settings["seed"], settings.get("retry_after")
