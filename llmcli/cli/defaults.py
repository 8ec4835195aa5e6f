"""The layers under the flags: environment, then profile, then config file, as click's default map."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

import typer

from llmcli.cli.session import Session
from llmcli.errors import ConfigError, LlmcliError, UsageError
from llmcli.registry.providers import split_model


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
    if env.get("OPENAI_BASE_URL") and split_model(str(defaults.get("model", "")))[0] in {None, "openai"}:
        defaults.pop("base_url", None)
    session.profile, session.context = name, ctx
    ctx.default_map = defaults
    return profile


def _of_profile(ctx: typer.Context, session: Session, name: str) -> dict[str, Any]:
    defaults: dict[str, Any] = {}
    for key, value in session.config.profiles[name].items():
        parameter, negated = _parameter(ctx.command, key)
        if parameter is not None:
            if _chosen_elsewhere(ctx, parameter, key, value):
                continue
            if problem := _misfit(parameter, value):
                raise session.config.error(["profiles", name, key], problem)
            scalar = parameter.multiple and not isinstance(value, list)
            said = [value] if scalar else value
            defaults[parameter.name] = not said if negated else said
        elif not _everywhere(ctx, key):
            raise session.config.error(["profiles", name, key], "is no long option of any command")
    return defaults


def profile_error(ctx: Any, parameter: Any, problem: str) -> ConfigError:
    """The error for a profile's value that click refused: it names the line and the key."""
    session: Session = ctx.obj
    name = session.profile or ""
    keys = [key for key in session.config.profiles[name] if _parameter(ctx.command, key)[0] is parameter]
    return session.config.error(["profiles", name, *keys[:1]], problem)


def blamed(session: Session, error: UsageError) -> LlmcliError:
    """The error for a profile's value where that is what is refused, else the same error.

    What is refused begins with the flag, or quotes the value.
    """
    ctx = session.context
    profile = session.config.profiles[session.profile] if ctx is not None and session.profile else {}
    word = error.what.partition(" ")[0].rstrip(":")
    for key, value in profile.items():
        parameter, _ = _parameter(ctx.command, key)
        if parameter is None or ctx.get_parameter_source(parameter.name).name != "DEFAULT_MAP":
            continue
        if word in parameter.opts or (isinstance(value, str) and repr(value) in error.what):
            return session.config.error(["profiles", session.profile or "", key], error.what)
    return error


def _misfit(parameter: Any, value: Any) -> str | None:
    """What is wrong with a profile's value, where click would take it for something that it is not."""
    if parameter.name in {"profile", "help"}:
        return "has no place in a profile"
    if parameter.is_flag:
        return None if isinstance(value, bool) else "must be true or false"
    values = value if parameter.multiple and isinstance(value, list) else [value]
    if any(isinstance(item, bool) or not isinstance(item, str | int | float) for item in values):
        return "must be text or a number" + (", or a list of them" if parameter.multiple else "")
    return None


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


def _everywhere(ctx: Any, key: str) -> list[Any]:
    """The parameters that a long option is of, in all commands."""
    root = ctx.find_root()
    commands = [root.command.get_command(root, name) for name in root.command.list_commands(root)]
    found = [_parameter(command, key)[0] for command in commands]
    return [parameter for parameter in found if parameter is not None]


def _chosen_elsewhere(ctx: Any, parameter: Any, key: str, value: Any) -> bool:
    """Whether a value is none of this command's choices, but one of another command's same option."""
    choices = _choices(parameter)
    if not choices or value in choices:
        return False
    return any(value in _choices(other) for other in _everywhere(ctx, key))


def _choices(parameter: Any) -> tuple[Any, ...]:
    annotation = parameter.type_descriptor.annotation
    return get_args(annotation) if get_origin(annotation) is Literal else ()
