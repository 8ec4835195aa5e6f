"""A command line as its words stand: options with their values, and words that no option takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from llmcli.habits.tables import SYNONYMS
from llmcli.lean.dataclass import dataclass
from llmcli.settings.flag import Option

Options = Mapping[str, Option]  # of a command, by each of their names


@dataclass(frozen=True)
class Use:
    """An option as it was typed: by which name, with which value (None for a switch), at which places of the line."""

    option: Option
    name: str
    value: str | None
    places: range


@dataclass
class Typed:
    """A line that was looked through, up to `unknown`: the first option that is none of the command's.

    `plain`: (place, word) of what is no option and no option's value.
    """

    uses: list[Use] = field(default_factory=list)
    plain: list[tuple[int, str]] = field(default_factory=list)
    unknown: str | None = None

    @property
    def words(self) -> list[str]:
        """The words that are no option's."""
        return [word for _, word in self.plain]

    def used(self, name: str) -> list[Use]:
        """The uses of the option whose field has this name."""
        return [use for use in self.uses if use.option.name == name]

    def word_behind(self, use: Use) -> str | None:
        """The plain word right behind an option, None where another option or nothing stands there."""
        return next((word for place, word in self.plain if place == use.places.stop), None)


def typed_words(argv: Sequence[str], options: Options) -> Typed:
    """The words of a line whose options are `options`, as the parser is going to read them."""
    found, place = Typed(), 0
    while place < len(argv) and found.unknown is None:
        word = argv[place]
        if word == "--":
            found.plain += list(enumerate(argv))[place + 1 :]
            break
        if not word.startswith("-") or word == "-":
            found.plain.append((place, word))
            place += 1
        elif word.startswith("--"):
            place = _long(found, argv, place, options)
        else:
            place = _short(found, argv, place, options)
    return found


def _long(found: Typed, argv: Sequence[str], place: int, options: Options) -> int:
    """Take in a long option; the place behind it."""
    name, sign, value = argv[place].partition("=")
    if name not in options:
        found.unknown = name
        return place
    return _taken(found, argv, range(place, place + 1), (name, value if sign else None), options)


def _short(found: Typed, argv: Sequence[str], place: int, options: Options) -> int:
    """Take in one word of short options; the place behind it.

    `-model X` is taken for a slip of `--model X`: nobody means `-m odel`.
    """
    long = "-" + argv[place].partition("=")[0]
    if len(long) > 4 and (long in options or long in SYNONYMS):
        found.unknown = long[1:]
        return place
    letters = argv[place][1:]
    for position, letter in enumerate(letters):
        name = f"-{letter}"
        if name not in options:
            found.unknown = name
            return place
        if not options[name].switch:
            attached = letters[position + 1 :] or None
            return _taken(found, argv, range(place, place + 1), (name, attached), options)
        found.uses.append(Use(options[name], name, None, range(place, place + 1)))
    return place + 1


def _taken(
    found: Typed, argv: Sequence[str], places: range, said: tuple[str, str | None], options: Options
) -> int:
    """Take in an option with the value that is attached to it, or with the next word; the place behind both."""
    name, value = said
    if value is None and not options[name].switch and places.stop < len(argv):
        value, places = argv[places.stop], range(places.start, places.stop + 1)
    found.uses.append(Use(options[name], name, value, places))
    return places.stop
