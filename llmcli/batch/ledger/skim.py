"""The skim: what counts of each record of OUT, as a rule by the first and the last bytes of its line alone."""

from __future__ import annotations

import math
import re
import sys
from array import array
from collections.abc import Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, Protocol

from llmcli import jsonl
from llmcli.batch.ledger.final import FinalAnswers, Place, Record
from llmcli.batch.ledger.journal_lines import FAR, HEAD, known_in
from llmcli.batch.ledger.slots import Slots
from llmcli.errors import UsageError
from llmcli.world import cores

# Final in this run, worth another try in the next: moods of the server and the network, a key, an account, and
# batches that ended before their time.
RETRYABLE = frozenset({"tempfail", "auth", "quota", "batch_expired"})

_ROW, _COST = b'"row":', b'"cost_usd":'
_TAIL = re.compile(_COST + rb"(?:null|([^,]+))(,[^{}]*\}\}\n)")  # no other object stands in it
_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
_COMMA_FOR_W, _BRACE = bytes.maketrans(b"w", b","), ord("{")
_NO_DIGITS = bytes(set(range(256)) - set(b"0123456789w"))
_NO_RECORD = (ValueError, KeyError, TypeError, OverflowError)
_FEW = 4  # stretches that are read here: to fork takes longer

Reach = tuple[int, int]
"""Where a stretch of whole lines begins and ends."""


class Skimmable(Protocol):
    """A file of records."""

    def stretches(self) -> Sequence[Reach]:
        """All lines that have an end."""

    def torn(self) -> Iterator[Reach]:
        """The line behind them, if it is one. To be asked when all before is known to be good."""

    def lines_together(self, start: int, end: int) -> Iterator[list[bytes]]:
        """The lines of a stretch, some at a time."""

    def row_of(self, line: bytes, number: int, highest: int, slots: Slots | None) -> int:
        """See JournalLines."""

    def foreign(self, number: int) -> UsageError:
        """See JournalLines."""


def skimmed(records: Skimmable, slots: Slots | None) -> Iterator[FinalAnswers]:
    """What the lines of OUT say, in their order; many of them are read on all cores.

    `slots` as in RecordFile.lines. Raises UsageError for what is no record.
    """
    before = highest = 0
    for reach, parts in _skims(records, keyed=slots is not None):
        top = 0 if parts is None or slots is not None else max(part.top for part in parts)
        if parts is None or top > highest + FAR:
            _check(records, reach, (before, highest), slots)
            assert parts is not None  # noqa: S101 - or that has raised
        before += sum(len(part.rows) for part in parts)
        highest = max(highest, top)
        yield from parts if slots is None else (_in_slots(part, slots) for part in parts)


def _in_slots(answers: FinalAnswers, slots: Slots) -> FinalAnswers:
    """The same with the slots of keys."""
    rows = [*map(slots.of, answers.rows)]
    return answers._replace(rows=rows, top=max(rows))


def _skims(records: Skimmable, *, keyed: bool) -> Iterator[tuple[Reach, list[FinalAnswers] | None]]:
    """What each stretch says; None: one of its lines is no record."""

    def work(reach: Reach) -> list[FinalAnswers] | None:
        try:
            return [_said(lines, keyed=keyed) for lines in records.lines_together(*reach)]
        except _NO_RECORD:
            return None

    stretches = records.stretches()
    if len(stretches) < _FEW or cores() == 1:
        yield from ((reach, work(reach)) for reach in stretches)
    else:
        from llmcli.workers import spread  # here, since most OUTs are short

        yield from zip(stretches, spread(work, stretches), strict=True)
    yield from ((reach, work(reach)) for reach in records.torn())


def _said(lines: Sequence[bytes], *, keyed: bool) -> FinalAnswers:
    """What lines say, whose rows are known by keys or by numbers. Raises one of _NO_RECORD where one is no record."""
    try:
        return _ends(lines, keyed=keyed)
    except _NO_RECORD:
        return _wholes(lines, keyed=keyed)


def _ends(lines: Sequence[bytes], *, keyed: bool) -> FinalAnswers:
    """What the first and the last bytes of lines say. Raises one of _NO_RECORD where these are not alike, or are odd.

    What Python does for a line takes as long as to read it. So as much as can be is done for some lines at once.
    """
    rows, digests = _heads(lines, keyed=keyed)
    numbers = None if keyed else rows
    _costs(lines[:1], numbers)  # raises where the first is odd
    costs = _costs_alike(lines, numbers)
    if costs is None:
        costs = _costs(lines, numbers)
    return FinalAnswers(array("Q", rows), max(rows), digests, costs)


def _heads(lines: Sequence[bytes], *, keyed: bool) -> tuple[list[int], array[int]]:
    """Numbers or keys, and digests, of lines whose heads are as long as the first one's."""
    head = HEAD.match(lines[0])
    if head is None or (head[1] is None) != keyed:
        raise ValueError
    known, digest, size = head.start(3 if keyed else 1), head.start(4), -(-head.end() // 8) * 8
    heads = b"".join([*map(itemgetter(slice(size)), lines)])
    between = (16, known - 1, digest - 1, digest + 16, digest + 17)
    if _column(heads, size, 0) != heads[:16] * len(lines) or any(
        heads[place::size].count(heads[place]) < len(lines) for place in between
    ):
        raise ValueError
    digests = _words(_column(heads, size, digest))
    if keyed:
        return _words(_column(heads, size, known)).tolist(), digests
    digits = digest - known - 1
    width = -(-(digits + 2) // 8) * 8
    return _numbers(_column(heads, size, digest - width, width), width, digits), digests


def _column(heads: bytes, size: int, place: int, width: int = 16) -> bytes:
    """What stands in each head from a place on; `size`: bytes of a head. Both it and `width` are whole words."""
    words, step, wide = array("Q", heads[place:] + heads[:place]), size // 8, width // 8
    column = array("Q", bytes(wide * len(heads) // step))
    for word in range(wide):
        column[word::wide] = words[word::step]
    return column.tobytes()


def _words(digits: bytes) -> array[int]:
    """Integers, each of 16 hexadecimal digits."""
    words = array("Q", bytes.fromhex(digits.decode()))
    if 16 * len(words) != len(digits):
        raise ValueError
    if sys.byteorder == "little":
        words.byteswap()
    return words


def _numbers(column: bytes, width: int, digits: int) -> list[int]:
    """Numbers of so many decimal digits, each at the end of so many bytes but for the last one."""
    before = column[: width - 1 - digits]
    numbers = jsonl.ours(b"[1%b]" % column[len(before) : -1].replace(b"_" + before, b",1"))
    if width * len(numbers) != len(column):
        raise ValueError
    one = 10**digits  # it stands before the digits, for no number of JSON begins with 0
    return [number - one for number in numbers]


def _costs_alike(lines: Sequence[bytes], rows: list[int] | None) -> array[float] | None:
    """$ of lines that are, from the cost on, like the first one but for digits; None where one is not."""
    first = lines[0]
    tail = _TAIL.fullmatch(first, first.rfind(_COST))
    if tail is None:
        return None
    like = tail[2] if tail[1] else tail[0]
    tails = b"".join([*map(itemgetter(slice(-len(like), None)), lines)])
    if tails.translate(_ZEROS) != like.translate(_ZEROS) * len(lines):
        return None
    if rows is not None and not _are_said(rows, lines):
        return None
    if not tail[1]:
        return array("d")
    cost, size, end = _COST, len(_COST), -len(like)
    costs = jsonl.ours(b"[%b]" % b",".join([line[line.rfind(cost) + size : end] for line in lines]))
    return array("d", [one or 0.0 for one in costs]) if len(costs) == len(lines) else None


def _are_said(rows: list[int], lines: Sequence[bytes]) -> bool:
    """Whether the ends of lines have the rows of their heads: the rest of one that was torn may be another's.

    How far a `row` is from the end differs with the latency behind it. Where we look are no digits but its own.
    """
    first = lines[0]
    place = first.rfind(_ROW) - len(first)
    begin = place - 8 * (first[place - 1] == _BRACE)  # columns of the input may have digits
    end = place + len(_ROW) + len(str(rows[0])) + len(b',"attempts":') // 2
    said = b"".join([*map(itemgetter(slice(begin, end)), lines)])
    return said.translate(_COMMA_FOR_W, _NO_DIGITS) == b",%b" % jsonl.dumps(rows)[1:-1]


def _costs(lines: Sequence[bytes], rows: list[int] | None) -> array[float]:
    """$ that stand in the last object of each line, from its last `row` on; no column's value can be taken for that."""
    row = _ROW  # once: this is the most that is done for a line
    tails = b"".join([line[line.rfind(row) :] for line in lines])
    *envelopes, nothing = jsonl.ours(b"[{%b}]" % tails.replace(b"}}\n", b"},{"))
    if (
        nothing
        or len(envelopes) != len(lines)
        or not (rows is None or [one["row"] for one in envelopes] == rows[: len(lines)])
    ):
        raise ValueError
    return array("d", [one["cost_usd"] or 0.0 for one in envelopes])


def _wholes(lines: Sequence[bytes], *, keyed: bool) -> FinalAnswers:
    """The same, of lines that are read whole. Raises one of _NO_RECORD."""
    known = [known_in(line, keyed=keyed) for line in lines]
    records = [record_of(line, Place.OUT, retry_failed=False) for line in lines]
    return FinalAnswers(known, max(known), [one.digest for one in records], [one.cost for one in records])


def _check(records: Skimmable, reach: Reach, before: tuple[int, int], slots: Slots | None) -> None:
    """Raise UsageError for the first line that is no record; `before`: how many stand before, and their highest row."""
    number, highest = before
    for line in chain.from_iterable(records.lines_together(*reach)):
        number += 1
        highest = max(highest, records.row_of(line, number, highest, slots))
        try:
            record_of(line, Place.OUT, retry_failed=False)
        except _NO_RECORD:
            raise records.foreign(number) from None


def record_of(line: bytes, place: Place, *, retry_failed: bool) -> Record:
    """What counts of a line. Raises ValueError, KeyError, TypeError or OverflowError for what is no record."""
    data: Any = jsonl.loads(line)
    again = place == Place.ERRORS and (retry_failed or data["error"]["code"] in RETRYABLE)
    cost = float(data["llmcli"]["cost_usd"] or 0)
    if not math.isfinite(cost):
        raise ValueError
    return Record(int(data["id"][-16:], 16), cost, place, again)
