"""What is measured of a text: its tokens, and what says how far off an estimate of them may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmcli.lean.dataclass import dataclass

if TYPE_CHECKING:
    from llmcli.tokens.encodings import Encoder


@dataclass(slots=True)
class Measure:
    """Tokens, characters, bytes of UTF-8, and how many characters are digits."""

    tokens: int = 0
    length: int = 0
    size: int = 0
    digits: int = 0

    def add(self, other: Measure) -> None:
        """Take in the measure of what follows."""
        self.tokens += other.tokens
        self.length += other.length
        self.size += other.size
        self.digits += other.digits

    @property
    def is_digits(self) -> bool:
        """Whether it is digits for the most part: then a model may count a token a byte."""
        return 2 * self.digits > self.length


def measured(text: str, encoder: Encoder) -> Measure:
    """The measure of a text."""
    return measure_with(text, encoder.count(text))


def measure_with(text: str, tokens: int) -> Measure:
    """The measure of a text whose tokens were counted."""
    data = text.encode("utf-8", "replace")
    size = len(data)
    return Measure(tokens, len(text), size, size - len(data.translate(None, b"0123456789")))
