"""The defaults that stand under the flags: environment, profile, config file; each value knows where it is from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from enum import Enum
from typing import Any

from llmcli.config import Config
from llmcli.errors import ConfigError, LlmcliError, UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.settings.flag import Option

Anywhere = Callable[[str], Sequence[Option]]  # the options of this name, in all commands


class Origin(Enum):
    """Where a value is from, the strongest first; a flag is over all of them."""

    ENVIRONMENT = "environment"
    PROFILE = "profile"
    FILE = "file"


@dataclass(frozen=True)
class Defaults:
    """What stands under the flags of a command: `values` by option, `keys` the profile's key of each that it gave."""

    config: Config
    options: Mapping[str, Option]
    profile: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)

    def error(self, name: str, problem: str) -> ConfigError | None:
        """The error for a value that is the profile's: it names the line and the key; None where it is not."""
        if self.origins.get(name) is not Origin.PROFILE:
            return None
        return self.config.error(["profiles", self.profile or "", self.keys[name]], problem)

    def blamed(self, error: UsageError, typed: frozenset[str]) -> LlmcliError:
        """The error as it is to be told: what a profile said, and no flag (`typed` are those), is its fault."""
        option = self.options.get(error.flag or "")
        if option is None or option.name in typed:
            return error
        return self.error(option.name, error.what) or error


def defaults_under(
    config: Config,
    env: Mapping[str, str],
    profile: str | None,
    options: Mapping[str, Option],
    anywhere: Anywhere,
) -> Defaults:
    """What stands under the flags of a command. Raises UsageError for an unknown profile, ConfigError for a bad one."""
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    keys: dict[str, str] = {}
    if config.model is not None:
        values["model"], origins["model"] = config.model, Origin.FILE
    if profile is not None:
        for name, (key, value) in _of_profile(config, profile, options, anywhere).items():
            values[name], origins[name], keys[name] = value, Origin.PROFILE, key
    if env.get("LLMCLI_MODEL"):
        values["model"], origins["model"] = env["LLMCLI_MODEL"], Origin.ENVIRONMENT
    return Defaults(config, options, profile, values, origins, keys)


def _of_profile(
    config: Config, profile: str, options: Mapping[str, Option], anywhere: Anywhere
) -> Mapping[str, tuple[str, Any]]:
    if profile not in config.profiles:
        known = ", ".join(config.profiles) or "none"
        raise UsageError(f"there is no profile {profile!r}", str(config.path or ""), f"known: {known}")
    from llmcli.settings.profiles import ProfileError, taken  # here, since few lines name a profile

    try:
        return taken(config.profiles[profile], options, anywhere)
    except ProfileError as error:
        raise config.error(["profiles", profile, error.key], str(error)) from None
