"""Redone: the records of rows that were asked again, beside OUT, until they take the place of the older ones.

A row has one record in OUT and OUT.errors at any time, wherever a run is killed: the older one until
`OUT.redone.jsonl` is merged into both, at the run's end or at the next one's beginning, then the newer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path

from llmcli import files, jsonl
from llmcli.batch.ledger.final import Place, Record
from llmcli.batch.ledger.places import Places
from llmcli.batch.ledger.recordfile import RecordFile
from llmcli.batch.ledger.skim import record_of
from llmcli.batch.ledger.slots import Slots

Files = Sequence[tuple[RecordFile, Place]]
"""OUT and OUT.errors."""


class Redone:
    """The file of such records, which is there only while it has some. Raises OutputFailure."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records: RecordFile | None = None
        self.has_new = False  # records of this run that nobody has tried to merge yet

    def append(self, line: bytes) -> None:
        """Add the record of a row that has an older one."""
        if self._records is None:
            self._records = RecordFile(self._path, named=False)
        self._records.append(line)
        self.has_new = True

    def sync(self) -> None:
        """Have the disk keep it."""
        if self._records is not None:
            self._records.sync()

    def close(self) -> None:
        """Let the file go, and leave what was not merged to the next run."""
        if self._records is not None:
            self._records.close()
            self._records = None

    def drop(self) -> None:
        """Take the file away."""
        if self._open():
            self._remove()

    def merge(self, both: Files, slots: Slots | None) -> None:
        """Put the records into their files, in the place of the older ones. Once killed, it can be done again.

        First what is older leaves OUT.errors, then OUT has what is newer. Raises UsageError for what is no record.
        """
        self.has_new = False  # one attempt: a signal may have ended it
        if not self._open():
            return
        assert self._records is not None  # noqa: S101 - it is open
        redone = Places([self._records], slots, lambda row: row)
        for older, place in reversed(both):
            newer = (line for line in redone.lines() if _file_of(line) == place)
            if any(row in redone for row, _ in older.lines(slots)):
                older.rewrite(chain(_others(older, redone, slots), newer))
            for line in newer:  # where none had to go
                older.append(line)
            older.sync()
        self._remove()

    def standing(self, slots: Slots | None, *, retry_failed: bool) -> Iterator[tuple[int, Record]]:
        """What counts of each record, which stays where it is. Raises UsageError for what is no record."""
        if not files.exists(self._path):
            return
        with closing(RecordFile(self._path, named=False, stands=True)) as records:
            for number, (row, line) in enumerate(records.lines(slots), 1):
                try:
                    yield row, record_of(line, _file_of(line), retry_failed=retry_failed)
                except (ValueError, KeyError, TypeError, OverflowError):
                    raise records.foreign(number) from None

    def _open(self) -> bool:
        """Whether there is a file, which is open then."""
        if self._records is None and files.exists(self._path):
            self._records = RecordFile(self._path, named=False)
        return self._records is not None

    def _remove(self) -> None:
        assert self._records is not None  # noqa: S101 - it is open
        self._records.remove()
        self.close()


def _others(older: RecordFile, redone: Places, slots: Slots | None) -> Iterator[bytes]:
    return (line for row, line in older.lines(slots) if row not in redone)


def _file_of(line: bytes) -> Place:
    return Place.OUT if jsonl.loads(line)["error"] is None else Place.ERRORS
