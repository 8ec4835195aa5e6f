"""Names of files that were taken as text, said in one line: a prompt is what was typed, never what was guessed."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from llmcli.lean.pattern import lazy_pattern
from llmcli.settings.input import InputSettings

_NO_TEMPLATE = lazy_pattern(
    r"[^\s@{][^\s{]*"
)  # one word that fills nothing in, as a name of a template would be


def say_names(given: InputSettings, say: Callable[[str], None], words: Sequence[str] | None) -> None:
    """Say, in one line, which texts are names of files, and how to give the files.

    `words`: of the prompt; None where rows bring it, which a template is held against later.
    """
    if taken := [*_in_prompt(words or ()), *_in_flags(given)]:
        texts, ways = zip(*taken, strict=True)
        one = len(taken) == 1
        said = "is a file, and was taken as text" if one else "are files, and were taken as text"
        say(f"{' and '.join(texts)} {said}: {' '.join(ways)} reads {'it' if one else 'them'}")
    if words is not None and given.template is not None and _is_name(given.template):
        text = shlex.quote(given.template)
        fills = "has no {{ input }}, so the prompt stands behind it"
        say(f"-t {text} is the template's text, which {fills}; a template in a file is -t @FILE")


def _in_prompt(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(name as it was typed, what would have read it) of a prompt's words."""
    named = [word for word in words if word.startswith("@") and _is_file(word[1:])]
    if not named and _is_file(whole := " ".join(words)):
        yield shlex.quote(whole), f"-f {shlex.quote(whole)}"
    for word in dict.fromkeys(named):
        yield shlex.quote(word), f"-f {shlex.quote(word[1:])}"


def _in_flags(given: InputSettings) -> Iterator[tuple[str, str]]:
    for flag, text in (("-s", given.system), ("-t", given.template)):
        if text is not None and _is_file(text):
            yield f"{flag} {shlex.quote(text)}", f"{flag} {shlex.quote('@' + text)}"


def _is_name(template: str) -> bool:
    return _NO_TEMPLATE.fullmatch(template) is not None and not _is_file(template)


def _is_file(name: str) -> bool:
    """Whether a file has this name; a pipe is one, as `<(command)` makes it, a directory is none."""
    with suppress(OSError, ValueError):  # longer than a name can be, or with NUL in it
        return name != "-" and Path(name).exists() and not Path(name).is_dir()
    return False
