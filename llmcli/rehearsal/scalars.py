"""Owns made-up texts and numbers: candidates for the scalar schemas, in order of looks."""

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import cycle, islice, permutations, product, takewhile

from llmcli.rehearsal.keywords import Words, exact
from llmcli.rehearsal.patterns import LONGEST_MATCH, matching

_VARIETY = 200
_LARGEST_EXACT = 2**53
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_PROSE = "the quick brown fox jumps over the lazy dog and then rests in the shade of an old tree while "
_FORMATS = {
    "date-time": "2025-01-{:02d}T09:30:00Z",
    "date": "2025-01-{:02d}",
    "time": "09:30:{:02d}Z",
    "duration": "P{}D",
    "email": "user{}@example.com",
    "idn-email": "user{}@example.com",
    "hostname": "host{}.example.com",
    "idn-hostname": "host{}.example.com",
    "ipv4": "192.0.2.{}",
    "ipv6": "2001:db8::{}",
    "uri": "https://example.com/{}",
    "uri-reference": "https://example.com/{}",
    "iri": "https://example.com/{}",
    "iri-reference": "https://example.com/{}",
    "url": "https://example.com/{}",
    "uri-template": "https://example.com/{}/{{id}}",
    "uuid": "123e4567-e89b-42d3-a456-4266141740{:02d}",
    "json-pointer": "/items/{}",
    "relative-json-pointer": "{}/items",
    "regex": "^[a-z]{{{}}}$",
    "byte": "ZXhhbXBsZT{}x",
}


def texts(words: Words) -> Iterator[str]:
    """Give candidates for a string schema, the likeliest first; the caller judges each."""
    low, high = int(words.get("minLength", 0)), int(words.get("maxLength", LONGEST_MATCH))
    if (form := words.get("format")) in _FORMATS:
        yield from (_FORMATS[form].format(n) for n in range(1, 29))
    patterns = words.get("pattern", [])
    for pattern in patterns:
        yield from matching(pattern, low, high)
    if len(patterns) > 1:
        yield from _spliced(patterns, low, high)
        yield from matching("".join(f"(?={_anywhere(p)})" for p in patterns), low, high)
    yield from prose(low, high)


def _spliced(patterns: list[str], low: int, high: int) -> Iterator[str]:
    """Give texts for one pattern whose beginning or end is a text for another."""
    for pattern, other in permutations(patterns, 2):
        for text, piece in product(islice(matching(pattern, low, high), 4), islice(matching(other), 4)):
            yield piece + text[len(piece) :]
            yield text[: max(0, len(text) - len(piece))] + piece


def prose(low: int, high: int) -> Iterator[str]:
    """Give distinct plain texts of `low` to `high` characters."""
    low = min(low, LONGEST_MATCH)
    if high >= len("example 200"):
        plain = (f"example {n}" if n > 1 else "example" for n in range(1, _VARIETY + 1))
        yield from (_pad(text, low) for text in plain)
        return
    yield from (w for w in ("example", "text") if low <= len(w) <= high)
    yield from (_count(n).rjust(low, "a")[:high] for n in range(_VARIETY))


def _anywhere(pattern: str) -> str:
    return pattern if pattern.startswith("^") else f".*(?:{pattern})"


def _pad(text: str, low: int) -> str:
    if len(text) >= low:
        return text
    return text + "".join(islice(cycle(": " + _PROSE), low - len(text) - 1)) + "."


def _count(number: int) -> str:
    """Count in letters: a, b, .. z, ba, bb."""
    head, last = divmod(number, len(_LETTERS))
    return (_count(head) if head else "") + _LETTERS[last]


def numbers(words: Words, whole: bool) -> Iterator[float]:
    """Give candidates for a number schema, or for an integer one."""
    low = max((exact(words[w]) for w in ("minimum", "exclusiveMinimum") if w in words), default=None)
    high = min((exact(words[w]) for w in ("maximum", "exclusiveMaximum") if w in words), default=None)
    step = exact(words["multipleOf"]) if "multipleOf" in words else None
    if whole:
        step = Fraction(step.numerator) if step else Fraction(1)
    made = _steps(low, high, step) if step else _points(low, high)
    yield from (_plain(number, whole) for number in made)


def _steps(low: Fraction | None, high: Fraction | None, step: Fraction) -> Iterator[Fraction]:
    """Give multiples within bounds: the first positive ones if they are there, else from a bound."""
    first = math.ceil(low / step) if low is not None else -math.inf
    last = math.floor(high / step) if high is not None else math.inf
    if first <= 1 <= last:
        yield from (step * n for n in takewhile(lambda n: n <= last, range(1, _VARIETY)))
    if low is not None:
        yield from (
            step * n for n in takewhile(lambda n: n <= last, range(int(first), int(first) + _VARIETY))
        )
    else:
        top = int(min(last, 0))
        yield from (step * n for n in range(top, top - _VARIETY, -1))


def _points(low: Fraction | None, high: Fraction | None) -> Iterator[Fraction]:
    if low is not None and high is not None:
        yield from (low + (high - low) * Fraction(n, d) for d, n in ((2, 1), (1, 1), (1, 0), (4, 1), (4, 3)))
        yield from (low + (high - low) * Fraction(n, _VARIETY + 1) for n in range(1, _VARIETY))
        return
    start = Fraction(1) if (low is None or low < 1) and (high is None or high > _VARIETY) else low
    if start is not None:
        yield from (start + Fraction(n, 2) for n in range(1, _VARIETY))
    if high is not None:
        yield from (high - Fraction(n, 2) for n in range(_VARIETY))


def _plain(number: Fraction, whole: bool) -> float:
    if whole or abs(number) > _LARGEST_EXACT:
        return int(number)
    return float(number)
