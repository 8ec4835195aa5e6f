"""What typer lacks: groups of options that commands share, and help in their order."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform, get_args

from typer import BadParameter, Option
from typer.core import TyperCommand

Group = TypeVar("Group")

_MOST = 1e9


def flag(*names: str, help: str, panel: str | None = None, **more: Any) -> Any:  # noqa: A002 - typer's word
    """An option; its default is said in the words of `help`, its panel is its group's where it has none."""
    return Option(*names, help=help, rich_help_panel=panel, show_default=False, **more)


def finite(value: float | None) -> float | None:
    """Callback of a time, a rate or a sum: no clock and no purse holds more. Raises BadParameter."""
    if value is not None and not value <= _MOST:
        raise BadParameter(f"{value:g} is more than can be meant")
    return value


@dataclass_transform(frozen_default=True)
def options(panel: str) -> Callable[[type[Group]], type[Group]]:
    """A group: a frozen dataclass, the options of which stand under `panel` in the help."""

    def grouped(cls: type[Group]) -> type[Group]:
        group = dataclasses.dataclass(frozen=True)(cls)
        for item in dataclasses.fields(group):  # type: ignore[arg-type]
            for option in get_args(item.type)[1:]:
                option.rich_help_panel = option.rich_help_panel or panel
        return group

    return grouped


def flags(command: Callable[..., int]) -> Callable[..., int]:
    """Give typer a command whose dataclass parameters are flattened to their fields, one flag each.

    Called, it puts the dataclasses together again. Fields are keyword-only and carry `Annotated` options.
    """
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if dataclasses.is_dataclass(parameter.annotation)
    }
    plain = [parameter for name, parameter in signature.parameters.items() if name not in groups]
    fields = [field for group in groups.values() for field in dataclasses.fields(group)]

    def flattened(**values: Any) -> int:
        built = {
            name: group(**{field.name: values.pop(field.name) for field in dataclasses.fields(group)})
            for name, group in groups.items()
        }
        return command(**values, **built)

    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in plain]
    parameters += [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=_default(field), annotation=field.type
        )
        for field in fields
    ]
    flattened.__name__, flattened.__doc__ = command.__name__, command.__doc__
    flattened.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    flattened.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return flattened


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


class GroupedCommand(TyperCommand):
    """A command whose `--help` lists the options by panel, in plain text: rich costs 60 ms and a wide terminal."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write one section a panel, in the order in which the panels are declared."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            panel = getattr(parameter, "rich_help_panel", None) or "Options"
            if parameter.param_type_name == "argument":
                panel, record = "Arguments", (parameter.metavar or record[0], record[1])
            panels.setdefault(panel, []).append(record)
        for panel, records in panels.items():
            with formatter.section(panel):
                formatter.write_dl(records)
