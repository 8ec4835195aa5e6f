"""Answers made in the background: looked for until they are there, and cancelled where nobody waits any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from llmcli.errors import LlmcliError, TransientFailure
from llmcli.responses.names import RESPONSES, UNFINISHED
from llmcli.transport.failures.diagnosis import Reply, parsed
from llmcli.wire import Request

_FIRST, _LONGEST, _GROWTH = 0.5, 10.0, 1.5  # seconds between two looks, and how they grow
_IN_VAIN = 5  # looks in a row, before the answer is given up
_FAREWELL = 5.0  # seconds that a cancel may take

AskBeside = Callable[[str, str], Awaitable[tuple[Reply, bytes]]]
"""`call(method, path)`: send that, to a path behind the base URL; the reply and its whole body. Raises CallFailed."""


def is_background(request: Request) -> bool:
    """Whether the answer is to be made while nobody holds the line."""
    return request.api.name == RESPONSES and request.fields.get("background") is True and not request.stream


async def finished(reply: Reply, body: bytes, call: AskBeside) -> tuple[Reply, bytes]:
    """The reply that holds the answer, once it is made. Given up, cancelled or late, the server is told to stop."""
    if (path := _path_of(body)) is None:
        return reply, body
    try:
        return await _looked_for(path, call)
    except BaseException:
        with suppress(LlmcliError, TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await call("POST", f"{path}/cancel")
        raise


async def _looked_for(path: str, call: AskBeside) -> tuple[Reply, bytes]:
    wait, in_vain = _FIRST, 0
    while True:
        await asyncio.sleep(wait)
        wait = min(wait * _GROWTH, _LONGEST)
        try:
            reply, body = await call("GET", path)
        except TransientFailure as error:
            in_vain += 1
            if in_vain == _IN_VAIN:
                error.may_have_cost = True
                raise
            wait = max(wait, min(error.retry_after or 0.0, _LONGEST))
            continue
        in_vain = 0
        if _path_of(body) is None:
            return reply, body


def _path_of(body: bytes) -> str | None:
    """Where to look for an answer that is still made; None where it is not."""
    data: Any = parsed(body)
    if (
        not isinstance(data, dict)
        or data.get("status") not in UNFINISHED
        or not isinstance(data.get("id"), str)
    ):
        return None
    return f"{RESPONSES}/{quote(data['id'], safe='')}"
