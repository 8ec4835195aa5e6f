"""The config file and the user's directories: the only reader of config.toml, the only importer of platformdirs."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

from llmcli.address import address_of
from llmcli.errors import ConfigError
from llmcli.lean.dataclass import dataclass

_STRING = (  # of TOML, or a comment
    r"""(?s)(?P<long>\"{3}(?:\\.|.)*?\"{3}|'{3}.*?'{3})|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|\#[^\n]*"""
)
_XDG = {"cache": ".cache", "config": ".config", "state": ".local/state"}  # of Linux, below HOME
_PROVIDER_KEYS = {"base_url", "api_key_env", "api_key_command", "headers"}


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """One `[providers.NAME]` table."""

    base_url: str | None = None
    api_key_env: str | None = None
    api_key_command: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Config:
    """The file's content, checked. `prices` are $ per million tokens, by `provider/model` or model."""

    path: Path | None = None
    text: str = ""
    model: str | None = None
    providers: Mapping[str, ProviderConfig] = field(default_factory=dict)
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    prices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def error(self, keys: Sequence[str], problem: str) -> ConfigError:
        """The error for a key of this file: it names the key and its line; the table's, where the key is missing."""
        line = line_of(self.text, keys) or line_of(self.text, keys[:-1] or keys)
        where = f"{self.path}:{line}" if line else str(self.path)
        return ConfigError(f"{'.'.join(keys)}: {problem}", where, "mend the file")


def config_path(env: Mapping[str, str]) -> Path:
    """LLMCLI_CONFIG, else config.toml in the user's config directory."""
    return Path(env.get("LLMCLI_CONFIG") or _directory(env, "config") / "config.toml")


def cache_directory(env: Mapping[str, str]) -> Path:
    """Where answers are cached: `answers` in the user's cache directory (LLMCLI_CACHE names another)."""
    return Path(env.get("LLMCLI_CACHE") or _directory(env, "cache") / "answers")


def state_directory(env: Mapping[str, str]) -> Path:
    """Where sessions and the history of what was typed are kept (LLMCLI_STATE names another directory)."""
    return Path(env.get("LLMCLI_STATE") or _directory(env, "state"))


def _directory(env: Mapping[str, str], kind: Literal["cache", "config", "state"]) -> Path:
    """Our part of the user's directory of a kind: XDG's where `env` sets one, else this system's, below HOME."""
    if (named := env.get(f"XDG_{kind.upper()}_HOME", "")).strip():
        return Path(named) / "llmcli"
    home, here = env.get("HOME"), os.path.expanduser("~")  # noqa: PTH111 -- Path.home() raises where there is none
    if home and sys.platform == "linux":
        return Path(home, _XDG[kind], "llmcli")
    import platformdirs  # here, since it costs a fiftieth of a start to find what stands in _XDG

    system = Path(getattr(platformdirs, f"user_{kind}_dir")("llmcli", appauthor=False))
    return Path(home, system.relative_to(here)) if home and system.is_relative_to(here) else system


def load_config(env: Mapping[str, str]) -> Config:
    """Read the config file; one that nobody named and that is not there is empty. Raises ConfigError."""
    path = config_path(env)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        if env.get("LLMCLI_CONFIG"):
            raise ConfigError(
                "no such file", f"LLMCLI_CONFIG={path}", "mend or unset LLMCLI_CONFIG"
            ) from None
        return Config()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError("not UTF-8 text", f"{path}:{line}", "mend the file") from None
    except OSError as error:
        raise ConfigError(f"cannot read the config file: {error}", str(path)) from None
    try:
        import tomllib  # here, since most have no such file

        return _checked(Config(path, text), tomllib.loads(text))
    except (
        ValueError,
        RecursionError,
    ) as error:  # tomllib's own error does not cover a number of 5,000 digits
        end = f"at line {text.count(chr(10)) + 1}, the end"
        problem = str(error).replace("at end of document", end)
        raise ConfigError(f"not valid TOML: {problem}", str(path), "mend the file") from None


def _checked(config: Config, data: dict[str, Any]) -> Config:
    for key in data:
        if key not in {"model", "providers", "profiles", "prices"}:
            raise config.error([key], "no such key (known: model, providers, profiles, prices)")
    model = data.get("model")
    if model is not None and not isinstance(model, str):
        raise config.error(["model"], "must be a string")
    if model is not None and (not model.strip() or model.endswith("/")):
        raise config.error(["model"], "names no model")
    providers = {
        name: _provider(config, name, table) for name, table in _tables(config, data, "providers").items()
    }
    profiles = _tables(config, data, "profiles")
    prices = _tables(config, data, "prices")
    return Config(config.path, config.text, model, providers, profiles, prices)


def _tables(config: Config, data: dict[str, Any], key: str) -> dict[str, dict[str, Any]]:
    tables = data.get(key, {})
    if not isinstance(tables, dict):
        raise config.error([key], f"must be tables: [{key}.NAME]")
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise config.error([key, name], f"must be a table: [{key}.{name}]")
    return tables


def _provider(config: Config, name: str, table: dict[str, Any]) -> ProviderConfig:
    for key, value in table.items():
        if key not in _PROVIDER_KEYS:
            raise config.error(
                ["providers", name, key], f"no such key (known: {', '.join(sorted(_PROVIDER_KEYS))})"
            )
        if key == "headers":
            _check_headers(config, name, value)
            continue
        if not isinstance(value, str):
            raise config.error(["providers", name, key], "must be a string")
        if not value.strip():
            raise config.error(["providers", name, key], "is empty")
        if key == "base_url" and address_of(value.strip()) is None:
            raise config.error(["providers", name, key], "must be an http(s) URL")
    return ProviderConfig(**table)


def _check_headers(config: Config, provider: str, table: object) -> None:
    keys = ["providers", provider, "headers"]
    if not isinstance(table, dict):
        raise config.error(keys, f"must be a table: [{'.'.join(keys)}]")
    from llmcli.wire import name_fault, value_fault

    for name, value in table.items():
        if not isinstance(value, str):
            raise config.error([*keys, name], "must be a string")
        if (fault := name_fault(name) or value_fault(value)) is not None:
            raise config.error([*keys, name], fault)


def line_of(text: str, keys: Sequence[str]) -> int | None:
    """The 1-based line of TOML `text` where the dotted key stands, or None."""
    table: list[str] = []
    for number, line in enumerate(re.sub(_STRING, _emptied, text).split("\n"), 1):
        if line.lstrip().startswith("["):
            table = list(_key_path(line))
            path = table
        elif "=" in line:
            path = table + list(_key_path(line.partition("=")[0] + "= 0"))
        else:
            continue
        if path[: len(keys)] == list(keys):
            return number
    return None


def _emptied(match: re.Match[str]) -> str:
    """A string of several lines with nothing but its lines in it; all else as it is."""
    return "\n" * match[0].count("\n") if match["long"] else match[0]


def _key_path(toml: str) -> Iterator[str]:
    """The keys of a one-line TOML document, outermost first."""
    import tomllib

    try:
        node: Any = tomllib.loads(toml)
    except tomllib.TOMLDecodeError:
        return
    while isinstance(node, (dict, list)) and node:
        if isinstance(node, list):  # [[table]]
            node = node[0]
            continue
        key, node = next(iter(node.items()))
        yield key
