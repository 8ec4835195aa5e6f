"""A JSON array: its elements, each as it stands in the text, so that a row is what it would be in JSONL.

The text is cut by the standard library's scanner, in C and flat in memory: parsers that stream objects change what a
row holds (numbers, halves of characters, doubled names).
"""

from __future__ import annotations

import json
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from itertools import chain

from llmcli.batch.input.readers.entry import Batch, Broken, Entry
from llmcli.batch.input.shape import BadRow
from llmcli.lean.pattern import lazy_pattern

_BLANK = lazy_pattern(r"[ \t\r\n]*")
_LONGEST = 1 << 28  # characters of an element
_LOOK = 1024  # bytes that are kept of what is broken
_NEAR = 16  # characters from the end: what is wrong there may be a word or a number that is cut
_scan = json.JSONDecoder(strict=False).raw_decode


class _Cut(Exception):
    """The text ends before the element does."""


class _Wrong(Exception):
    """The text is no array."""


def read_array(blocks: Iterable[bytes]) -> Iterator[Batch]:
    """The elements of an array. Where it is broken, the last entry says so: what follows cannot be told apart."""
    array = _Array()
    for block in chain(filter(None, blocks), [b""]):
        array.take(block)
        entries: list[Entry] = []
        lines: list[int] = []
        for line, entry in array.elements(ended=not block):
            entries.append(entry)
            lines.append(line)
        if entries:
            yield Batch(entries, lines)


class _Array:
    """The text that is not cut into elements yet; what stands at `_at` is in line `_line`."""

    def __init__(self) -> None:
        self._text = ""
        self._at = 0
        self._line = 1
        self._sign = "["  # what must stand before the next element; nothing may, behind the array
        self._tried = 0  # length of the text that did not hold a whole element
        self._broken = False
        self._decode = getincrementaldecoder("utf-8")("surrogateescape").decode

    def take(self, block: bytes) -> None:
        """More text; an empty block is the end."""
        self._text = self._text[self._at :] + self._decode(block, not block)
        self._at = 0

    def elements(self, *, ended: bool) -> Iterator[tuple[int, Entry]]:
        """(line, entry) of each element that is whole; `ended`: no more text comes."""
        if self._broken or (not ended and len(self._text) < min(2 * self._tried, _LONGEST)):
            return  # an element of any size is looked at a few times only
        try:
            while (found := self._next(ended=ended)) is not None:
                yield found
        except _Cut:
            self._tried = len(self._text) - self._at
            if ended or self._tried >= _LONGEST:
                yield self._failed("it is cut off")
        except _Wrong as error:
            yield self._failed(str(error))

    def _failed(self, what: str) -> tuple[int, Entry]:
        self._broken = True
        rest, self._text = self._text[self._at :].encode("utf-8", "surrogateescape"), ""
        self._at = 0
        what = f"the array cannot be read on from line {self._line}: {what}"
        return self._line, Broken(rest[:_LOOK], BadRow("invalid_json", what))

    def _next(self, *, ended: bool) -> tuple[int, Entry] | None:
        """The next element; None where there is none any more. Raises _Cut, and _Wrong."""
        at = self._blank(self._at)
        if at == len(self._text):
            if self._sign:
                raise _Cut
            return None
        found = self._text[at]
        if found == "]" and self._sign == ",":
            self._close(at)
            return None
        if not self._sign or found != self._sign:
            raise _Wrong(f"{self._sign or 'its end'} is expected before {self._text[at : at + 20]!r}")
        at = self._blank(at + 1)
        if self._sign == "[" and self._text[at : at + 1] == "]":
            self._close(at)
            return None
        end = self._end(at, ended=ended)
        line = self._line + self._text.count("\n", self._at, at)
        self._line = line + self._text.count("\n", at, end)
        self._at, self._sign = end, ","
        return line, self._text[at:end].encode("utf-8", "surrogateescape")

    def _close(self, at: int) -> None:
        """The end of the array: behind it nothing may stand."""
        self._sign, self._at = "", at + 1
        if self._blank(self._at) < len(self._text):
            raise _Wrong(f"its end is expected before {self._text[self._at : self._at + 20].strip()!r}")

    def _blank(self, at: int) -> int:
        """Where blanks end."""
        found = _BLANK.match(self._text, at)
        return at if found is None else found.end()

    def _end(self, at: int, *, ended: bool) -> int:
        """Where the element ends that begins here. Raises _Cut, and _Wrong."""
        try:
            _, end = _scan(self._text, at)
        except json.JSONDecodeError as error:
            near = 1 if ended else _NEAR
            if "Unterminated string" in error.msg or len(self._text) - error.pos < near:
                raise _Cut from None
            raise _Wrong(f"{error.msg} at {self._text[error.pos : error.pos + 20]!r}") from None
        except RecursionError:
            raise _Wrong("an element is nested too deep") from None
        if not ended and self._blank(end) == len(
            self._text
        ):  # a number may go on, and what follows is not known
            raise _Cut
        return end
