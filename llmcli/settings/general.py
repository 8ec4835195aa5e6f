"""General: what every command has."""
# No `from __future__ import annotations`: the annotations are read as objects.

from collections.abc import Sequence
from dataclasses import field
from itertools import pairwise

from llmcli.errors import ExitCode, UsageError
from llmcli.lean.annotated import Annotated
from llmcli.settings.flag import flag, settings


@settings("General")
class GeneralSettings:
    """What is said on stderr, which exits are no failures, and the profile that gives what flags do not."""

    profile: Annotated[
        str | None, flag("--profile", metavar="NAME", help="Options from [profiles.NAME] of the config file.")
    ] = None
    ok: Annotated[
        list[str], flag("--ok", metavar="NAME[,NAME]", help="Exit 0 where these exits are due.")
    ] = field(default_factory=list)
    quiet: Annotated[bool, flag("--quiet", "-q", help="Errors only.", everyday=True)] = False
    verbose: Annotated[
        bool, flag("--verbose", "-v", help="Also attempts, waits and request ids.", everyday=True)
    ] = False
    help: Annotated[bool, flag("--help", "-h", help="Show this and exit.", everyday=True)] = False
    help_all: Annotated[bool, flag("--help-all", help="Show all options and exit.", everyday=True)] = False


def accepted_in(argv: Sequence[str]) -> frozenset[ExitCode]:
    """The exits that `--ok` of a line turns to 0 which cannot be parsed; none where it names no exit."""
    names = [word.removeprefix("--ok=") for word in argv if word.startswith("--ok=")]
    names += [value for word, value in pairwise(argv) if word == "--ok"]
    try:
        return accepted(names)
    except UsageError:
        return frozenset()


def accepted(names: Sequence[str]) -> frozenset[ExitCode]:
    """The exits that `--ok NAME[,NAME]` turns to 0. Raises UsageError."""
    codes = {code.label.replace(" ", "-"): code for code in ExitCode}
    wanted = [name.strip().lower().replace(" ", "-") for text in names for name in text.split(",")]
    for name in wanted:
        if name not in codes:
            raise UsageError(f"{name}: no such exit", todo=f"one of {', '.join(codes)}", flag="--ok")
    return frozenset(codes[name] for name in wanted)
