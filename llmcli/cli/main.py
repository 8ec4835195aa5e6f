"""main(argv) -> int: the program's story, and the one place where an error becomes an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from llmcli.cli.line import COMMANDS, Line, Parsed, options
from llmcli.cli.plain import plainly
from llmcli.config import load_config
from llmcli.errors import ExitCode, Interrupted, LlmcliError, OutOfTime, Terminated, UsageError, end_in
from llmcli.habits.understood import understood
from llmcli.loop import alarm
from llmcli.loop.watch import Watch
from llmcli.output.streams import Notes, Outputs, Stdout
from llmcli.settings.general import GeneralSettings, accepted_in
from llmcli.world import World

if TYPE_CHECKING:
    from llmcli.app import App

_SILENT = {ExitCode.BROKEN_PIPE, ExitCode.GATE}
_TRUE = {"1", "true", "yes", "on"}


def main(argv: Sequence[str], world: World | None = None) -> int:
    """Run one command line in a world (default: this process's) and return its exit code.

    A bug, which is any exception that is not of our tree, keeps its traceback.
    """
    return CommandLine(world or World.real(), argv).run()


def _parsed(argv: Sequence[str], line: Line) -> Parsed | None:
    """The command and its settings; None where the line asked for help or the version, which was shown.

    Raises UsageError, ConfigError, KeyboardInterrupt.
    """
    try:
        words, found, remarks = understood(argv, COMMANDS, options)
    except UsageError:
        line.accepted = accepted_in(argv)
        raise
    parsed = plainly(words[0], found, line) if found is not None else None
    if parsed is None:
        from llmcli.cli.parse import parse  # here, since typer takes a third of a start

        parsed = parse(words, line)
    return parsed and replace(parsed, remarks=remarks)


class CommandLine:
    """One command line, from its words to its exit code."""

    def __init__(self, world: World, argv: Sequence[str]) -> None:
        self._world, self._argv = world, argv
        self._watch = Watch()
        self._notes = Notes(world.stderr, world.stderr_is_terminal, self._watch.look_for_notes)
        self._stdout = Stdout(world.stdout, world.stdout_is_terminal, self._watch.look)
        self._outputs = Outputs(self._watch.look)
        self._line = Line(self._stdout.write, partial(load_config, world.env), world.env)
        self._parsed: Parsed | None = None

    def run(self) -> int:
        """Parse, run, and say what went wrong."""
        try:
            code = self._code()
            self._outputs.finish(code)
            self._outputs.settle()
        except BaseException as error:
            if (end := end_in(error)) is None:
                self._outputs.finish(ExitCode.ERROR)
                raise
            code = self._ended(end)
        finally:
            alarm.disarm()
        return code

    def _ended(self, end: LlmcliError | KeyboardInterrupt | OutOfTime) -> int:
        alarm.disarm()
        code = self._explain(self._told(end))
        self._outputs.mention(self._notes.say)
        try:
            self._outputs.finish(code)
        except LlmcliError as failure:
            code = self._explain(failure)
        return code

    def _code(self) -> int:
        if not self._argv:
            _parsed(["--help"], self._line)
            raise UsageError(
                "there is no command", todo="name one of these, or give a prompt of several words"
            )
        self._parsed = _parsed(self._argv, self._line)
        if self._parsed is None:
            return 0
        self._parsed.check()
        app = self._app(self._parsed)
        app.warn(self._parsed.remarks)
        return int(self._parsed.story(app, self._parsed.settings))

    def _app(self, parsed: Parsed) -> App:
        from llmcli.app import App  # here, since --help and --version need none of this
        from llmcli.registry.pricing import Prices
        from llmcli.stdin import Stdin

        world, settings = self._world, parsed.settings
        config = parsed.defaults.config
        given, network = getattr(settings, "input", None), getattr(settings, "network", None)
        asked = getattr(settings, "request", None)
        forbidden = world.env.get("LLMCLI_NO_STDIN", "").lower() in _TRUE or bool(given and given.no_stdin)
        notes = self._notes_for(getattr(settings, "general", GeneralSettings()))
        if network is not None and (seconds := world.remaining(network.deadline)) is not None:
            alarm.arm(seconds)
        return App(
            world=world,
            argv=self._argv,
            config=config,
            notes=notes,
            stdout=self._stdout,
            outputs=self._outputs,
            stdin=Stdin(
                world, notes.say, forbidden, network.deadline if network else None, self._watch.waits_for
            ),
            prices=Prices(config.prices, config.error, asked.price if asked else None),
            accepted=self._line.accepted,
            typed=parsed.typed,
            watch=self._watch,
        )

    def _notes_for(self, general: GeneralSettings) -> Notes:
        return Notes(
            self._world.stderr,
            self._world.stderr_is_terminal,
            self._watch.look_for_notes,
            quiet=general.quiet,
            verbose=general.verbose,
        )

    def _told(self, error: LlmcliError | KeyboardInterrupt | OutOfTime) -> LlmcliError:
        """The error as it is to be told."""
        if isinstance(error, KeyboardInterrupt):
            return Interrupted("SIGINT arrived")
        if isinstance(error, OutOfTime):
            return alarm.passed(self._watch)
        if isinstance(error, UsageError) and self._parsed is not None:
            return self._parsed.defaults.blamed(error, self._parsed.typed)
        return error

    def _explain(self, error: LlmcliError) -> int:
        """Say what happened in one line, and give the exit code."""
        code = error.exit_code
        if isinstance(error, Interrupted | Terminated):
            self._watch.hasten()
        if code not in _SILENT:
            self._notes.error(f"{code.label}: {error}")
        return 0 if code in self._line.accepted else int(code)
