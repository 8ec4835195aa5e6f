"""What is sent by one who does not wait comes to the same as what is asked, answer for answer and error for error."""

from __future__ import annotations

import asyncio
import re
from itertools import chain
from typing import Any

import pytest

from llmcli import jsonl
from llmcli.errors import CallFailed, LlmcliError
from llmcli.transport.base import ReadAnswer, sender_of
from llmcli.transport.pooled import Pooled
from llmcli.transport.wire.heads import Bounds
from llmcli.wire import Completion, Request
from tests.server import Server, ok
from tests.unit.conformance import test_bodies, test_errors, test_packed
from tests.unit.conformance.asking import ELSEWHERE, KEY, Row, always, cases, request_to

ROWS = [
    *chain(test_bodies.bad_bodies(), test_bodies.good_bodies()),
    *chain(test_errors.statuses(), test_errors.error_bodies(), test_errors.quotas()),
    *test_packed.rows(),
]
WHOLE = [case for case in cases(ROWS) if str(case.values[1]).startswith("whole")]


def told(came: Completion | LlmcliError) -> str:
    """All that is known of what came, but for the time that it took and the number of its request."""
    known: tuple[Any, ...]
    counted = {"content-length"}  # of a body that is packed it depends on that number
    if isinstance(came, Completion):
        known = (
            came.body,
            came.raw,
            came.meta.request_id,
            {name: value for name, value in came.meta.headers.items() if name not in counted},
            came.meta.done,
        )
    else:
        known = type(came), str(came)
        if isinstance(came, CallFailed):
            known = (*known, came.status, came.code, came.request_id, came.retry_after, came.body)
    return re.sub(r"(req_|chatcmpl-|resp_|msg_)\d", r"\g<1>1", repr(known))


async def asked(transport: Pooled, request: Request) -> Completion | LlmcliError:
    try:
        return await (await transport.ask(request)).whole()
    except LlmcliError as error:
        return error


async def sent(transport: Pooled, request: Request) -> Completion | LlmcliError | None:
    """What comes of it unawaited; None where it has to be asked."""
    future: asyncio.Future[tuple[ReadAnswer, Any]] = asyncio.get_running_loop().create_future()
    send = sender_of(transport)(request)
    if send is None:
        return None
    send(request, jsonl.dumps(request.body()), lambda *came: future.set_result(came))
    try:
        read, came = await future
        return read(came)
    except LlmcliError as error:
        return error


def both(*requests: Request, longest: int = 64_000_000, timeout: float = 10.0) -> list[Any]:
    """What comes of the first that is asked, and of the others, sent."""

    async def work() -> list[Any]:
        transport = Pooled(always(KEY), Bounds(timeout, timeout, longest))
        try:
            return [
                await asked(transport, requests[0]),
                *[await sent(transport, other) for other in requests[1:]],
            ]
        finally:
            await transport.aclose()

    return asyncio.run(work())


@pytest.mark.parametrize(("row", "way"), WHOLE)
def test_it_comes_to_the_same(row: Row, way: str, server: Server) -> None:
    server.script = row.scenario
    request = request_to(server.base_url, way)
    first, second = both(request, request, longest=row.longest, timeout=row.timeout)
    if second is not None:  # nothing came over the wire: the next is asked, too
        assert told(second) == told(first)


@pytest.mark.parametrize("other", [{"way": "stream"}, {"way": f"whole{ELSEWHERE}", "background": True}])
def test_what_has_more_to_it_is_asked(other: dict[str, Any], server: Server) -> None:
    server.script = ok("Hello")
    plain = request_to(server.base_url, other["way"].replace("stream", "whole"))
    first, second, third = both(plain, plain, request_to(server.base_url, **other))
    assert told(first) == told(second)
    assert third is None
