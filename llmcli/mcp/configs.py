"""Config files of servers: the dialects of the programs that read them, and the variables in their texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from llmcli import jsonl
from llmcli.errors import UsageError
from llmcli.lean.pattern import lazy_pattern
from llmcli.mcp.spec import ServerSpec, at_home
from llmcli.wire import Json

_FLAG = "--mcp-config"
_TEXTS = lazy_pattern(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING = lazy_pattern(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])', re.DOTALL)
_VARIABLE = lazy_pattern(r"\$\{([^}]*)\}")
_BARE = lazy_pattern(r"\$(?:\{([^}]*)\}|([A-Za-z_]\w*))")  # and as Gemini CLI writes it
_LOOKS_BARE = lazy_pattern(r"(?:^| )(\$[A-Z_][A-Z0-9_]*)$")
_GEMINI = {"httpUrl", "includeTools", "excludeTools", "trust"}  # keys that no other program's entries have
_TOOL_LISTS = ("includeTools", "excludeTools", "enabledTools", "disabledTools")
_QUOTES = {'"', "'"}
_URLS = ("url", "serverUrl", "httpUrl")
_KINDS = {"stdio", "http", "sse", "streamable-http", "streamableHttp", "streamable_http"}


def specs_of_file(path: str) -> Iterator[tuple[ServerSpec, list[str]]]:
    """(server, what of its entry does not count, in words) of each that is not disabled.

    Raises UsageError naming the place.
    """
    entries = _entries(_read(path), path)
    is_gemini = Path(path).absolute().parent.name == ".gemini" or any(
        isinstance(entry, dict) and entry.keys() & _GEMINI for entry in entries.values()
    )
    for name, entry in entries.items():
        where = f"{path}: {name}"
        if not isinstance(entry, dict):
            raise UsageError(f"{where}: it is no object", flag=_FLAG)
        if entry.get("disabled") is True or entry.get("enabled") is False:
            continue
        spec = replace(_spec(name, entry, where), bare_names=is_gemini)
        yield spec, list(_ignored(entry, spec))


def _ignored(entry: Json, spec: ServerSpec) -> Iterator[str]:
    if "timeout" in entry:
        yield "timeout is ignored, whose unit differs; --tool-timeout S is ours"
    for key in _TOOL_LISTS:
        if key in entry:
            yield f"{key} is ignored; --mcp-allow GLOB is ours"
    for value in () if spec.bare_names else (*spec.env.values(), *spec.headers.values()):
        if found := _LOOKS_BARE.search(value):
            yield f"{found[1]} stays as it is; write ${{{found[1][1:]}}} for the variable"


def _read(path: str) -> Any:
    try:
        text = Path(path).expanduser().read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read {path}: {reason}", flag=_FLAG) from None
    bare = _TEXTS.sub(lambda found: found[0] if found[0][0] == '"' else _blank(found[0]), text)
    bare = _TRAILING.sub(lambda found: found[0] if found[0][0] == '"' else " ", bare)
    try:
        return jsonl.loads(bare)
    except ValueError as error:
        raise UsageError(f"{path} is not valid JSON: {error}", flag=_FLAG) from None


def _blank(comment: str) -> str:
    """As many lines as a comment has, so that an error names the right one."""
    return re.sub(r"[^\n]", " ", comment)


def _entries(data: Any, path: str) -> dict[str, Any]:
    for keys in (("mcpServers",), ("servers",), ("mcp", "servers"), ("mcp", "mcpServers")):
        inner = data
        for key in keys:
            inner = inner.get(key) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            return inner
    if isinstance(data, dict) and data and all(_is_entry(each) for each in data.values()):
        return data
    raise UsageError(
        f"{path} has no mcpServers", todo='write {"mcpServers": {NAME: {"command": ...}}}', flag=_FLAG
    )


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and bool(entry.keys() & {"command", *_URLS})


def _spec(name: str, entry: Json, where: str) -> ServerSpec:
    kind = entry.get("type", entry.get("transport"))
    if kind is not None and kind not in _KINDS:
        raise UsageError(f"{where}: type {kind!r} is none of {', '.join(sorted(_KINDS))}", flag=_FLAG)
    urls = [key for key in _URLS if isinstance(entry.get(key), str)]
    command, args = entry.get("command"), entry.get("args") or []
    if isinstance(command, list):
        command, args = (command or [None])[0], [*command[1:], *args]
    if not urls and not isinstance(command, str):
        raise UsageError(f"{where}: it has neither command nor url", flag=_FLAG)
    if not isinstance(args, list) or not all(isinstance(each, str | int | float) for each in args):
        raise UsageError(f"{where}: args is no list of texts", flag=_FLAG)
    env = _texts(entry, "env", where)
    words = () if urls else (str(command), *map(_text, args))
    headers = _texts(entry, "headers", where)
    url = entry[urls[0]] if urls else None
    # Gemini means HTTP+SSE by a bare url: where no POST is taken there, it is.
    typed: Json = {
        "label": name,
        "command": list(words),
        "url": url,
    }  # names of variables, and no header's text
    cwd, env_file = _said(entry, "cwd", where), _said(entry, "envFile", where)
    return ServerSpec(name, where, typed, words, url, env, cwd, headers, kind == "sse", env_file)


def _said(entry: Json, key: str, where: str) -> str | None:
    value = entry.get(key)
    if value is not None and not isinstance(value, str):
        raise UsageError(f"{where}: {key} is no text", flag=_FLAG)
    return value


def _texts(entry: Json, key: str, where: str) -> dict[str, str]:
    found = entry.get(key) or {}
    if not isinstance(found, dict):
        raise UsageError(f"{where}: {key} is no object", flag=_FLAG)
    return {name: _text(value) for name, value in found.items() if value is not None}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else jsonl.dumps(value).decode()


def filled(spec: ServerSpec, env: Mapping[str, str]) -> ServerSpec:
    """The server with its variables filled in. Raises UsageError for one that is unset, or is to be asked for."""
    if spec.source == "--mcp":
        return spec  # the shell has filled it in

    pattern = _BARE if spec.bare_names else _VARIABLE

    def fill(text: str) -> str:
        return pattern.sub(lambda found: _value(found[found.lastindex or 1], env, spec.source), text)

    read = {} if spec.env_file is None else _env_file(fill(spec.env_file), spec.source)
    own = {**read, **{name: fill(value) for name, value in spec.env.items()}}
    return replace(
        spec,
        command=tuple(map(fill, spec.command)),
        url=None if spec.url is None else fill(spec.url),
        env=own,
        cwd=None if spec.cwd is None else at_home(fill(spec.cwd)),
        headers={name: fill(value) for name, value in spec.headers.items()},
    )


def _value(words: str, env: Mapping[str, str], where: str) -> str:
    """What `${words}` stands for: NAME, NAME:-default, env:NAME, workspaceFolder, userHome."""
    if words.startswith("input:"):
        raise UsageError(
            f"{where}: ${{{words}}} is asked for, which a script cannot be",
            todo="put ${NAME} there, a variable of the environment",
            flag=_FLAG,
        )
    if words in {"workspaceFolder", "userHome"}:
        return str(Path.cwd()) if words == "workspaceFolder" else env.get("HOME", "~")
    name, mark, default = words.removeprefix("env:").partition(":-")
    if mark and not env.get(name):
        return default
    if name not in env:
        raise UsageError(
            f"{where}: ${{{words}}} is not set", todo=f"set {name}, or write ${{{name}:-text}}", flag=_FLAG
        )
    return env[name]


def _env_file(path: str, where: str) -> dict[str, str]:
    """The variables of a file of NAME=VALUE lines."""
    try:
        lines = Path(path).expanduser().read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{where}: cannot read envFile {path}: {reason}", flag=_FLAG) from None
    pairs = [line.strip().removeprefix("export ").partition("=") for line in lines]
    found = [
        (name.strip(), value.strip()) for name, mark, value in pairs if mark and not name.startswith("#")
    ]
    return {name: _unquoted(value) for name, value in found}


def _unquoted(value: str) -> str:
    return value[1:-1] if value[:1] in {'"', "'"} and value[-1:] == value[:1] else value
