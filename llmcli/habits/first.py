"""The first word: a command, a prompt with a space in it, options that are ask's; else what to type instead."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import PurePath

from llmcli.errors import UsageError
from llmcli.habits.line import Options, Typed, typed_words
from llmcli.habits.tables import NEIGHBOURS
from llmcli.lean.pattern import lazy_pattern

_ROOT = {"--help", "-h", "--help-all", "--version"}
_VERSION = {"version", "-V"}
_NEVER_ASKED = {
    "prompt",
    "keys",
    "logs",
    "templates",
    "aliases",
    "config",
    "auth",
    "api",
}  # also behind options
_KEY = lazy_pattern(r"(?:sk|pk|rk|gsk|xai|hf|pplx|r8|ghp|gho|key|AIza)[-_]?[\w-]{8,}", re.IGNORECASE)
_LONGEST = 60  # characters of a word that is shown again
_ROWS = {".jsonl", ".csv", ".tsv", ".parquet", ".ndjson"}


def arranged(
    argv: Sequence[str], commands: Sequence[str], options: Callable[[str], Options]
) -> tuple[list[str], str | None]:
    """The line with its command in front, and what is to be said of it. Raises UsageError.

    `options`: of a command. A prompt is never guessed: it has a space in it, or ask's own options before it.
    """
    if not argv or argv[0] in commands or argv[0] in _ROOT:
        return list(argv), None
    first = argv[0]
    if first in _VERSION:
        return ["--version", *argv[1:]], None
    if first.startswith("-") and first != "-":
        return _behind_options(argv, commands, options)
    if re.search(r"\s", first):
        return ["ask", *argv], None
    raise _no_command(argv, commands)


def _no_command(argv: Sequence[str], commands: Sequence[str]) -> UsageError:
    first = argv[0].lower()
    if first in NEIGHBOURS:
        return UsageError(f"there is no command {first}", todo=NEIGHBOURS[first])
    problem = f"{retyped(argv[:1])} is no command"
    if near := _near(first, commands):
        return UsageError(problem, todo=f"did you mean llmcli {near}?")
    command = "batch" if PurePath(first).suffix in _ROWS else "ask"
    return UsageError(problem, todo=f"did you mean llmcli {command} {retyped(argv)}?")


def _near(word: str, commands: Sequence[str]) -> str | None:
    """The command that a word is a slip of: letters in another order, or nearly all in theirs."""
    mixed = [command for command in commands if sorted(command) == sorted(word)]
    if mixed:
        return mixed[0]
    from difflib import get_close_matches  # here, since few lines have such a word

    return next(iter(get_close_matches(word, commands, n=1, cutoff=0.7)), None)


def _behind_options(
    argv: Sequence[str], commands: Sequence[str], options: Callable[[str], Options]
) -> tuple[list[str], str | None]:
    """The same for a line that begins with an option."""
    found = typed_words(argv, options("ask"))
    if found.unknown is not None:
        raise _not_of_ask(argv, commands, options, found.unknown)
    words = found.words
    if words and words[0] in _NEVER_ASKED:
        raise _no_command(words, commands)
    place = next((place for place, word in found.plain if word in commands or word in _VERSION), None)
    if place is None:
        return ["ask", *argv], _remark(words, commands)
    if argv[place] != words[0] or argv[place] in _VERSION:
        line = retyped(["ask", *_hidden(argv, found)])
        problem = f"{argv[place]} is a command, and words behind options are a prompt only where none is"
        raise UsageError(problem, todo=f"to ask, type llmcli {line}")
    raise _wrong_order(argv, place, found, options(argv[place]))


def _not_of_ask(
    argv: Sequence[str], commands: Sequence[str], options: Callable[[str], Options], unknown: str
) -> UsageError:
    """Where an option is not ask's: another command's, whose name may stand behind it; or nobody's."""
    everybody = {name: option for command in commands for name, option in options(command).items()}
    found = typed_words(argv, everybody)
    place = next((place for place, word in found.plain if word in commands), None)
    if found.unknown is not None or place is None:
        from llmcli.habits.unknown import no_such_option  # here, since few lines have one

        return no_such_option("ask", unknown if found.unknown is None else found.unknown, commands, options)
    return _wrong_order(argv, place, found, options(argv[place]))


def _wrong_order(argv: Sequence[str], place: int, found: Typed, options: Options) -> UsageError:
    command = argv[place]
    alien = next((use.name for use in found.uses if use.name not in options), None)
    if alien is not None:
        return UsageError(f"options stand behind their command, and {command} has no {alien}")
    hidden = _hidden(argv, found)
    line = retyped([command, *hidden[:place], *hidden[place + 1 :]])
    return UsageError("options stand behind their command", todo=f"llmcli {line}")


def _remark(words: Sequence[str], commands: Sequence[str]) -> str | None:
    """What is said where a word that is to be asked is nearly a command."""
    near = _near(words[0].lower(), commands) if words else None
    if near is None:
        return None
    return f"{retyped(words[:1])} was taken as the prompt's; a command stands first: llmcli {near}"


def _hidden(argv: Sequence[str], found: Typed) -> list[str]:
    """The words, without the values of headers, which may be secrets."""
    words = list(argv)
    for use in found.used("header"):
        words[use.places.start : use.places.stop] = [use.name, "NAME: VALUE"][: len(use.places)]
    return words


def retyped(words: Sequence[str]) -> str:
    """Words as they can be typed again; long ones are cut, and what looks like a key is not said."""
    return " ".join(shlex.quote(_KEY.sub("***", _cut(word))) for word in words)


def _cut(word: str) -> str:
    return word if len(word) <= _LONGEST else f"{word[:_LONGEST]}..."
