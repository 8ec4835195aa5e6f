"""Text lines: those of a table, for a parser that pulls them, with what a parser does not tell of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llmcli.batch.input.readers.text import whole_lines
from llmcli.batch.input.shape import not_utf8

_LONGEST = 1 << 28  # characters of a row: a quote that is never closed must not take a whole file into memory


class TooLong(Exception):
    """A row that is longer than a row can be meant to be."""


class TextLines:
    """Iterates over lines, ends included; they end in LF alone (and not where str.splitlines sees an end).

    What was given since `begin` is one row, which begins in `line` (from 1). `pieces` counts what lines come in: a
    new one may have been waited for. What is no UTF-8 is given as surrogates. Iterating raises TooLong.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.line = 1
        self.pieces = 0
        self._is_valid = True  # UTF-8, so far
        self._before: list[str] = []  # lines of the row that came in earlier pieces
        self._lines: list[str] = []  # of the piece
        self._start = 0  # where the row begins in it
        self._at = 0  # how many of it were given
        self._base = 0  # how many there were before it
        self._given = self._pulled(blocks)

    def __iter__(self) -> Iterator[str]:
        return self._given

    def begin(self) -> None:
        """A row begins with the next line."""
        self._start = self._at
        self.line = self._base + self._at + 1
        if self._before:
            self._before = []

    @property
    def exhausted(self) -> bool:
        """Whether the next line has to be waited for."""
        return self._at == len(self._lines)

    @property
    def content(self) -> bytes:
        """The bytes of the row, without the end of its last line."""
        text = "".join([*self._before, *self._lines[self._start : self._at]])
        return text.removesuffix("\n").encode("utf-8", "surrogateescape")

    @property
    def invalid(self) -> str | None:
        """What is no UTF-8 in the row."""
        if self._is_valid:
            return None
        return next(filter(None, map(not_utf8, self.content.split(b"\n"))), None)

    @property
    def last(self) -> int:
        """The line that was given last."""
        return self._base + self._at

    def _pulled(self, blocks: Iterable[bytes]) -> Iterator[str]:
        for piece in whole_lines(blocks):
            self._before += self._lines[self._start :]
            if sum(map(len, self._before)) > _LONGEST:
                raise TooLong
            self._base += len(self._lines)
            self._start = self._at = 0
            self.pieces += 1
            *lines, tail = self._decoded(piece).split("\n")
            self._lines = [line + "\n" for line in lines]
            if tail:
                self._lines.append(tail)
            for self._at, line in enumerate(self._lines, 1):  # noqa: B020 - each is one more that was given
                yield line

    def _decoded(self, piece: bytes) -> str:
        try:
            return piece.decode()
        except UnicodeDecodeError:
            self._is_valid = False
            return piece.decode("utf-8", "surrogateescape")
