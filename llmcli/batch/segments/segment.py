"""A segment: records of one writer, and what its first line says of them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from llmcli import jsonl
from llmcli.batch.ledger.journal_lines import FAR, JournalLines
from llmcli.batch.ledger.slots import Slots
from llmcli.batch.shards.mark import Mark
from llmcli.errors import UsageError
from llmcli.lean.dataclass import dataclass

_TOGETHER = 200  # lines


@dataclass(frozen=True)
class RecordSegment:
    """Records in the order in which they count: of a row that has several, the last does.

    `number` is its place among the segments of its part, from 1; `writer` is the process's, `id` like no other.
    `is_fresh`: nothing before it counts. `end`: with it the part has come to its end.
    """

    number: int
    writer: str
    answers: Sequence[bytes] = ()
    failures: Sequence[bytes] = ()
    is_fresh: bool = False
    end: Mark | None = None

    @property
    def name(self) -> str:
        """What its object is called in the folder of its part."""
        return segment_name(self.number)

    def content(self) -> bytes:
        """The object: a line about it, the answers, the failures. Two calls differ."""
        about = {
            "llmcli": "segment",
            "number": self.number,
            "writer": self.writer,
            "id": secrets.token_hex(16),
            "answers": len(self.answers),
            "failures": len(self.failures),
            "fresh": self.is_fresh,
            "end": None if self.end is None else self.end.plain,
        }
        return b"".join((jsonl.line(about), *self.answers, *self.failures))


def segment_name(number: int) -> str:
    """The name of a segment's object: padded, for stores list by bytes."""
    return f"{number:08d}.jsonl"


class ReadSegment(JournalLines):
    """A segment as it was read from `url`. Raises UsageError for what is none; see RecordSegment."""

    def __init__(self, url: str, data: bytes) -> None:
        super().__init__(url)
        self._begin = data.find(b"\n") + 1
        try:
            about: Any = jsonl.loads(data[: self._begin])
            self.number, self.answers = int(about["number"]), int(about["answers"])
            self.records = self.answers + int(about["failures"])
            self.is_fresh, mark = bool(about["fresh"]), about["end"]
            self.end = None if mark is None else Mark.of(mark)
            is_one = about["llmcli"] == "segment" and data.count(b"\n") == 1 + self.records
        except (ValueError, KeyError, TypeError):
            is_one = False
        if not is_one:
            what = f"{url} is no segment of a batch"
            raise UsageError(what, todo="take it away, or choose another -O")
        self._data = data

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self._data)

    def first(self) -> bytes:
        """The first record; empty where there is none."""
        return next(iter(self._lines()), b"")

    def stretches(self) -> list[tuple[int, int]]:
        """The answers, for who skims them: the numbers of their lines."""
        return [(0, self.answers)] if self.answers else []

    def lines_together(self, start: int, end: int) -> Iterator[list[bytes]]:
        """Some of them at a time."""
        lines = islice(self._lines(), start, end)
        while some := list(islice(lines, _TOGETHER)):
            yield some

    def torn(self) -> Iterator[tuple[int, int]]:
        """Nothing: an object is whole."""
        yield from ()

    def failures(self, slots: Slots | None) -> Iterator[tuple[int, bytes]]:
        """(row, line) of each failure."""
        for number, line in enumerate(islice(self._lines(), self.answers, None), self.answers + 2):
            yield self.row_of(line, number, FAR, slots), line

    def rows(self, slots: Slots | None) -> Iterator[tuple[int, bytes, bool]]:
        """(row, line, whether it failed) of each record."""
        for number, line in enumerate(self._lines()):
            yield self.row_of(line, number + 2, FAR, slots), line, number >= self.answers

    def _lines(self) -> Iterator[bytes]:
        start = self._begin
        while end := self._data.find(b"\n", start) + 1:
            yield self._data[start:end]
            start = end
