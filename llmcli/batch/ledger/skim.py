"""The skim: what counts of each record of OUT, as a rule by the first and the last bytes of its line alone."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Protocol

from llmcli import jsonl
from llmcli.batch.ledger.final import FinalAnswers, Place, Record
from llmcli.batch.ledger.journal_lines import FAR, HEAD, known_in
from llmcli.batch.ledger.slots import Slots
from llmcli.errors import UsageError
from llmcli.wire import Json

# Final in this run, worth another try in the next: moods of the server and the network, a key, an account, and
# batches that ended before their time.
RETRYABLE = frozenset({"tempfail", "auth", "quota", "batch_expired"})

_BEGIN, _ROW = b'{"id":"batch_req_', b'"row":'
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
    for reach, answers in _skims(records, keyed=slots is not None):
        top = 0 if answers is None or slots is not None else max(answers.rows)
        if answers is None or top > highest + FAR:
            _check(records, reach, (before, highest), slots)
            assert answers is not None  # noqa: S101 - or that has raised
        before += len(answers.rows)
        highest = max(highest, top)
        yield answers if slots is None else answers._replace(rows=[slots.of(key) for key in answers.rows])


def _skims(records: Skimmable, *, keyed: bool) -> Iterator[tuple[Reach, FinalAnswers | None]]:
    """What each stretch says; None: one of its lines is no record."""

    def work(reach: Reach) -> FinalAnswers | None:
        return _skim(records.lines_together(*reach), keyed=keyed)

    stretches = records.stretches()
    if stretches:
        from llmcli.workers import spread  # here, since a new OUT has none

        yield from zip(stretches, spread(work, stretches, 1 if len(stretches) < _FEW else None), strict=True)
    yield from ((reach, work(reach)) for reach in records.torn())


def _skim(stretch: Iterator[list[bytes]], *, keyed: bool) -> FinalAnswers | None:
    """What lines say, whose rows are known by keys or by numbers; None where one is no record."""
    rows, digests, costs = array("Q"), array("Q"), array("d")
    for lines in stretch:
        try:
            part = _ends(lines, keyed=keyed)
        except _NO_RECORD:
            try:
                part = _wholes(lines, keyed=keyed)
            except _NO_RECORD:
                return None
        rows.extend(part.rows)
        digests.extend(part.digests)
        costs.extend(part.costs)
    return FinalAnswers(rows, digests, costs)


def _ends(lines: Sequence[bytes], *, keyed: bool) -> FinalAnswers:
    """What the first and the last bytes of lines say. Raises one of _NO_RECORD where these are not alike, or are odd.

    What Python does for a line takes as long as to read it. So as much as can be is done for some lines at once: what
    is to be parsed of them becomes one array of JSON.
    """
    known, digests = _heads(lines, keyed=keyed)
    envelopes = _envelopes(lines)
    if len(envelopes) != len(lines) or not (keyed or [one["row"] for one in envelopes] == known):
        raise ValueError
    return FinalAnswers(array("Q", known), digests, array("d", [one["cost_usd"] or 0.0 for one in envelopes]))


def _heads(lines: Sequence[bytes], *, keyed: bool) -> tuple[Sequence[int], array[int]]:
    """Numbers or keys, and digests, of lines whose heads are as long as the first one's."""
    first = HEAD.match(lines[0])
    if first is None or (first[1] is None) != keyed:
        raise ValueError
    size, mark = first.end(), first[2] or b""
    heads = b"".join([line[:size] for line in lines]).replace(_BEGIN + mark, b'"' if keyed else b"1")
    found = jsonl.ours(b"[%b]" % heads.replace(b"_", b'","' if keyed else b',"')[:-1])
    if len(found) != 2 * len(lines):
        raise ValueError
    if keyed:
        return _words(found[::2]), _words(found[1::2])
    one = 10 ** len(first[1])  # it stands before the digits, for no number of JSON begins with 0
    return [number - one for number in found[::2]], _words(found[1::2])


def _words(digits: Sequence[str]) -> array[int]:
    """Integers, each of 16 hexadecimal digits."""
    words = array("Q", bytes.fromhex("".join(digits)))
    if len(words) != len(digits):
        raise ValueError
    if sys.byteorder == "little":
        words.byteswap()
    return words


def _envelopes(lines: Sequence[bytes]) -> list[Json]:
    """What stands in the last object of each line, from its last `row` on; no column's value can be taken for that."""
    row = _ROW  # once: this is the most that is done for a line
    tails = b"".join([line[line.rfind(row) :] for line in lines])
    envelopes: list[Json]
    *envelopes, nothing = jsonl.ours(b"[{%b}]" % tails.replace(b"}}\n", b"},{"))
    if nothing:
        raise ValueError
    return envelopes


def _wholes(lines: Sequence[bytes], *, keyed: bool) -> FinalAnswers:
    """The same, of lines that are read whole. Raises one of _NO_RECORD."""
    known = [known_in(line, keyed=keyed) for line in lines]
    records = [record_of(line, Place.OUT, retry_failed=False) for line in lines]
    return FinalAnswers(known, [one.digest for one in records], [one.cost for one in records])


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
