"""main(argv) -> int: the program's story, and the one place where an error becomes an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from llmcli import __version__
from llmcli.cli.commands import LazyGroup
from llmcli.cli.defaults import blamed, profile_error
from llmcli.cli.options import Help
from llmcli.cli.session import Session
from llmcli.errors import ExitCode, Interrupted, LlmcliError, UsageError
from llmcli.world import World


def main(argv: Sequence[str], world: World | None = None) -> int:
    """Run one command line in a world (default: this process's) and return its exit code.

    A bug, which is any exception that is not of our tree, keeps its traceback.
    """
    session = Session(world or World.real(), argv)
    try:
        code = _dispatch(list(argv), session)
        session.finish(code)
    except (LlmcliError, typer.TyperException, KeyboardInterrupt) as error:
        code = _explain(_ours(error, session), session)
        try:
            session.finish(code)
        except LlmcliError as failure:
            code = _explain(failure, session)
    except BaseException:
        session.finish(ExitCode.ERROR)
        raise
    return code


def _dispatch(argv: list[str], session: Session) -> int:
    app = typer.Typer(
        cls=LazyGroup,
        callback=_root,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    code = app(args=argv, prog_name="llmcli", standalone_mode=False, obj=session)
    if code == ExitCode.INTERRUPTED:  # what typer makes of a KeyboardInterrupt, without a word
        raise KeyboardInterrupt
    return int(code or 0)


def _show_version(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        session: Session = ctx.obj
        session.stdout.write(f"llmcli {__version__}\n")
        raise typer.Exit


def _root(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit."),
    ] = False,
    help: Help = False,  # noqa: A002 - the flag's name
) -> None:
    """Scripted completions for any OpenAI-compatible endpoint.

    Try it with no key and no network: llmcli ask -m offline/echo "hello there"
    """


def _ours(error: BaseException, session: Session) -> LlmcliError:
    """An error of our tree for what typer or the keyboard raised."""
    if isinstance(error, LlmcliError):
        return blamed(session, error) if isinstance(error, UsageError) else error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted("SIGINT arrived")
    ctx: Any = getattr(error, "ctx", None)
    parameter: Any = getattr(error, "param", None)
    message = error.format_message() if isinstance(error, typer.TyperException) else str(error)
    if (
        ctx is not None
        and parameter is not None
        and ctx.get_parameter_source(parameter.name).name == "DEFAULT_MAP"
    ):
        return profile_error(ctx, parameter, message.rstrip("."))
    command = ctx.command_path if ctx is not None else "llmcli"
    return UsageError(message.rstrip("."), todo=f"see {command} --help")


def _explain(error: LlmcliError, session: Session) -> int:
    """Say what happened in one line, and give the exit code."""
    code = error.exit_code
    if code is not ExitCode.BROKEN_PIPE:
        session.notes.error(f"{code.label}: {error}")
    return 0 if code in session.accepted else int(code)
