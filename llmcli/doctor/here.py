"""What is on this machine: Python, packages, data, config, keys, proxies, certificates, terminal, directories."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from importlib import metadata
from pathlib import Path

from llmcli import __version__
from llmcli.config import Config, cache_directory, config_path, state_directory
from llmcli.doctor.findings import Finding, Status, failure_found
from llmcli.errors import LlmcliError
from llmcli.registry.models import table_date
from llmcli.registry.providers import find_provider, provider_names
from llmcli.transport.wire.proxies import shown_proxy
from llmcli.transport.wire.trust import certificates_for
from llmcli.world import World

_OLD = 180  # days, after which a table of prices is worth a look
_LITTLE = 100_000_000  # bytes of a disk
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_COMPLETIONS = (
    "bash-completion/completions/llmcli",
    "zsh/site-functions/_llmcli",
    "fish/vendor_completions.d/llmcli.fish",
)
_SYSTEM = "/usr/local/share:/usr/share"


def of_program(today: date) -> Iterator[Finding]:
    """Python, the packages that llmcli needs, and its tables."""
    python = platform.python_version()
    yield Finding("python", "ok", f"{python}, {sys.executable}", facts={"version": python})
    yield _of_packages()
    of_table = date.fromisoformat(table_date())
    age = (today - of_table).days
    said = f"models and prices of {of_table}, {age} days old"
    old = age > _OLD
    status: Status = "note" if old else "ok"
    more = "; a newer llmcli has newer ones, --price and [prices] say others" if old else ""
    yield Finding("data", status, said + more, facts={"date": str(of_table), "days": age})


def _of_packages() -> Finding:
    found: dict[str, str | None] = {"llmcli": __version__}
    for needed in metadata.requires("llmcli") or []:
        name, marked = re.match(r"[\w.-]+", needed), "extra ==" in needed or "sys_platform" in needed
        if name is not None and not marked:
            found[name[0]] = _version(name[0])
    missing = [name for name, version in found.items() if version is None]
    if missing:
        said = f"{', '.join(missing)} not installed: install llmcli again"
        return Finding("packages", "failed", said, 1, {"versions": found})
    shown = ", ".join(f"{name} {version}" for name, version in found.items())
    return Finding("packages", "ok", shown, facts={"versions": found})


def _version(name: str) -> str | None:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(name)
    return None


def of_config(env: Mapping[str, str], config: Config | LlmcliError) -> Finding:
    """The config file; `config`: what is in it, or why it cannot be read."""
    path = config_path(env)
    facts = {"path": str(path)}
    if isinstance(config, LlmcliError):
        return failure_found("config", config, **facts)
    if config.path is None:
        return Finding("config", "ok", f"{path} is not there, and need not be", facts=facts)
    return Finding(
        "config",
        "ok",
        f"{path}: {len(config.providers)} providers, {len(config.profiles)} profiles",
        facts=facts,
    )


def of_keys(env: Mapping[str, str], config: Config) -> Finding:
    """Where keys were found; no key is shown."""
    places = [place for place in key_places(env, config).values() if place]
    if not places:
        return Finding(
            "keys", "note", "none: set OPENAI_API_KEY or another provider's variable", facts={"found": []}
        )
    return Finding("keys", "ok", ", ".join(places), facts={"found": places})


def key_places(env: Mapping[str, str], config: Config) -> dict[str, str | None]:
    """Where each provider's key is: a variable, or the config's command; None where it has none."""
    return {name: _place(name, env, config) for name in dict.fromkeys([*provider_names(), *config.providers])}


def _place(name: str, env: Mapping[str, str], config: Config) -> str | None:
    own, known = config.providers.get(name), find_provider(name)
    variables = (own.api_key_env,) if own and own.api_key_env else known.api_key_env if known else ()
    variable = next((each for each in variables if env.get(each, "").strip()), None)
    command = f"api_key_command of {name}" if own and own.api_key_command else None
    return variable or command


def of_network(env: Mapping[str, str]) -> Iterator[Finding]:
    """Proxies and certificates that a call would use."""
    proxies = {
        name: shown_proxy(said).rpartition("@")[2]
        for name in _PROXIES
        if (said := env.get(name.lower()) or env.get(name) or "")
    }
    shown = ", ".join(f"{name}={said}" for name, said in proxies.items())
    yield Finding("proxies", "ok", shown or "none", facts={"variables": proxies})
    try:
        file, folder = certificates_for("https://example.com", env)
    except LlmcliError as error:
        yield failure_found("certificates", error)
    else:
        yield Finding(
            "certificates", "ok", file or folder or "those of libcurl", facts={"file": file, "folder": folder}
        )


def of_terminal(world: World) -> Iterator[Finding]:
    """The streams, completion scripts and man pages."""
    streams = {
        "stdin": world.stdin_is_terminal,
        "stdout": world.stdout_is_terminal,
        "stderr": world.stderr_is_terminal,
    }
    typed = [name for name, is_terminal in streams.items() if is_terminal]
    said = f"{', '.join(typed) or 'no stream'} at a terminal, TERM={world.env.get('TERM') or 'not set'}"
    if world.env.get("NO_COLOR"):
        said += ", NO_COLOR set"
    yield Finding("terminal", "ok", said, facts={"streams": streams})
    scripts = [str(path) for name in _COMPLETIONS if (path := _shared(name, world.env)) is not None]
    todo = "not found: llmcli completion bash|zsh|fish prints the script"
    yield Finding(
        "completions", "ok" if scripts else "note", ", ".join(scripts) or todo, facts={"found": scripts}
    )
    manual = _shared("man/man1/llmcli.1", world.env)
    shown = str(manual) if manual else "not found: llmcli help TOPIC says the same"
    yield Finding("man pages", "ok" if manual else "note", shown, facts={"found": [shown] if manual else []})


def _shared(name: str, env: Mapping[str, str]) -> Path | None:
    """A file of ours below the places that share/ is installed to."""
    home = env.get("XDG_DATA_HOME") or (f"{env['HOME']}/.local/share" if env.get("HOME") else "")
    places = [f"{sys.prefix}/share", home, *(env.get("XDG_DATA_DIRS") or _SYSTEM).split(":")]
    found = (Path(place, name) for place in places if place)
    return next((path for path in found if path.is_file()), None)


def of_directories(env: Mapping[str, str]) -> Iterator[Finding]:
    """Whether cache and state can be written to, and what is free."""
    for kind, path in (("cache", cache_directory(env)), ("state", state_directory(env))):
        above = next((each for each in (path, *path.parents) if each.exists()), Path("/"))
        facts = {"path": str(path)}
        if not (above.is_dir() and os.access(above, os.W_OK | os.X_OK)):
            yield Finding(
                kind, "failed", f"{path}: {above} cannot be written to (a call would exit 74, io)", 74, facts
            )
            continue
        disk = os.statvfs(above)
        free = disk.f_bavail * disk.f_frsize
        is_open = path.exists() and bool(path.stat().st_mode & 0o077)
        said = f"{path}: {free / 1e9:.1f} GB free" + (", and others may read it" if is_open else "")
        yield Finding(
            kind, "note" if free < _LITTLE or is_open else "ok", said, facts={**facts, "free": free}
        )
