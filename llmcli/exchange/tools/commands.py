"""Commands of the user that run as tools: arguments on stdin, the result on stdout."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from llmcli import jsonl
from llmcli.errors import ToolFailure, UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.output.calls import arguments_of, inner_of, name_of
from llmcli.wire import Json

_GRACE = 1.0  # seconds that a killed tool's pipes may take to close
_MOST = 1_000_000  # bytes of a tool's stdout that the model is shown; no model reads more
_PIECE = 1 << 16
_TAIL = 2_000  # characters of a failed tool's stderr that the model is shown


def parse_commands(pairs: list[tuple[str, str]], names: set[str]) -> dict[str, list[str]]:
    """`--exec NAME=COMMAND` to argument vectors, no shell involved. Raises UsageError."""
    commands: dict[str, list[str]] = {}
    for name, command in pairs:
        if name not in names:
            known = ", ".join(sorted(names)) or "none"
            raise UsageError(
                f"{name}: there is no such tool", todo=f"--tools defines: {known}", flag="--exec"
            )
        if name in commands:
            raise UsageError(f"{name} is given twice", todo="one command runs a tool", flag="--exec")
        try:
            commands[name] = shlex.split(command)
        except ValueError as error:
            reason = str(error).lower()
            raise UsageError(
                f"{name}: {reason} in the command", todo="mend the quotes", flag="--exec"
            ) from None
        if not commands[name]:
            raise UsageError(f"{name}: the command is empty", todo="write NAME=COMMAND", flag="--exec")
    return commands


@dataclass
class Commands:
    """Runs commands. `commands` by tool name; `timeout` in seconds for each run (None: none).

    `tell` is given a line on each run, `waits_for` what is waited for meanwhile. A command has the environment `env`
    (None: ours); where one fails, `warn` is told once of what is `withheld` from it.
    """

    commands: Mapping[str, list[str]]
    timeout: float | None
    tell: Callable[[str], None]
    waits_for: Callable[[str], None] = lambda _what: None
    env: Mapping[str, str] | None = None
    withheld: Sequence[str] = ()
    warn: Callable[[str], None] = lambda _line: None

    @property
    def names(self) -> set[str]:
        """The tools that it runs."""
        return {*self.commands}

    async def run(self, call: Json) -> str:
        """What a call's command gives, in words for the model. Raises ToolFailure where it cannot be started."""
        name = name_of(call)
        given = _input_of(call)
        self.tell(f"tool {name}: {shlex.join(self.commands[name])} <<< {given.decode('utf-8', 'replace')}")
        code, out, err = await self._execute(name, given)
        if code is None:
            self.tell(f"tool {name}: no end within {self.timeout:g} s, killed")
            return f"error: the tool did not finish within {self.timeout:g} s"
        if len(out) > _MOST:
            self.tell(f"tool {name}: more than {_MOST:,} bytes, killed")
            text = out[:_MOST].decode("utf-8", "ignore")
            return f"{text}\nerror: the tool wrote more than {_MOST:,} bytes; the rest is cut off"
        ended = f"exit code {code}" if code >= 0 else f"signal {-code}"
        self.tell(f"tool {name}: {ended}, {len(out)} bytes")
        text = out.decode("utf-8", "replace").removesuffix("\n")
        if code == 0:
            return text
        self._hint(name)
        tail = err.decode("utf-8", "replace").strip()[-_TAIL:]
        return "\n".join(part for part in (f"error: the tool failed with {ended}", tail, text) if part)

    def _hint(self, name: str) -> None:
        """Say what a tool that failed may have missed."""
        withheld, self.withheld = self.withheld, ()
        if withheld:
            names = ", ".join(withheld)
            self.warn(f"tool {name} failed; tools are not given {names} (--tool-env NAME gives one to them)")

    async def _execute(self, name: str, given: bytes) -> tuple[int | None, bytes, bytes]:
        """(exit code, stdout, stderr); the code is None where the time was up and the tool was killed."""
        self.waits_for(f"the tool {name}")
        try:
            process = await _start(self.commands[name], PIPE if given else DEVNULL, self.env)
        except OSError as error:
            raise ToolFailure(
                f"the tool {name} cannot be started: {error.strerror}", self.commands[name][0], "check --exec"
            ) from None
        try:
            async with asyncio.timeout(self.timeout):
                out, err = await _communicate(process, given)
        except TimeoutError:
            await _kill(process)
            return None, b"", b""
        except BaseException:
            await _kill(process)
            raise
        return process.returncode, out, err


async def _start(command: list[str], stdin: int, env: Mapping[str, str] | None) -> Process:
    """Start a command in a group of its own. Cancelled, it is killed: asyncio alone would leave its children."""
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command, stdin=stdin, stdout=PIPE, stderr=PIPE, env=env, start_new_session=True
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with suppress(OSError):
            await _kill(await starting)
        raise


async def _communicate(process: Process, given: bytes) -> tuple[bytes, bytes]:
    """(stdout, the end of stderr) of a command, which is killed where it writes more than `_MOST`."""
    out, err = bytearray(), bytearray()

    async def feed() -> None:
        if process.stdin is not None:
            with suppress(BrokenPipeError, ConnectionResetError):  # it need not read
                process.stdin.write(given)
                await process.stdin.drain()
            process.stdin.close()

    async def read_out() -> None:
        while len(out) <= _MOST and (piece := await process.stdout.read(_PIECE)):  # type: ignore[union-attr] # a pipe
            out.extend(piece)
        if len(out) > _MOST:
            _kill_group(process)
            await _emptied(process.stdout)  # type: ignore[arg-type] # a pipe

    async def read_err() -> None:
        while piece := await process.stderr.read(_PIECE):  # type: ignore[union-attr] # a pipe
            err.extend(piece)
            del err[: -4 * _TAIL]  # a character has at most 4 bytes

    await asyncio.gather(feed(), read_out(), read_err())
    await process.wait()
    return bytes(out), bytes(err)


async def _emptied(pipe: asyncio.StreamReader) -> None:
    """Read a killed command's pipe to its end: until then it stays open. What left the group may hold it longer."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_GRACE):
            while await pipe.read(_PIECE):
                pass


def _kill_group(process: Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def _kill(process: Process) -> None:
    """Kill the command and all that it started; its children may outlive it and hold the pipes open."""
    _kill_group(process)
    with suppress(TimeoutError):  # one that left the group may hold them still
        async with asyncio.timeout(_GRACE):
            await process.communicate()


def _input_of(call: Json) -> bytes:
    """What the command gets on stdin: the arguments as JSON, a custom tool's input as it is."""
    inner = inner_of(call)
    return str(inner["input"]).encode() if "input" in inner else jsonl.dumps(arguments_of(call))
