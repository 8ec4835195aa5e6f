"""Owns `regex` and NAME.ranks: an encoding looked up in a mapped file, ready before tiktoken has loaded its own.

NAME.ranks is, in little-endian 32-bit numbers but for the last part:

    count, slots       how many tokens, and how many slots, a power of 2
    slot x slots       an open-addressing table: the token of crc32 h is at slot h % slots or in one of those that
                       follow, before the next empty one (0). A full one is the top 14 bits of h, then 1 + its rank
    offset x count+1   where the bytes of the token of each rank begin, and where the last of them end
    bytes              of all tokens, by rank

`tests/ranks.py` makes it of OpenAI's NAME.tiktoken.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise
from mmap import ACCESS_READ, mmap
from pathlib import Path
from zlib import crc32

_RANK = (1 << 18) - 1  # the bits of a slot that hold a rank
_NONE = 1 << 31  # a rank that no token has
_ASCII = {"L": "A-Za-z", "Lu": "A-Z", "Ll": "a-z", "N": "0-9"}  # other categories have no character there
_WORD = 2_000  # bytes of a piece that is merged here: the time grows with their square


class TooMuch(Exception):
    """By now tiktoken is the quicker way."""


class Ranks:
    """The tokens of NAME.ranks by their bytes, and their bytes by rank."""

    def __init__(self, name: str) -> None:
        with Path(__file__).with_name(f"{name}.ranks").open("rb") as file:
            self._file = mmap(file.fileno(), 0, access=ACCESS_READ)
        count, slots = _numbers(self._file, 0, 2)
        self._slots, self._last = _numbers(self._file, 8, slots), slots - 1
        self._offsets = _numbers(self._file, 8 + 4 * slots, count + 1)
        self._start = 8 + 4 * (slots + count + 1)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def rank(self, token: bytes) -> int:
        """The rank of a token, 1 << 31 where it is none."""
        digest = crc32(token)
        place = digest & self._last
        while slot := self._slots[place]:
            if slot ^ digest <= _RANK:
                rank = (slot & _RANK) - 1
                if self.token(rank) == token:
                    return rank
            place = place + 1 & self._last
        return _NONE

    def token(self, rank: int) -> bytes:
        """The bytes of the token of a rank."""
        return self._file[self._start + self._offsets[rank] : self._start + self._offsets[rank + 1]]

    def all(self) -> dict[bytes, int]:
        """The rank of each token, as tiktoken wants it."""
        data = self._file[self._start :]
        return {data[start:end]: rank for rank, (start, end) in enumerate(pairwise(self._offsets))}


def _numbers(file: mmap, start: int, count: int) -> Sequence[int]:
    view = memoryview(file)[start : start + 4 * count]
    if sys.byteorder == "big":
        from array import array

        swapped = array("I", view.tobytes())
        swapped.byteswap()
        return swapped
    return view.cast("I")


class Mapped:
    """Text to tokens by Ranks, as long as that is quicker than to load tiktoken.

    `_patience` is how many steps (some 0.7 microseconds each) may still be taken: at first as many as there are
    tokens, which is about what tiktoken takes to load them.
    """

    def __init__(self, ranks: Ranks, pattern: str) -> None:
        self._ranks, self._patience = ranks, len(ranks)
        self._pieces = _Pieces(pattern)
        self._known: dict[str, list[int]] = {}
        self._sizes = _Sizes(self._tokens)

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, in which a lone surrogate is U+FFFD. Raises TooMuch."""
        self._spend(len(text) // 4)
        try:
            return self._encoded(text)
        except UnicodeEncodeError:
            return self._encoded(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))

    def count(self, text: str) -> int:
        """How many tokens a text has that is ASCII, soonest where its words came before. Raises TooMuch."""
        return sum(map(self._sizes.__getitem__, self._pieces.of_ascii(text)))

    def _encoded(self, text: str) -> list[int]:
        found: list[int] = []
        known = self._known
        for piece in self._pieces(text):
            tokens = known.get(piece)
            if tokens is None:
                tokens = known[piece] = self._tokens(piece.encode())
            found += tokens
        return found

    def _tokens(self, piece: bytes) -> list[int]:
        rank = self._ranks.rank(piece)
        return [rank] if rank != _NONE else self._merged(piece)

    def _merged(self, piece: bytes) -> list[int]:
        """Byte pair encoding: of all neighbours that are a token together, those of the lowest rank become one."""
        size, rank = len(piece), self._ranks.rank
        self._spend(self._patience + 1 if size > _WORD else 4 * size + size * size // 64)
        borders = list(range(size + 1))
        pairs = [rank(piece[at : at + 2]) for at in range(size - 1)]
        while pairs and (lowest := min(pairs)) != _NONE:
            at = pairs.index(lowest)
            del borders[at + 1], pairs[at]
            if at < len(pairs):
                pairs[at] = rank(piece[borders[at] : borders[at + 2]])
            if at:
                pairs[at - 1] = rank(piece[borders[at - 1] : borders[at + 1]])
        return [rank(piece[start:end]) for start, end in pairwise(borders)]

    def _spend(self, steps: int) -> None:
        self._patience -= steps
        if self._patience < 0:
            raise TooMuch


class _Sizes(dict[str, int]):
    """How many tokens each piece is that was asked for."""

    def __init__(self, tokens: Callable[[bytes], list[int]]) -> None:
        super().__init__()
        self._tokens = tokens

    def __missing__(self, piece: str) -> int:
        size = self[piece] = len(self._tokens(piece.encode()))
        return size


class _Pieces:
    """What cuts a text into the pieces that are encoded each by itself: `re` where it is ASCII, which starts sooner."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    def __call__(self, text: str) -> list[str]:
        return self.of_ascii(text) if text.isascii() else self._any(text)

    @cached_property
    def of_ascii(self) -> Callable[[str], list[str]]:
        pattern = re.sub(r"\[[^\]]*\]", _of_ascii, self._pattern)
        return re.compile(
            re.sub(r"\\p\{\w+\}", lambda found: f"[{_of_ascii(found)}]", pattern), re.ASCII
        ).findall

    @cached_property
    def _any(self) -> Callable[[str], list[str]]:
        import regex

        return regex.compile(self._pattern).findall  # type: ignore[no-any-return]


def _of_ascii(found: re.Match[str]) -> str:
    """A class, or what stands in one, with what ASCII has of each category."""
    return re.sub(r"\\p\{(\w+)\}", lambda category: _ASCII.get(category[1], ""), found[0])
