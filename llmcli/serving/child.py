"""The command behind `--`: its environment, its signals, its exit status."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from llmcli.errors import UsageError
from llmcli.files import scratch_directory
from llmcli.serving.signals import Signals

_LAST = 2.0  # seconds that a command has to end, where we must
_PROXIES = ("NO_PROXY", "no_proxy")
_HERE = ("127.0.0.1", "localhost", "::1")
_KEPT_IN = {
    "OPENAI_AGENTS_DISABLE_TRACING": "1",  # its traces go to OpenAI, whatever the base URL
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks the web for prices
}
_OF_TERMINALS = {signal.SIGINT, signal.SIGQUIT}
_FOLDER = "DSPY_CACHEDIR"  # where answers are kept under keys that do not name who gave them


@contextmanager
def environment(env: Mapping[str, str], base_url: str, key: str) -> Iterator[dict[str, str]]:
    """The environment in which clients that we know ask us, and nobody else; what it needs is there meanwhile."""
    with scratch_directory("llmcli-serve-") as folder:
        ours = {"OPENAI_BASE_URL": base_url, "OPENAI_API_BASE": base_url, "OPENAI_API_KEY": key}
        yield {**_KEPT_IN, _FOLDER: folder, **env, **ours, **_without_proxy(env, base_url)}


def _without_proxy(env: Mapping[str, str], base_url: str) -> dict[str, str]:
    """Both variables that name what no proxy is asked for, with this machine in them."""
    said = [name.strip() for variable in _PROXIES for name in env.get(variable, "").split(",")]
    if "*" in said:  # clients know it by itself alone
        return dict.fromkeys(_PROXIES, "*")
    host = base_url.partition("//")[2].rpartition(":")[0].strip("[]")
    names = dict.fromkeys([*filter(None, said), *_HERE, host])
    return dict.fromkeys(_PROXIES, ",".join(names))


async def run(words: Sequence[str], env: Mapping[str, str], signals: Signals) -> int:
    """Run a command to its end; it gets the signals that we get. Its status, that of a shell where one killed it.

    Raises UsageError where it cannot be run.
    """
    try:
        process = await asyncio.create_subprocess_exec(*words, env=dict(env))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot run {words[0]}: {reason}", todo="check the command behind --") from None
    passing = asyncio.create_task(_pass_on(process, signals))
    try:
        code = await process.wait()
    finally:
        passing.cancel()
        if process.returncode is None:
            await _end(process)
    return code if code >= 0 else 128 - code


async def _pass_on(process: asyncio.subprocess.Process, signals: Signals) -> None:
    while True:
        number = await signals.next()
        if number in _OF_TERMINALS and _is_at_the_terminal():
            continue
        with suppress(ProcessLookupError):
            process.send_signal(number)


def _is_at_the_terminal() -> bool:
    """Whether signals of the keyboard reach the command by themselves, as they reach us."""
    for descriptor in range(3):
        with suppress(OSError):  # it is no terminal, or not ours
            return os.tcgetpgrp(descriptor) == os.getpgrp()
    return False


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
        try:
            async with asyncio.timeout(_LAST):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
