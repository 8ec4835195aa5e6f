"""All servers of a command: started at once in a loop of their own, asked from the command's, and ended together."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

from llmcli.loop.aside import Aside
from llmcli.mcp.results import Ran
from llmcli.mcp.session import Session
from llmcli.wire import Json

_HEARD = 1000  # lines of stderr that are kept until they are shown
_CLOSING = 10.0  # seconds that the end of all may take


class Servers:
    """Whatever happens, `close` leaves no process behind."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        for name in ("mcp", "client"):  # what it would say of junk on a server's stdout, with a traceback
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.sessions = sessions
        self._said: deque[tuple[str, str]] = deque(maxlen=_HEARD)
        for each in sessions:
            each.heard = partial(self._hear, each.spec.label)
        self._aside = Aside("mcp")

    async def start(self) -> None:
        """Start all of them. Raises what the first that fails has to say."""
        await self._aside.run(_all([each.start for each in self.sessions]))

    def heard(self) -> list[tuple[str, str]]:
        """(label, line) of what servers have said on stderr since this was asked."""
        said: list[tuple[str, str]] = []
        while self._said:
            said.append(self._said.popleft())
        return said

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

    def _hear(self, label: str, line: str) -> None:
        self._said.append((label, line))

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
