"""The server itself: a thread of its own that plays a script, and remembers what came."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import struct
import threading
from collections.abc import Sequence
from typing import Any, Self

from tests.server.exchanged import (
    Answer,
    Ending,
    Hold,
    Request,
    Scenario,
    play,
)
from tests.server.friendly import echo
from tests.server.reading import gone, read_request, unless_gone
from tests.server.replies import error, reply, status


class Server:
    """The server, in a thread of its own between `with` and its end.

    `requests` are those that came, `peak` is the most that were in flight at once, `connections` how many
    were opened. `models` answers GET .../models. `early`: answer when the head of a POST is there, its body unread,
    and close. What a script raises is raised again when the `with` ends.
    """

    def __init__(self, *, port: int = 0, record: bool = True) -> None:
        self.requests: list[Request] = []
        self.peak = 0
        self.connections = 0
        self.port = port
        self.failures: list[BaseException] = []
        self.early = False
        self.models: Scenario = reply({"object": "list", "data": [{"id": "tiny", "object": "model"}]})
        self._script: Scenario | list[Scenario] = echo
        self._record = record
        self._numbers = itertools.count(1)
        self._flying = 0
        self._changed = threading.Condition()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="server", daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def script(self) -> Scenario | list[Scenario]:
        """What is still to be played."""
        return self._script

    @script.setter
    def script(self, script: Scenario | Sequence[Scenario]) -> None:
        with self._changed:
            self._script = script if callable(script) else list(script)

    def wait_for(self, count: int, timeout: float = 60) -> bool:
        """Whether so many requests have come, at the latest after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.requests) >= count, timeout)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self.failures:
            raise self.failures[0]
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close()
        if self.failures and kind is None:
            raise self.failures[0]

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):  # closed already
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    # Everything below runs in the server's thread.

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await asyncio.start_server(
                self._serve, "127.0.0.1", self.port, limit=2**24, backlog=4096
            )
            self.port = server.sockets[0].getsockname()[1]
        except OSError as failure:
            self.failures.append(failure)
            return
        finally:
            self._ready.set()
        await self._stop.wait()
        server.close()
        await self._all_gone()
        await server.wait_closed()

    async def _all_gone(self) -> None:
        """Send every client away, also who was just let in: a task that never began would close nothing."""
        while left := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(left, timeout=0.05)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        writer.transport.set_write_buffer_limits(0)  # so that drain() means: the kernel has it all
        try:
            while request := await read_request(reader, writer, whole=not self.early):
                request.connection = number
                if not await self._answer(request, reader, writer) or self.early:
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or the server is closing
        except Exception as failure:  # noqa: BLE001, kept for the test's thread
            self.failures.append(failure)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()  # nothing is buffered: that is a FIN, at once

    async def _answer(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Send the answer; whether the connection stays open."""
        self._came(request)
        try:
            answer = play(self._choose(request), request)
            await self._send(answer, request, reader, writer)
        except ConnectionError:
            request.gone = True
            raise
        finally:
            self._went(request)
        kept = answer.ending == "keep" and answer.framing != "close"
        return kept and request.headers.get("connection", "").lower() != "close"

    def _came(self, request: Request) -> None:
        request.number = next(self._numbers)
        with self._changed:
            if self._record:
                self.requests.append(request)
            self._flying += 1
            self.peak = max(self.peak, self._flying)
            self._changed.notify_all()

    def _went(self, request: Request) -> None:
        with self._changed:
            self._flying -= 1
        request.finished.set()

    def _choose(self, request: Request) -> Scenario:
        path = request.path.partition("?")[0]
        if path.endswith("/models") and request.method == "GET":
            return self.models
        if "/responses/" in path:  # an answer that is made in the background
            return self._next()
        if not path.endswith(("/chat/completions", "/responses")):
            return status(404, error(f"Unknown request URL: {request.method} {path}", code="unknown_url"))
        if request.method != "POST":
            return status(405, error(f"Not allowed: {request.method} {path}"))
        return self._next()

    def _next(self) -> Scenario:
        with self._changed:
            if callable(self._script):
                return self._script
            return self._script.pop(0) if len(self._script) > 1 else (*self._script, echo)[0]

    async def _send(
        self, answer: Answer, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        for step in answer.steps(request):
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif isinstance(step, Hold):
                await unless_gone(step.wait(), reader)
            else:
                await asyncio.sleep(step)
                if reader.at_eof():
                    raise ConnectionAbortedError
        await self._end(answer.ending, reader, writer)

    async def _end(self, ending: Ending, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if ending == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        elif ending == "half":
            writer.write_eof()
            await gone(reader)
        elif ending == "stall":
            await gone(reader)
            raise ConnectionAbortedError
