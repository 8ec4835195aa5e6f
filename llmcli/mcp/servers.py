"""All servers of a command: started at once in a loop of their own, asked from the command's, and ended together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from llmcli.loop.aside import Aside
from llmcli.mcp.results import Ran
from llmcli.mcp.session import Session
from llmcli.wire import Json

_CLOSING = 10.0  # seconds that the end of all may take


class Servers:
    """`make(loop's) -> sessions` is called in that loop. Whatever happens, `close` leaves no process behind."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        for name in ("mcp", "client"):  # what it would say of junk on a server's stdout, with a traceback
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.sessions = sessions
        self._aside = Aside("mcp")

    async def start(self) -> None:
        """Start all of them. Raises what the first that fails has to say."""
        await self._aside.run(_all([each.start for each in self.sessions]))

    async def call(self, server: int, name: str, arguments: Json) -> Ran:
        """What a tool gives. Raises AuthFailure."""
        return await self._aside.run(self.sessions[server].call(name, arguments))

    def close(self, *, hasty: bool = False) -> None:
        """End all of them."""
        try:
            ending: Future[Any] = self._aside.begin(self._close(hasty=hasty))
            with suppress(TimeoutError):
                ending.result(_CLOSING)
        finally:
            for each in self.sessions:
                each.kill()
            self._aside.close()

    async def _close(self, *, hasty: bool) -> None:
        await asyncio.gather(*(each.close(hasty=hasty) for each in self.sessions))


async def _all(works: Sequence[Callable[[], Awaitable[None]]]) -> None:
    tasks = [asyncio.ensure_future(work()) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
