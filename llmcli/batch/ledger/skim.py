"""The skim: what counts of each record of OUT, as a rule by the first and the last bytes of its line alone."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Protocol

from llmcli import jsonl
from llmcli.batch.ledger.final import Place, Record
from llmcli.batch.ledger.journal_lines import FAR, HEAD
from llmcli.batch.ledger.slots import Slots
from llmcli.errors import UsageError

# Final in this run, worth another try in the next: moods of the server and the network, a key, an account, and
# batches that ended before their time.
RETRYABLE = frozenset({"tempfail", "auth", "quota", "batch_expired"})

_ROW = b'"row":'
_TAIL = re.compile(  # what comes behind the row's own columns, which may hold an envelope, in one that holds no other
    rb'(?:(?<=,"llmcli":\{)|(?<=\},))"row":\d+,(?:"file":"[^"\\]*",)?(?:"id_column":"[^"\\]*",)?"attempts":\d+,'
    rb'"latency_ms":(?:null|[\d.]+),"cost_usd":(?:null|(\d{1,12}(?:\.\d{1,30})?(?:e-?\d\d?)?)),"model":"[^"\\]*","at":"[^"\\]*"'
    rb'(?:,"api":"\w+")?(?:,"via":"batch")?(?:,"cached":true)?(?:,"choice":\{[^][{}\\]*\})?\}\}\n'
)


class Skimmable(Protocol):
    """Lines of records in stretches of them."""

    def stretches(self) -> Iterator[bytes]:
        """All lines."""

    def row_of(self, line: bytes, number: int, highest: int, slots: Slots | None) -> int:
        """See JournalLines."""

    def foreign(self, number: int) -> UsageError:
        """See JournalLines."""


def skimmed(records: Skimmable, slots: Slots | None) -> Iterator[tuple[int, int, float]]:
    """(row, digest, $) of each line of OUT; a line whose ends say anything unusual is read whole.

    `slots` as in RecordFile.lines. Raises UsageError for what is no record.
    """
    number = highest = 0
    head_of, tail_of = HEAD.match, _TAIL.match
    for stretch in records.stretches():
        start, find, rfind = 0, stretch.find, stretch.rfind  # once: this loop is all that a row takes
        while end := find(b"\n", start) + 1:
            number += 1
            head, tail = head_of(stretch, start, end), tail_of(stretch, rfind(_ROW, start, end), end)
            if head and tail and slots is None and (row := int(head[1] or FAR)) < highest + FAR:
                digest, cost = int(head[4], 16), float(tail[1] or 0)
            elif head and tail and slots is not None and head[1] is None:
                row, digest, cost = slots.of(int(head[3], 16)), int(head[4], 16), float(tail[1] or 0)
            else:
                line = stretch[start:end]
                row = records.row_of(line, number, highest, slots)
                digest, cost = _read_whole(records, line, number)
            highest = max(highest, row)
            start = end
            yield row, digest, cost


def _read_whole(records: Skimmable, line: bytes, number: int) -> tuple[int, float]:
    try:
        record = record_of(line, Place.OUT, retry_failed=False)
    except (ValueError, KeyError, TypeError, OverflowError):
        raise records.foreign(number) from None
    return record.digest, record.cost


def record_of(line: bytes, place: Place, *, retry_failed: bool) -> Record:
    """What counts of a line. Raises ValueError, KeyError, TypeError or OverflowError for what is no record."""
    data: Any = jsonl.loads(line)
    again = place == Place.ERRORS and (retry_failed or data["error"]["code"] in RETRYABLE)
    cost = float(data["llmcli"]["cost_usd"] or 0)
    if not math.isfinite(cost):
        raise ValueError
    return Record(int(data["id"][-16:], 16), cost, place, again)
