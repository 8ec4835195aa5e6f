"""Tools that run: the model's calls to commands, their output back to the model."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from llmcli import jsonl
from llmcli.errors import ToolFailure, UsageError
from llmcli.wire import Completion, Json, Message, Request

_TAIL = 2_000  # characters of a failed tool's stderr that the model is shown


def parse_commands(pairs: list[tuple[str, str]], names: set[str]) -> dict[str, list[str]]:
    """`--exec NAME=COMMAND` to argument vectors, no shell involved. Raises UsageError."""
    commands: dict[str, list[str]] = {}
    for name, command in pairs:
        if name not in names:
            known = ", ".join(sorted(names)) or "none"
            raise UsageError(f"--exec {name}: there is no such tool", todo=f"--tools defines: {known}")
        try:
            commands[name] = shlex.split(command)
        except ValueError as error:
            raise UsageError(f"--exec {name}: {error} in the command") from None
        if not commands[name]:
            raise UsageError(f"--exec {name}: the command is empty")
    return commands


@dataclass
class Toolbox:
    """Runs what the model calls and asks on, until it answers.

    `commands` by tool name; `timeout` in seconds for each run (None: none); `max_turns` is the most requests
    that are sent. `tell` is given a line on each run.
    """

    commands: Mapping[str, list[str]]
    timeout: float | None
    max_turns: int
    tell: Callable[[str], None]
    _turns: int = field(default=1)

    async def follow(self, request: Request, completion: Completion) -> Request | None:
        """The request that takes the results back; None where nothing was called, or something we do not run.

        Raises ToolFailure where a command cannot be started, or the turns are used up.
        """
        message = completion.choices[0].get("message") or {} if completion.choices else {}
        calls = [call for call in message.get("tool_calls") or [] if isinstance(call, dict)]
        if not calls or any(name_of(call) not in self.commands for call in calls):
            return None
        if self._turns >= self.max_turns:
            raise ToolFailure(
                f"the model still calls tools after {self._turns} turns", request.name, "raise --max-turns"
            )
        self._turns += 1
        results = await asyncio.gather(*(self._answer(call) for call in calls))
        messages = [*request.fields["messages"], message, *results]
        return replace(request, fields={**request.fields, "messages": messages})

    async def _answer(self, call: Json) -> Message:
        return {"role": "tool", "tool_call_id": call.get("id"), "content": await self._run(call)}

    async def _run(self, call: Json) -> str:
        name = name_of(call)
        try:
            given = _input_of(call)
        except ValueError as error:
            self.tell(f"tool {name}: the arguments are not valid: {error}")
            return f"error: the arguments are not a valid JSON object: {error}"
        self.tell(f"tool {name}: {shlex.join(self.commands[name])} <<< {given.decode('utf-8', 'replace')}")
        code, out, err = await self._execute(name, given)
        if code is None:
            self.tell(f"tool {name}: no end within {self.timeout:g} s, killed")
            return f"error: the tool did not finish within {self.timeout:g} s"
        self.tell(f"tool {name}: exit {code}, {len(out)} bytes")
        text = out.decode("utf-8", "replace").removesuffix("\n")
        if code == 0:
            return text
        tail = err.decode("utf-8", "replace").strip()[-_TAIL:]
        return "\n".join(
            part for part in (f"error: the tool failed with exit code {code}", tail, text) if part
        )

    async def _execute(self, name: str, given: bytes) -> tuple[int | None, bytes, bytes]:
        """(exit code, stdout, stderr); the code is None where the time was up and the tool was killed."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self.commands[name],
                stdin=PIPE if given else DEVNULL,
                stdout=PIPE,
                stderr=PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise ToolFailure(
                f"the tool {name} cannot be started: {error.strerror}", self.commands[name][0], "check --exec"
            ) from None
        try:
            async with asyncio.timeout(self.timeout):
                out, err = await process.communicate(given)
        except TimeoutError:
            return None, b"", b""
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        return process.returncode, out, err


def name_of(call: Json) -> Any:
    """The name of the tool that a call is for."""
    return (call.get(call.get("type") or "function") or {}).get("name")


def _input_of(call: Json) -> bytes:
    """What the command gets on stdin: the arguments as JSON, a custom tool's input as it is. Raises ValueError."""
    inner = call.get(call.get("type") or "function") or {}
    if "input" in inner:
        return str(inner["input"]).encode()
    arguments = inner.get("arguments")
    parsed = jsonl.loads(arguments or "{}") if isinstance(arguments, str) or not arguments else arguments
    if not isinstance(parsed, dict):
        raise ValueError("they are no object")  # noqa: TRY004 - one kind of trouble with arguments
    return jsonl.dumps(parsed)
