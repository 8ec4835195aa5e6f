"""Scenarios that look at the request or the clock first: who may ask, and how often."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.server.exchanged import (
    Request,
    Scenario,
)
from tests.server.friendly import echo
from tests.server.misbehaviour import with_headers
from tests.server.replies import error, status


def echo_auth(key: str, scenario: Scenario = echo) -> Scenario:
    """401 unless the request carries this key."""

    def check(request: Request) -> Scenario:
        if request.headers.get("authorization") == f"Bearer {key}":
            return scenario
        return status(401, error("Incorrect API key provided.", code="invalid_api_key"))

    return check


def limited(
    rps: float,
    burst: int = 1,
    scenario: Scenario = echo,
    *,
    headers: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> Scenario:
    """A bucket of `burst` requests that refills at `rps` a second; 429 when it is empty."""
    tokens, then = float(burst), clock()

    def admit(_: Request) -> Scenario:
        nonlocal tokens, then
        now = clock()
        tokens, then = min(burst, tokens + (now - then) * rps), now
        admitted = tokens >= 1
        tokens -= admitted
        wait = max(0.0, (1 - tokens) / rps)
        answer = (
            scenario if admitted else status(429, error("Rate limit reached.", code="rate_limit_exceeded"))
        )
        if not headers:
            return answer
        said: dict[str, str | None] = {
            "x-ratelimit-limit-requests": f"{rps * 60:.0f}",
            "x-ratelimit-remaining-requests": f"{tokens:.0f}" if tokens >= 1 else "0",
            "x-ratelimit-reset-requests": f"{(burst - tokens) / rps * 1000:.0f}ms",
        }
        if not admitted:
            said |= {"retry-after": f"{wait:.3f}", "retry-after-ms": f"{wait * 1000:.0f}"}
        return with_headers(answer, said)

    return admit
