"""Keys: where a provider's key is found. Nothing else in the program holds one, nothing prints one."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path

from llmcli.address import address_of
from llmcli.config import ProviderConfig
from llmcli.errors import AuthFailure, BadCommand
from llmcli.registry.models import nearest_model
from llmcli.registry.providers import KEY_FILE, Provider, default_provider, key_header, key_variables
from llmcli.wire import Request

KeyOf = Callable[[Request], Awaitable[str | None]]

_WEB_TOKEN = ("eyJ",)  # how a JSON Web Token begins, which is for the usual header everywhere
_COMMAND_WAIT = 60.0  # seconds that api_key_command may take


def checked_key(key: str | None, request: Request) -> str | None:
    """The key, where a header can hold it: what libraries say of one that they refuse quotes it."""
    if key is not None and not (key.isascii() and key.isprintable()):
        raise AuthFailure("the key holds characters that no key has", request.name, "check it")
    return key


async def find_key(
    provider: Provider, config: ProviderConfig | None, env: Mapping[str, str], key_file: str | None
) -> str | None:
    """The key: `--api-key-file`, else the provider's variable, else the config's command, else None."""
    if key_file is not None:
        return _from_file(key_file)
    names = (config.api_key_env,) if config and config.api_key_env else provider.api_key_env
    for name in names:
        if key := env.get(name, "").strip():
            return key
    return await _from_command(config.api_key_command, env) if config and config.api_key_command else None


def says_who(request: Request) -> bool:
    """Whether the user's own headers, or the address, say who asks: no key of ours is for it then."""
    address = address_of(request.base_url)
    names = {"Authorization", key_header(request.base_url) or "Authorization"}
    return (address is not None and address.user is not None) or any(map(request.headers.has, names))


def credentials(request: Request, key: str | None) -> dict[str, str]:
    """The header that says who asks: the name and password in the address, else the key."""
    address = address_of(request.base_url)
    if address is not None and address.basic is not None:
        return {"Authorization": address.basic}
    if key is None:
        return {}
    name = None if key.startswith(_WEB_TOKEN) else key_header(request.base_url)
    return {"Authorization": f"Bearer {key}"} if name is None else {name: key}


def missing_key(provider: Provider, model: str) -> AuthFailure:
    """The error for a provider that wants a key where there is none; a slip in the model's name may have led there."""
    name = provider.api_key_env[0] if provider.api_key_env else "api_key_env"
    todo = f"set {name} or {KEY_FILE}"
    if provider == default_provider() and (near := nearest_model(model)):
        todo += f"; or did you mean -m {near}?"
    return AuthFailure(f"there is no key for {provider.name}", todo=todo)


def _from_file(path: str) -> str:
    try:
        key = Path(path).read_text("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", error)
        raise BadCommand(f"cannot read {path}: {reason}", flag="--api-key-file") from None
    if not key:
        raise AuthFailure(f"--api-key-file {path} is empty", todo="put the key into it")
    return key


def without_keys(
    env: Mapping[str, str], providers: Mapping[str, ProviderConfig], given: Collection[str]
) -> tuple[dict[str, str], list[str]]:
    """The environment of a tool, and the names of what is withheld: keys, but for those that are `given` to it."""
    known = key_variables() | {config.api_key_env for config in providers.values() if config.api_key_env}
    secret = {name for name in env if name in known or name.upper().endswith("_API_KEY")} - {*given}
    return {name: value for name, value in env.items() if name not in secret}, sorted(secret)


async def _from_command(command: str, env: Mapping[str, str]) -> str:
    """What api_key_command prints; no shell reads it. Its stderr, and the terminal, are the user's to see."""
    todo = "mend it in the config file"
    try:
        code, printed = await _run(shlex.split(command), env)
    except TimeoutError:
        raise AuthFailure(f"api_key_command did not end within {_COMMAND_WAIT:g} s", todo=todo) from None
    except (OSError, ValueError) as error:
        raise AuthFailure(f"api_key_command failed: {error}", todo=todo) from None
    key = printed.decode("utf-8", "replace").strip()
    if code or not key:
        silent = "" if key else " and printed no key"
        raise AuthFailure(f"api_key_command exited with {code}{silent}", todo=todo)
    return key


async def _run(words: list[str], env: Mapping[str, str]) -> tuple[int | None, bytes]:
    """(exit code, stdout) of a command, which ends with us."""
    import asyncio  # here, since what sends nothing needs no loop
    from asyncio.subprocess import DEVNULL, PIPE

    process = await asyncio.create_subprocess_exec(*words, env=dict(env), stdin=DEVNULL, stdout=PIPE)
    try:
        async with asyncio.timeout(_COMMAND_WAIT):
            printed, _ = await process.communicate()
        return process.returncode, printed
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
