"""What a server is before it is started: the words of the command line, or an entry of a config file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path, PurePath

from llmcli.address import address_of, fault_of, shown_url
from llmcli.errors import UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.lean.pattern import lazy_pattern
from llmcli.wire import Json

_LAUNCHERS = {"npx", "uvx", "uv", "bunx", "pnpm", "node", "python", "python3", "docker", "deno", "sh", "bash"}
_SECRET = lazy_pattern(r"key|token|secret|passw", re.IGNORECASE)
_LEAST = 8  # characters of a secret; shorter ones would star half a text
_VERBS = {"run", "dlx", "exec", "tool", "x"}  # that stand between a launcher and what it launches


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """A server that can be started: `command` for one in a process, else `url` for one behind HTTP.

    `label` is what people and `--mcp-allow` call it, `source` where it was named. `env` and `headers` are the
    entry's own. `old_sse`: it speaks HTTP+SSE, as servers did before streamable HTTP. `typed` is all of it as it
    was written, no variable filled in: what a recording is kept under. `bare_names`: `$NAME` is a variable, too.
    """

    label: str
    source: str
    typed: Json
    command: tuple[str, ...] = ()
    url: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    old_sse: bool = False
    env_file: str | None = None
    bare_names: bool = False

    @property
    def where(self) -> str:
        """The command or the URL, for an error; nothing secret is in it."""
        url = self.typed.get("url")
        if isinstance(url, str):
            return shown_url(url)
        typed = self.typed.get("command")
        return str(typed) if isinstance(typed, str) else shlex.join(typed or ())


def secrets_of_servers(specs: Iterable[ServerSpec], keys: Collection[str]) -> tuple[str, ...]:
    """What no line of ours may show: keys, what is in headers and URLs, and variables of entries that hold one."""
    found = {*keys}
    for spec in specs:
        address = address_of(spec.url or "")
        found.update(() if address is None else address.secrets)
        found.update(word for value in spec.headers.values() for word in value.split())
        found.update(value for name, value in spec.env.items() if _SECRET.search(name))
    return tuple(sorted((each for each in found if len(each) >= _LEAST), key=len, reverse=True))


def spec_of_words(text: str) -> ServerSpec:
    """The server that `--mcp COMMAND|URL` names. Raises UsageError."""
    typed = {"command": text}
    if re.match(r"https?://", text, re.IGNORECASE):
        address = address_of(text)
        if address is None:
            raise UsageError(f"{fault_of(text)}", todo="give COMMAND or URL", flag="--mcp")
        return ServerSpec(address.host, "--mcp", {"url": shown_url(text)}, url=text)
    try:
        words = tuple(map(at_home, shlex.split(text)))
    except ValueError as error:
        raise UsageError(f"{str(error).lower()} in {text}", todo="mend the quotes", flag="--mcp") from None
    if not words:
        raise UsageError("names no command", todo="give COMMAND or URL", flag="--mcp")
    return ServerSpec(label_of(words), "--mcp", typed, command=words)


def at_home(word: str) -> str:
    """A path below a home directory, `~` filled in as a shell would; any other word as it is."""
    with suppress(RuntimeError):  # nobody of that name
        return str(Path(word).expanduser()) if word.startswith("~") else word
    return word


def label_of(words: tuple[str, ...]) -> str:
    """What a command is called: its own name, or that of what it launches (`npx -y @scope/server` is `server`)."""
    name = _base(words[0])
    if re.sub(r"[\d.]+$", "", name) in _LAUNCHERS or name in _LAUNCHERS:
        for word in words[1:]:
            if word in {"-c", "-e"}:
                break
            if not word.startswith("-") and word not in _VERBS and _base(word):
                return _plain(_base(word))
    return _plain(name)


def _base(word: str) -> str:
    name = PurePath(word).name
    name = re.sub(r"(?<=.)@[^@]*$", "", name)  # a version
    return re.sub(r"\.(py|js|mjs|cjs|ts|sh|exe|cmd)$", "", name)


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_") or "server"
