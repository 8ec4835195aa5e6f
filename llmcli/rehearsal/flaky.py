"""Owns offline/flaky: which attempts fail on purpose, the same ones each time."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from urllib.parse import parse_qsl

from llmcli import jsonl
from llmcli.errors import UsageError
from llmcli.transport.failures import diagnosis as failures
from llmcli.wire import Request

_DEFAULTS = {"rate": "0.2", "status": "429", "seed": "1"}


def maybe_fail(request: Request, query: str, attempts: Counter[str]) -> None:
    """Raise the failure of this attempt, if it is one that fails. Raises UsageError where the query is none.

    query: what stands behind the `?` of the model; attempts: how often each request was tried, counted here.
    """
    rate, status, seed = _settings(query)
    identity = hashlib.blake2b(jsonl.dumps([seed, request.fields]), digest_size=16).hexdigest()
    attempts[identity] += 1
    if random.Random(f"{identity}:{attempts[identity]}").random() < rate:  # noqa: S311 - a rehearsal
        error = {"error": {"message": "offline/flaky fails this attempt on purpose", "code": "offline"}}
        reply = failures.Reply(request, status, {"x-request-id": f"offline-{identity[:8]}"})
        raise failures.failure(reply, jsonl.dumps(error))


def _settings(query: str) -> tuple[float, int, str]:
    given = dict(parse_qsl(query, keep_blank_values=True))
    settings = _DEFAULTS | given
    try:
        rate, status = float(settings["rate"]), int(settings["status"])
    except ValueError:
        rate, status = -1.0, 0
    if not 0 <= rate <= 1 or not 400 <= status <= 599 or given.keys() - _DEFAULTS.keys():
        raise UsageError(
            f"offline/flaky?{query}: rate is 0 to 1, status 400 to 599, seed anything",
            todo="e.g. offline/flaky?rate=0.2&status=429&seed=1",
        )
    return rate, status, settings["seed"]
