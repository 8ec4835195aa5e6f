"""What a line comes to before it is parsed: its command in front, options that it has, and no word too many."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from llmcli.errors import UsageError
from llmcli.habits.first import arranged, retyped
from llmcli.habits.line import Options, Typed, typed_words
from llmcli.habits.tables import NO_WORDS
from llmcli.lean.pattern import lazy_pattern

# Field of a switch -> what a value of it looks like, and what is meant then ({} is the word).
_VALUES = {
    "reasoning": (r"none|minimal|low|medium|high|xhigh|max", "the effort is --reasoning-effort {}"),
    "logprobs": (r"\d+", "so many of the likeliest is --top-logprobs {}"),
    "json": (r"[\[{@].*", "--json is the form of the answer, a field of the request -o KEY=VALUE"),
    "extract": (r"(?:\w+://|[\w.-]+:\d+$).*", "a proxy is named by the variable HTTPS_PROXY"),
    "usage": (r"[\w.-]+:[^\s/]+", "-u says what an answer cost, a login goes into -H"),
}
_SWITCHED = lazy_pattern(r"true|false|yes|no|on|off|[01]", re.IGNORECASE)


class Understood(NamedTuple):
    """A line as it is to be parsed, its command in front; what was found behind that; what is to be said of it.

    `found` is None where the line names no command.
    """

    words: list[str]
    found: Typed | None = None
    remarks: tuple[str, ...] = ()


def understood(argv: Sequence[str], commands: Sequence[str], options: Callable[[str], Options]) -> Understood:
    """What a line comes to before it is parsed; `options`: of a command. Raises UsageError."""
    line, remark = arranged(argv, commands, options)
    if not line or line[0] not in commands:
        return Understood(line)
    found = typed_words(line[1:], options(line[0]))
    if found.unknown is not None:
        from llmcli.habits.unknown import no_such_option  # here, since few lines have one

        raise no_such_option(line[0], found.unknown, commands, options)
    if len(found.used("quiet")) > 1:
        todo = "-q is --quiet; a model is named with -m, and llmcli models PATTERN finds its name"
        raise UsageError("-q is given twice", todo=todo)
    if line[0] in NO_WORDS:
        _check_number(line[0], found.words)
    return Understood(line, found, (*filter(None, [remark]), *_remarks(found)))


def _check_number(command: str, words: Sequence[str]) -> None:
    """Raise UsageError for more words than the command takes."""
    most, todo = NO_WORDS[command]
    if len(words) > most:
        allowed = "no words" if most == 0 else "one word"
        raise UsageError(
            f"{command} takes {allowed}, and there is {retyped(words[most : most + 1])}", todo=todo
        )


def _remarks(found: Typed) -> Iterator[str]:
    """What is to be said of words of a prompt that look like the value of the switch before them."""
    for use in found.uses:
        word = found.word_behind(use) if use.option.switch else None
        if word is None:
            continue
        pattern, meant = _VALUES.get(use.option.name, ("(?!)", ""))
        if re.fullmatch(pattern, word):
            yield _taken(use.name, word, meant.format(retyped([word])))
        elif _SWITCHED.fullmatch(word):
            yield _taken(use.name, word, "")


def _taken(name: str, word: str, meant: str) -> str:
    said = f"{name} takes no value: {retyped([word])} was taken as part of the prompt"
    return f"{said}; {meant}" if meant else said
