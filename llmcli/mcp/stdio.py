"""A server in a process: its start, its lines in and out, its stderr, and its end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from llmcli import jsonl
from llmcli.errors import ToolFailure
from llmcli.mcp.lifeline import Guard, signal_group
from llmcli.mcp.mending import answer_as_sdk_takes

_KEPT = 20  # lines of stderr
_LONGEST = 1 << 16  # bytes of a line of stderr
_EOF_WAIT = 2.0  # seconds that a server has to end after its stdin has
_TERM_WAIT = 2.0  # and after SIGTERM
_SHOWN = 200  # bytes of a line on stdout that is no message
_LAST_WORDS = 0.5  # seconds until the end of a dead one's stderr


class Stdio:
    """A transport of the SDK: entered, it gives a pair of streams; left, the process and its children have ended.

    `limit` is the longest line in bytes. `heard` is given each line of stderr. Raises ToolFailure on entry where
    the command cannot be started.
    """

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], cwd: str | None, limit: int,
        heard: Callable[[str], None] = lambda _line: None,
    ) -> None:  # fmt: skip
        self._command, self._env, self._cwd, self._limit = list(command), dict(env), cwd, limit
        self._heard = heard
        self._tasks: list[asyncio.Task[None]] = []
        self._process: Process | None = None
        self._guard: Guard | None = None
        self.stderr: deque[str] = deque(maxlen=_KEPT)
        self.too_long = False
        self.has_gone = False  # before it was told to
        self._is_ending = False
        self._is_silent = False  # it lives, and has closed its stdout

    @property
    def ending(self) -> str:
        """How the process ended by itself, in words; empty where it did not."""
        code = self._process.returncode if self._process is not None else None
        if code is None or not self.has_gone:
            return ""
        if self._is_silent:
            return "it closed its stdout"
        return f"it ended with exit code {code}" if code >= 0 else f"it was killed by signal {-code}"

    async def begin(self) -> None:
        """Start the process, where it was not. Raises ToolFailure."""
        if self._process is None:
            self._process = await self._start()

    async def __aenter__(self) -> tuple[Any, Any]:
        """Start it. See the SDK's Transport."""
        import anyio

        await self.begin()
        into, out = anyio.create_memory_object_stream[Any](0), anyio.create_memory_object_stream[Any](0)
        work = (self._read(into[0]), self._write(out[1]), self._listen())
        self._tasks = [asyncio.ensure_future(each) for each in work]
        return into[1], out[0]

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it: stdin ends, then SIGTERM, then the guard. In haste, where an error ends us, nothing is waited for."""
        await self.end(hasty=isinstance(error, asyncio.CancelledError))

    async def end(self, *, hasty: bool = False) -> None:
        """The same; of no effect where it has ended."""
        try:
            await self._end(0.2 if hasty else _EOF_WAIT)
        finally:
            self.kill()
            if self._tasks:
                await asyncio.wait(self._tasks[-1:], timeout=_LAST_WORDS)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def kill(self) -> None:
        """End the server and all that it started, at once."""
        if self._guard is not None:
            self._guard.end()

    async def _start(self) -> Process:
        self._command[0] = _program(self._command[0], self._env, self._cwd)
        self._guard = Guard()
        try:
            return await asyncio.create_subprocess_exec(
                *self._guard.words(self._command), stdin=PIPE, stdout=PIPE, stderr=PIPE,
                env=self._env, cwd=self._cwd, start_new_session=True, limit=self._limit,
                pass_fds=[self._guard.read_end],
            )  # fmt: skip
        except OSError as error:
            self._guard.end()
            what = f"it cannot be started: {error.strerror}"
            raise ToolFailure(what, self._command[0], "check the command") from None
        except BaseException:
            self._guard.end()
            raise
        finally:
            self._guard.started()

    async def _end(self, patience: float) -> None:
        process, self._is_ending = self._process, True
        if process is None or process.returncode is not None:
            return
        if self.has_gone and not await _ended(process, _LAST_WORDS):
            self._is_silent = True
        if process.stdin is not None:
            process.stdin.close()
        if not await _ended(process, patience):
            signal_group(process.pid, signal.SIGTERM)
            await _ended(process, min(patience, _TERM_WAIT))
        self.kill()
        await _ended(process, _TERM_WAIT)

    async def _read(self, into: Any) -> None:
        """Its messages; a line that is none is passed over."""
        from mcp.shared.message import SessionMessage
        from mcp_types import jsonrpc_message_adapter

        assert self._process is not None  # noqa: S101 - it was started
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        async with into:
            while line := await self._line(self._process.stdout):
                try:
                    data = answer_as_sdk_takes(jsonl.loads(line))
                    message = jsonrpc_message_adapter.validate_python(data, by_name=False)
                except ValueError:
                    self._pass_over(line)
                    continue
                with suppress(Exception):  # nobody listens any more
                    await into.send(SessionMessage(message))
            self.has_gone = not (self._is_ending or self.too_long)

    def _pass_over(self, line: bytes) -> None:
        if text := line[:_SHOWN].decode("utf-8", "replace").strip():
            self._heard(f"no message on stdout: {text}")

    async def _line(self, out: asyncio.StreamReader) -> bytes:
        try:
            return await out.readline()
        except ValueError:
            self.too_long = True
            return b""

    async def _write(self, out: Any) -> None:
        assert self._process is not None  # noqa: S101 - it was started
        assert self._process.stdin is not None  # noqa: S101 - a pipe
        stdin = self._process.stdin
        async with out:
            async for said in out:
                line = said.message.model_dump_json(by_alias=True, exclude_unset=True)
                with suppress(ConnectionError):  # its end is seen by the reader
                    stdin.write(line.encode() + b"\n")
                    await stdin.drain()

    async def _listen(self) -> None:
        assert self._process is not None  # noqa: S101 - it was started
        assert self._process.stderr is not None  # noqa: S101 - a pipe
        rest = b""
        while piece := await self._process.stderr.read(_LONGEST):
            *lines, rest = (rest + piece).split(b"\n")
            rest = rest[-_LONGEST:]
            self._note(lines)
        self._note([rest])

    def _note(self, lines: list[bytes]) -> None:
        for line in lines:
            if text := line.decode("utf-8", "replace").rstrip():
                self.stderr.append(text)
                self._heard(text)


async def _ended(process: Process, patience: float) -> bool:
    """Whether the process ends in time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            await process.wait()
    return process.returncode is not None


def _program(name: str, env: Mapping[str, str], cwd: str | None) -> str:
    """The program of a command, ~ filled in. Raises ToolFailure where there is none, or no directory to run it in."""
    if cwd is not None and not Path(cwd).is_dir():
        raise ToolFailure("its working directory does not exist", cwd, "mend cwd")
    try:
        program = Path(name).expanduser() if name.startswith("~") else Path(name)
    except RuntimeError:
        program = Path(name)
    place = Path(cwd or ".") / program if len(program.parts) > 1 else program
    if shutil.which(place, path=env.get("PATH", os.defpath)) is None:
        what = "it is no program that can be run" if place.exists() else "there is no such command"
        raise ToolFailure(what, name, "check the command, and PATH")
    return str(program)
