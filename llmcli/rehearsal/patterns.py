"""Owns patterns: whether one is found in a text, and texts in which it is."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

LONGEST_MATCH = 20_000
_WORK = 5 * LONGEST_MATCH
_MOST = 200
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ALPHABET = _LETTERS + _LETTERS.upper() + "1234567890" + "-_.:/ @#+*!?,;=%&()[]{}<>|~^$'\"`\\\t\n"
_GUESSES = ("Passw0rd!", "Passw0rd", "abc123", "ABC-123", "Example text", "12", "1", "a", "A", "")


def matching(pattern: str, low: int = 0, high: int = LONGEST_MATCH) -> Iterator[str]:
    """Give texts of `low` to `high` characters in which `pattern` is found; none if it cannot be read."""
    least = min(low, LONGEST_MATCH)
    for text in _candidates(pattern, low):
        longer = (text.ljust(least, "a"), text.rjust(least, "a")) if len(text) < least else (text,)
        yield from (t for t in longer if low <= len(t) <= high and occurs(pattern, t))


def occurs(pattern: str, text: str) -> bool:
    """Tell whether a pattern occurs in a text; a pattern that Python cannot read always does."""
    try:
        return re.search(python_pattern(pattern), text, re.ASCII) is not None
    except (re.error, OverflowError, RecursionError):
        return True


def python_pattern(pattern: str) -> str:
    """Write an ECMAScript pattern the way Python reads it."""
    pattern = pattern.replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!")
    for name, characters in (("L", "a-zA-Z"), ("Lu", "A-Z"), ("Ll", "a-z"), ("N", "0-9"), ("Nd", "0-9")):
        pattern = re.sub(rf"(\[[^\]]*)\\p\{{{name}\}}", rf"\g<1>{characters}", pattern)
        pattern = pattern.replace(rf"\p{{{name}}}", f"[{characters}]")
    return re.sub(r"(?<!\\)\$$", r"\\Z", pattern)  # in Python $ also matches before a last newline


def _candidates(pattern: str, low: int) -> Iterator[str]:
    try:
        tree = parser.parse(python_pattern(pattern), re.ASCII)
    except (re.error, OverflowError, RecursionError):
        return
    work = 0
    for writer in _writers(low):
        yield writer.write(tree)
        work += LONGEST_MATCH - writer.room
        if work > _WORK:
            break
    yield from _GUESSES


def _writers(low: int) -> "Iterator[_Writer]":
    for more in (0, 1, 2, 3, 5, 8, low, low + 1, *range(low)[:_MOST:7]):
        for turn in range(4):
            yield _Writer(turn, more, peek=False)
            yield _Writer(turn, more, peek=True)
    yield from (_Writer(turn, 1, peek=False) for turn in range(4, _MOST))


class _Writer:
    """Writes one text along the tree of a pattern.

    turn: which branch and which character to begin with; more: repetitions beyond the fewest;
    peek: write what a look-ahead asks for before what follows it; room: what may still be written.
    """

    def __init__(self, turn: int, more: int, *, peek: bool) -> None:
        self.turn, self.more, self.peek = turn, more, peek
        self.drawn: dict[str, int] = {}
        self.groups: dict[int, str] = {}
        self.room = LONGEST_MATCH

    def write(self, tree: Iterable[tuple[Any, Any]]) -> str:
        return "".join(self.node(kind, detail) for kind, detail in tree)

    def node(self, kind: Any, detail: Any) -> str:
        self.room -= 1
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            return self.repeat(*detail)
        if kind is sre.BRANCH:
            return self.write(detail[1][self.turn % len(detail[1])])
        if kind is sre.SUBPATTERN:
            self.groups[detail[0]] = text = self.write(detail[3])
            return text
        if kind is sre.GROUPREF:
            return self.groups.get(detail, "")
        return self.leaf(kind, detail)

    def leaf(self, kind: Any, detail: Any) -> str:
        if kind is sre.ATOMIC_GROUP or (kind is sre.ASSERT and self.peek):
            return self.write(detail if kind is sre.ATOMIC_GROUP else detail[1])
        if kind is sre.LITERAL:
            return chr(detail)
        if kind is sre.NOT_LITERAL:
            return self.character([(sre.NEGATE, None), (sre.LITERAL, detail)])
        if kind is sre.IN:
            return self.character(detail)
        return self.character([(sre.NEGATE, None), (sre.LITERAL, 10)]) if kind is sre.ANY else ""

    def repeat(self, low: int, high: Any, tree: Iterable[tuple[Any, Any]]) -> str:
        wanted = low + self.more if low or self.more else self.turn % 2
        times = range(min(wanted, int(high), LONGEST_MATCH))
        return "".join(self.write(tree) for _ in times if self.room > 0)

    def character(self, members: list[tuple[Any, Any]]) -> str:
        choice = "".join(c for c in _ALPHABET if _within(c, members)) or _first(members)
        place = self.drawn.get(choice, self.turn)
        self.drawn[choice] = place + 1
        likely = [c for c in choice if c.isalnum()] or choice
        return likely[place % len(likely)] if likely else ""


def _within(character: str, members: list[tuple[Any, Any]]) -> bool:
    negated = members[0][0] is sre.NEGATE
    return negated != any(_is(character, kind, detail) for kind, detail in members)


def _is(character: str, kind: Any, detail: Any) -> bool:
    if kind is sre.LITERAL:
        return bool(ord(character) == detail)
    if kind is sre.RANGE:
        return bool(detail[0] <= ord(character) <= detail[1])
    return bool(kind is sre.CATEGORY) and _CATEGORIES[detail].match(character) is not None


def _first(members: list[tuple[Any, Any]]) -> str:
    """Give a character of a class that lies outside ASCII."""
    codes = (detail if kind is sre.LITERAL else detail[0] for kind, detail in members if kind in _CODED)
    return "".join(chr(code) for code in islice(codes, 1))


_CODED = (sre.LITERAL, sre.RANGE)
_CATEGORIES = {
    sre.CATEGORY_DIGIT: re.compile(r"[0-9]"),
    sre.CATEGORY_NOT_DIGIT: re.compile(r"[^0-9]"),
    sre.CATEGORY_SPACE: re.compile(r"\s"),
    sre.CATEGORY_NOT_SPACE: re.compile(r"\S"),
    sre.CATEGORY_WORD: re.compile(r"\w"),
    sre.CATEGORY_NOT_WORD: re.compile(r"\W"),
}
