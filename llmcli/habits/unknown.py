"""An option that a command does not have: which one is meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from llmcli.errors import UsageError
from llmcli.habits.line import Options
from llmcli.habits.tables import SYNONYMS
from llmcli.lean.pattern import lazy_pattern

_HUMP = lazy_pattern(r"(?<=[a-z])(?=[A-Z])")
_MOST = 3  # options that are named


def no_such_option(
    command: str, name: str, commands: Sequence[str], options: Callable[[str], Options]
) -> UsageError:
    """The error for an option that `command` does not have, which names the one that is meant."""
    mine = options(command)
    plain = name if re.fullmatch(r"-.", name) else _plain(name)
    todo = (
        _renamed(plain, mine)
        or _of_others(plain, command, commands, options)
        or _like(plain, mine)
        or f"see llmcli {command} --help"
    )
    return UsageError(f"{command} has no option {name}", todo=todo)


def _plain(name: str) -> str:
    """A long option as ours are written: lower case, hyphens, two of them in front."""
    return "--" + _HUMP.sub("-", name.lstrip("-")).lower().replace("_", "-").replace(".", "-")


def _renamed(plain: str, mine: Options) -> str | None:
    if plain in mine:
        return f"it is {plain}"
    meant = SYNONYMS.get(plain)
    if meant is None or " " in meant:
        return meant
    return f"it is {meant}" if meant in mine else None


def _of_others(
    plain: str, command: str, commands: Sequence[str], options: Callable[[str], Options]
) -> str | None:
    """Which other commands have the option, or the one that it is a synonym of."""
    others = [each for each in commands if each != command]
    for name in (plain, SYNONYMS.get(plain, plain)):
        if having := [each for each in others if name in options(each)]:
            return f"{' and '.join(having[:_MOST])} {'has' if len(having) == 1 else 'have'} {name}"
    return None


def _like(plain: str, mine: Options) -> str | None:
    if re.fullmatch(r"-\d", plain):
        return "words that begin with - stand behind --"
    long = [name for name in mine if name.startswith("--")]
    near = [name for name in long if len(plain) > 3 and name.startswith(plain)]
    if not near:
        from difflib import get_close_matches  # here, since few lines have such a word

        near = get_close_matches(plain, long, n=1, cutoff=0.72)
    return f"did you mean {' or '.join(near[:_MOST])}?" if near else None
