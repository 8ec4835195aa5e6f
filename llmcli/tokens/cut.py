"""Cuts text on token borders, never inside a character."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from llmcli.errors import UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.tokens.encodings import MAX_TOKEN_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Vocabulary(Protocol):
    """Text to tokens and back."""

    def encode(self, text: str) -> list[int]:
        """The tokens of `text`."""

    def count(self, text: str) -> int:
        """Count them."""

    def decode(self, tokens: Sequence[int]) -> bytes:
        """The bytes of `tokens`: UTF-8, possibly cut inside a character."""


SIDES = ("head", "tail", "middle")


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a text. `tokens` counts `text` alone; its first `shared` characters end the piece before."""

    index: int
    tokens: int
    text: str
    shared: int


def truncate(text: str, limit: int, side: str, encoder: Vocabulary) -> str:
    """Keep at most `limit` tokens of `text`; the text itself where it fits.

    `side` is what is kept: `head` the first tokens, `tail` the last, `middle` both ends, with the
    middle cut out. A character whose tokens do not fit is left out, so the result may be empty.
    UsageError for a negative limit or an unknown side.
    """
    if limit < 0:
        raise UsageError(f"cannot truncate to {limit} tokens", todo="give a limit of 0 or more")
    if side not in SIDES:
        raise UsageError(f"unknown side {side!r}", todo=f"choose one of {', '.join(SIDES)}")
    tokens = encoder.encode(_ends(text, (limit + 1) * MAX_TOKEN_BYTES))
    if len(tokens) <= limit:
        return text
    return _longest(tokens, limit, side, encoder)


def _ends(text: str, reach: int) -> str:
    """Leave out a middle that is out of reach: a cut of a long text need not look at it."""
    return text if len(text) <= 2 * reach else text[:reach] + text[len(text) - reach :]


def _longest(tokens: list[int], limit: int, side: str, encoder: Vocabulary) -> str:
    keep = limit
    while keep > 0:
        kept = _keep(tokens, keep, side, encoder)
        excess = encoder.count(kept) - limit  # at a seam, tokens can come out differently
        if excess <= 0:
            return kept
        keep -= excess
    return ""


def _keep(tokens: list[int], keep: int, side: str, encoder: Vocabulary) -> str:
    """Keep `keep` tokens, as text; half a character at a seam is dropped."""
    head = {"head": keep, "tail": 0, "middle": (keep + 1) // 2}[side]
    first, last = tokens[:head], tokens[len(tokens) - keep + head :]
    return "".join(encoder.decode(part).decode("utf-8", "ignore") for part in (first, last))


def split(text: str, size: int, overlap: int, encoder: Vocabulary) -> Iterator[Piece]:
    """Cut `text` into pieces of at most `size` tokens, each beginning with about `overlap` of the last.

    Without their `shared` beginnings the pieces join to the text; an empty text has none. Only a single
    character of more than `size` tokens makes a piece that is larger. UsageError for a size below 1,
    or an overlap that is negative or not below the size.
    """
    if size < 1:
        raise UsageError(f"cannot split into pieces of {size} tokens", todo="give a size of 1 or more")
    if not 0 <= overlap < size:
        raise UsageError(
            f"cannot overlap pieces of {size} tokens by {overlap}", todo=f"give an overlap of 0 to {size - 1}"
        )
    return _Splitter(encoder.encode(text), encoder).pieces(size, overlap)


class _Splitter:
    """Tokens of one text. A border is an index into `tokens` at which no character is cut."""

    def __init__(self, tokens: list[int], encoder: Vocabulary) -> None:
        self.tokens = tokens
        self.encoder = encoder

    def pieces(self, size: int, overlap: int) -> Iterator[Piece]:
        """See `split`."""
        start = done = index = 0
        while done < len(self.tokens):
            end = self._end(start, size)
            if end <= done:  # the overlap left no room for anything new
                start, end = done, self._end(done, size)
            if end <= done:
                end = self._forced(done, size)
            text = self._text(start, end)
            yield Piece(index, self.encoder.count(text), text, len(self._text(start, done)))
            index, done = index + 1, end
            start = self._border_from(max(end - overlap, start + 1))

    def _end(self, start: int, size: int) -> int:
        """Find the last border that keeps the piece within `size`; `start` where there is none."""
        end = min(start + size, len(self.tokens))
        while (end := self._border_before(end)) > start:
            excess = self.encoder.count(self._text(start, end)) - size
            if excess <= 0:
                return end
            end -= excess
        return start

    def _forced(self, start: int, size: int) -> int:
        """Make a border inside a token, where tokens that share characters are more than `size`."""
        end = self._border_from(start + 1)
        text = self._text(start, end)
        cut = next((n for n in range(min(size, len(text)), 1, -1) if self.encoder.count(text[:n]) <= size), 1)
        first = self.encoder.encode(text[:cut])
        self.tokens[start:end] = first + self.encoder.encode(text[cut:])
        return start + len(first)

    def _text(self, start: int, end: int) -> str:
        return self.encoder.decode(self.tokens[start:end]).decode("utf-8")

    def _border_from(self, place: int) -> int:
        while not self._is_border(place):
            place += 1
        return place

    def _border_before(self, place: int) -> int:
        while not self._is_border(place):
            place -= 1
        return place

    def _is_border(self, place: int) -> bool:
        """Say whether no character is cut before the token at `place`."""
        if not 0 < place < len(self.tokens):
            return True
        return self.encoder.decode(self.tokens[place : place + 1])[0] & 0xC0 != 0x80
