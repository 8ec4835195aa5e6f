"""Text lines: those of a table, for a parser that pulls them, with what a parser does not tell of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llmcli.batch.input.readers.text import whole_lines
from llmcli.batch.input.shape import not_utf8

_LONGEST = 1 << 28  # bytes of a row: a quote that is never closed must not take a whole file into memory


class TooLong(Exception):
    """A row that is longer than a row can be meant to be."""


class TextLines:
    """Iterates over lines, ends included; they end in LF alone (and not where str.splitlines sees an end).

    What was given since `begin` is one row: it begins in `line` (from 1), `content` is its bytes, and `invalid` says
    what is no UTF-8 in it. `left`: how many more lines are at hand. Iterating raises TooLong.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.line = 1
        self.left = 0
        self.invalid: str | None = None
        self._number = 0  # of the last line that was given
        self._size = 0
        self._row: list[bytes] = []
        self._lines = self._given(blocks)

    def __iter__(self) -> Iterator[str]:
        return self._lines

    def begin(self) -> None:
        """A row begins with the next line."""
        self.line = self._number + 1
        self.invalid = None
        self._size = 0
        self._row.clear()

    @property
    def content(self) -> bytes:
        """The bytes of the row, without the end of its last line."""
        return b"\n".join(self._row)

    @property
    def last(self) -> int:
        """The line that was given last."""
        return self._number

    def _given(self, blocks: Iterable[bytes]) -> Iterator[str]:
        for piece in whole_lines(blocks):
            lines = piece.split(b"\n")
            tail = lines.pop()
            self.left = len(lines) + bool(tail)
            for line in lines:
                yield self._text(line) + "\n"
            if tail:
                yield self._text(tail)

    def _text(self, line: bytes) -> str:
        self._number += 1
        self.left -= 1
        self._size += len(line)
        if self._size > _LONGEST:
            raise TooLong
        self._row.append(line)
        try:
            return line.decode()
        except UnicodeDecodeError:
            self.invalid = self.invalid or not_utf8(line)
            return line.decode("utf-8", "replace")
