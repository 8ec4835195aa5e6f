"""The layers under the flags: environment, then profile, then config file, as click's default map."""

from __future__ import annotations

from typing import Any

import typer

from llmcli.cli.session import Session
from llmcli.errors import UsageError


def layer_defaults(ctx: typer.Context, profile: str | None) -> str | None:
    """Callback of `--profile`, which is read before all other flags: fill the command's default map.

    Raises ConfigError for a key that no command has as a long option, UsageError for an unknown profile.
    """
    session: Session = ctx.obj
    if ctx.resilient_parsing:
        return profile
    config, env = session.config, session.world.env
    defaults: dict[str, Any] = {}
    if config.model is not None:
        defaults["model"] = config.model
    name = profile or env.get("LLMCLI_PROFILE") or None
    if name is not None:
        if name not in config.profiles:
            known = ", ".join(config.profiles) or "none"
            raise UsageError(f"there is no profile {name!r}", str(config.path or ""), f"known: {known}")
        defaults |= _of_profile(ctx, session, name)
    if env.get("LLMCLI_MODEL"):
        defaults["model"] = env["LLMCLI_MODEL"]
    ctx.default_map = defaults
    return profile


def _of_profile(ctx: typer.Context, session: Session, name: str) -> dict[str, Any]:
    defaults: dict[str, Any] = {}
    for key, value in session.config.profiles[name].items():
        parameter, negated = _parameter(ctx.command, key)
        if parameter is not None:
            scalar = parameter.multiple and not isinstance(value, list)
            said = [value] if scalar else value
            defaults[parameter.name] = not said if negated else said
        elif not _known_elsewhere(key):
            raise session.config.error(["profiles", name, key], "is no long option of any command")
    return defaults


def _parameter(command: Any, key: str) -> tuple[Any, bool]:
    """The command's parameter that a long option is of, and whether it is its `--no-` form."""
    flag = "--" + key.replace("_", "-")
    for parameter in command.params:
        if parameter.param_type_name != "option":
            continue
        if flag in parameter.opts:
            return parameter, False
        if flag in parameter.secondary_opts:
            return parameter, True
    return None, False


def _known_elsewhere(key: str) -> bool:
    from llmcli.cli.main import COMMANDS, command_of

    return any(_parameter(command_of(name), key)[0] is not None for name in COMMANDS)
