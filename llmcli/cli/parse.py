"""The parser, and the only place that knows typer: settings classes to options and help, a line to settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import MISSING, Field
from functools import cache
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from llmcli import __version__
from llmcli.cli.line import COMMANDS, Line, Parsed, marks_of, parsed_of, stand_on, story_of
from llmcli.cli.plain import quicken
from llmcli.cli.sentences import first_sentence, in_a_line
from llmcli.errors import ExitCode, LlmcliError, UsageError
from llmcli.settings.flag import MOST, Argument, Flag, flags_of, subjects
from llmcli.settings.general import accepted

_TWO_SCREENS = 48  # lines
_ALL, _EVERYDAY = "llmcli.all", "llmcli.everyday"  # what is to be shown, in a context's meta


def parse(words: Sequence[str], line: Line) -> Parsed | None:
    """The command and its settings; None where the line asked for help or the version, which was shown.

    Raises UsageError, ConfigError, KeyboardInterrupt.
    """
    try:
        parsed = _program()(args=list(words), prog_name="llmcli", standalone_mode=False, obj=line)
    except typer.TyperException as error:
        raise _ours(error, line) from None
    if parsed == ExitCode.INTERRUPTED:  # what typer makes of a KeyboardInterrupt, without a word
        raise KeyboardInterrupt
    return parsed if isinstance(parsed, Parsed) else None


def _ours(error: typer.TyperException, line: Line) -> LlmcliError:
    """An error of our tree for what typer raised."""
    ctx: Any = getattr(error, "ctx", None)
    parameter: Any = getattr(error, "param", None)
    message = error.format_message().rstrip(".")
    if parameter is not None and line.defaults is not None and ctx is not None:
        is_typed = ctx.get_parameter_source(parameter.name).name == "COMMANDLINE"
        if not is_typed and (blamed := line.defaults.error(parameter.name, message)):
            return blamed
    return UsageError(message, todo=f"see {ctx.command_path if ctx is not None else 'llmcli'} --help")


# --- The root ---------------------------------------------------------------------------------------------------


def _show_version(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        ctx.obj.show(f"llmcli {__version__}\n")
        raise typer.Exit


def _show_help(ctx: typer.Context, wanted: bool) -> bool:
    if wanted:
        ctx.obj.show(ctx.get_help() + "\n")
        raise typer.Exit
    return wanted


def _show_all(ctx: typer.Context, wanted: bool) -> bool:
    if wanted:
        ctx.meta[_ALL] = True
    return _show_help(ctx, wanted)


def _help(panel: str | None = None) -> Any:
    return typer.Option(
        "--help", "-h", is_eager=True, callback=_show_help, help="Show this and exit.", rich_help_panel=panel
    )


def _help_all(panel: str | None = None) -> Any:
    return typer.Option(
        "--help-all",
        is_eager=True,
        callback=_show_all,
        help="Show all options and exit.",
        rich_help_panel=panel,
    )


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", is_eager=True, callback=_show_version, help="Show the version and exit."
        ),
    ] = False,
    help: Annotated[bool, _help()] = False,  # noqa: A002 - the flag's name
    help_all: Annotated[bool, _help_all()] = False,
) -> None:
    """Scripted completions for any OpenAI-compatible endpoint.

    Try it with no key and no network: llmcli ask -m offline/echo "hello there"
    """


class LazyGroup(TyperGroup):
    """A group of the commands in COMMANDS: the module of one is imported when that one is asked for."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[assignment] # the names alone: typer guesses from them

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """The names, in their order."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer's signature
        """The command of a name, None where there is none."""
        return command_of(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's signature
        """Write the names, and the first sentence of what each does."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, first_sentence(name)) for name in COMMANDS])


@cache
def _program() -> Any:
    """The whole, as typer's parser has it."""
    app = typer.Typer(cls=LazyGroup, callback=_root, add_completion=False, rich_markup_mode=None)
    return get_command(app)


# --- A command --------------------------------------------------------------------------------------------------


@cache
def command_of(name: str) -> Any:
    """One command, as typer's parser has it; nothing of a line stays in it."""
    story, settings = story_of(name)

    def parsed(ctx: typer.Context, **values: Any) -> Parsed:
        typed = frozenset(
            item
            for item in values
            if ctx.get_parameter_source(item).name == "COMMANDLINE"  # type: ignore[union-attr]
        )
        return parsed_of(name, values, ctx.obj, typed)

    parsed.__name__, parsed.__doc__ = name, story.__doc__
    parameters = [_keyword("ctx", typer.Context), *_parameters(settings)]
    parsed.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    parsed.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    context: dict[str, Any] = {"help_option_names": []}
    app.command(name, cls=GroupedCommand, context_settings=context, add_help_option=False)(parsed)
    command: Any = get_command(app)
    command.everyday = {item.name for item, _, mark in marks_of(settings) if getattr(mark, "everyday", True)}
    return command


def _keyword(name: str, kind: Any, **more: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, **more)


def _parameters(settings: type[Any]) -> list[inspect.Parameter]:
    found = [_parameter(item, kind, mark, None) for item, kind, mark in flags_of(settings)]
    for _, subject in subjects(settings):
        panel = subject.panel
        found += [_parameter(item, kind, mark, panel) for item, kind, mark in flags_of(subject)]
    return found


def _parameter(item: Field[Any], kind: Any, mark: Flag | Argument, panel: str | None) -> inspect.Parameter:
    default = item.default if item.default_factory is MISSING else item.default_factory()
    option: Any
    if isinstance(mark, Argument):
        option = typer.Argument(metavar=mark.metavar, help=mark.help)
    elif item.name in _HELPS:
        option = _HELPS[item.name](panel)
    else:
        option = _option(item.name, mark, panel)
    return _keyword(item.name, Annotated[kind, option], default=default)


_EAGER: dict[str, Callable[..., Any]] = {}
_HELPS = {"help": _help, "help_all": _help_all}


def _option(name: str, mark: Flag, panel: str | None) -> Any:
    """Typer's option; its default is said in the words of its help."""
    callback = _EAGER.get(name, _finite if mark.finite else None)
    return typer.Option(
        *mark.names,
        help=mark.help,
        rich_help_panel=mark.panel or panel,
        show_default=False,
        metavar=mark.metavar,
        min=mark.low,
        max=mark.high,
        callback=callback,
        is_eager=name in _EAGER,
        hidden=mark.hidden,
    )


def _finite(value: float | None) -> float | None:
    """The value. Raises BadParameter for a number that no time, rate or sum can be."""
    if value is not None and not value <= MOST:
        raise typer.BadParameter(f"{value:g} is more than can be meant")
    return value


def _accept(ctx: typer.Context, names: list[str]) -> list[str]:
    """Take in `--ok`, which is read before other flags: their errors are exits, too. Raises UsageError."""
    if not ctx.resilient_parsing:
        try:
            ctx.obj.accepted = accepted(names)
        except UsageError as error:
            is_typed = ctx.get_parameter_source("ok").name == "COMMANDLINE"  # type: ignore[union-attr]
            raise error if is_typed else ctx.obj.defaults.error("ok", error.what) or error from None
    return names


def _read_profile(ctx: typer.Context, profile: str | None) -> str | None:
    """Fill the command's default map: `--profile` is read before all other flags. Raises UsageError, ConfigError."""
    if not ctx.resilient_parsing:
        ctx.default_map = dict(stand_on(ctx.obj, str(ctx.info_name), profile).values)
    return profile


_EAGER |= {"profile": _read_profile, "ok": _accept}


class GroupedCommand(TyperCommand):
    """A command whose `--help` is plain text: rich costs 60 ms and a wide terminal.

    It begins with the examples of the command's page. All options are listed by panel; where that is more than two
    screens, only the everyday ones, unless `--help-all` is said.
    """

    everyday: AbstractSet[str] = frozenset()  # names of parameters

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for parameter in self.params:
            quicken(parameter)

    def get_help(self, ctx: Any) -> str:
        """The text of `--help`, or of `--help-all`."""
        text = super().get_help(ctx)
        if ctx.meta.get(_ALL) or text.count("\n") < _TWO_SCREENS:
            return text
        ctx.meta[_EVERYDAY] = True
        return super().get_help(ctx)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write what it does, and examples."""
        super().format_help_text(ctx, formatter)
        from llmcli import guide

        if found := guide.examples(str(ctx.info_name)):
            with formatter.section("Examples"):
                formatter.write("".join(f"  {line}\n" for line in found))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write one section a panel, in the order in which the panels are declared; one for the everyday options."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record, panel = parameter.get_help_record(ctx), getattr(parameter, "rich_help_panel", None)
            if record is None:
                continue
            if parameter.param_type_name == "argument":
                panel, record = "Arguments", (parameter.metavar or record[0], record[1])
            if _EVERYDAY in ctx.meta:
                panel, record = "Everyday", in_a_line(*record)
                if parameter.name not in self.everyday:
                    continue
            panels.setdefault(panel or "Options", []).append(record)
        for panel, records in panels.items():
            with formatter.section(panel):
                formatter.write_dl(records)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Say where the rest is."""
        if _EVERYDAY in ctx.meta:
            formatter.write(
                f"\nAll options: {ctx.command_path} --help-all. The guide: llmcli help {ctx.info_name}.\n"
            )
