"""The layers under the flags: environment, profile, config file; each value knows where it is from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from llmcli.config import Config
from llmcli.errors import ConfigError, LlmcliError, UsageError
from llmcli.registry.providers import split_model


class Source(Enum):
    """Where a value is from, the strongest first."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    PROFILE = "profile"
    FILE = "file"
    DEFAULT = "default"


@dataclass(frozen=True)
class Option:
    """What a layer has to know of an option; `negated`: the key is that of its `--no-` form."""

    name: str
    repeatable: bool
    switch: bool
    choices: tuple[Any, ...] = ()
    negated: bool = False


class Options(Protocol):
    """The options of a command, and of all, by their key in a profile (`max-tokens`)."""

    def here(self, key: str) -> Option | None:
        """The command's own."""

    def anywhere(self, key: str) -> Sequence[Option]:
        """Those that any command has."""


@dataclass(frozen=True)
class Layers:
    """What stands under the flags of one command: `values` by field, `keys` the profile's key of each that it gave."""

    config: Config
    profile: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)

    def error(self, name: str, problem: str) -> ConfigError | None:
        """The error for a value that is the profile's: it names the line and the key; None where it is not."""
        if self.sources.get(name) is not Source.PROFILE:
            return None
        return self.config.error(["profiles", self.profile or "", self.keys[name]], problem)


@dataclass(frozen=True)
class Sources:
    """Where each value of a command's settings is from. `fields`: the field of each flag, by its names."""

    given: frozenset[str]
    layers: Layers
    fields: Mapping[str, str]

    def of(self, name: str) -> Source:
        """The source of a field's value."""
        return Source.FLAG if name in self.given else self.layers.sources.get(name, Source.DEFAULT)

    def blamed(self, error: UsageError) -> LlmcliError:
        """The error as it is to be told: a flag's value that a profile gave is the profile's fault."""
        name = self.fields.get(error.flag or "")
        if name is None or self.of(name) is not Source.PROFILE:
            return error
        return self.layers.error(name, error.what) or error


def layered(config: Config, env: Mapping[str, str], profile: str | None, options: Options) -> Layers:
    """What stands under the flags of a command that has `options`.

    Raises UsageError for an unknown profile, ConfigError for a key that no command has or a value that it cannot be.
    """
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    keys: dict[str, str] = {}
    if config.model is not None:
        values["model"], sources["model"] = config.model, Source.FILE
    if profile is not None:
        for name, (key, value) in _of_profile(config, profile, options).items():
            values[name], sources[name], keys[name] = value, Source.PROFILE, key
    if env.get("LLMCLI_MODEL"):
        values["model"], sources["model"] = env["LLMCLI_MODEL"], Source.ENVIRONMENT
    if env.get("OPENAI_BASE_URL") and split_model(str(values.get("model", "")))[0] in {None, "openai"}:
        values.pop("base_url", None)
        sources.pop("base_url", None)
    return Layers(config, profile, values, sources, keys)


def _of_profile(config: Config, profile: str, options: Options) -> dict[str, tuple[str, Any]]:
    if profile not in config.profiles:
        known = ", ".join(config.profiles) or "none"
        raise UsageError(f"there is no profile {profile!r}", str(config.path or ""), f"known: {known}")
    found: dict[str, tuple[str, Any]] = {}
    for key, value in config.profiles[profile].items():
        typed = key.replace("_", "-")
        option = options.here(typed)
        if option is None:
            if not options.anywhere(typed):
                raise config.error(["profiles", profile, key], "is no long option of any command")
            continue
        if option.choices and value not in option.choices and _is_chosen(value, options.anywhere(typed)):
            continue  # for another command
        if problem := _misfit(option, value):
            raise config.error(["profiles", profile, key], problem)
        said = [value] if option.repeatable and not isinstance(value, list) else value
        found[option.name] = key, not said if option.negated else said
    return found


def _is_chosen(value: Any, others: Sequence[Option]) -> bool:
    return any(value in other.choices for other in others)


def _misfit(option: Option, value: Any) -> str | None:
    """What is wrong with a profile's value, where it would be taken for something that it is not."""
    if option.name in {"profile", "help"}:
        return "has no place in a profile"
    if option.switch:
        return None if isinstance(value, bool) else "must be true or false"
    values = value if option.repeatable and isinstance(value, list) else [value]
    if any(isinstance(item, bool) or not isinstance(item, str | int | float) for item in values):
        return "must be text or a number" + (", or a list of them" if option.repeatable else "")
    return None
