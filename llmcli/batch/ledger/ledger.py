"""The ledger: OUT and OUT.errors are the journal of the run; nothing else says what is done.

A line begins with `{"id":"batch_req_ROW_DIGEST",`: a row's number, and the digest of its body. A row is appended
when it is final, with one write of the whole line; a torn last line is cut off before the first append. A row that
is asked again keeps its old record until it has a new one, which waits beside OUT for the run's end (see Redone): a
row never has two. Earlier builds left two where they were killed, and Done knows which of those counts. Each file is
written by one process, which holds a lock on both. A file that holds anything else is refused as it is.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path

from llmcli import jsonl
from llmcli.batch.input.identity import Identity
from llmcli.batch.ledger.final import GONE, Done, Place
from llmcli.batch.ledger.places import Places
from llmcli.batch.ledger.recordfile import RecordFile
from llmcli.batch.ledger.redone import Redone
from llmcli.batch.ledger.skim import record_of, skimmed
from llmcli.batch.ledger.slots import Slots
from llmcli.errors import LlmcliError, UsageError
from llmcli.settings.batch.run import RunSettings, errors_path, redone_path

_BY_NUMBER = Identity()


class Ledger:
    """Both files of a run. Opening it locks both (Busy where another process has one).

    `fresh`: what they hold is lost, but not before there is something to put in its place.
    """

    def __init__(self, out: str, *, fresh: bool, identity: Identity = _BY_NUMBER) -> None:
        self._identity = identity
        self._slots = None if identity.by == "number" else Slots()
        self.out = RecordFile(Path(out))
        try:
            self.errors = RecordFile(errors_path(Path(out)), named=False)
        except LlmcliError:
            self.out.withdraw()
            self.out.close()
            raise
        self._files = ((self.out, Place.OUT), (self.errors, Place.ERRORS))
        self._redone = Redone(redone_path(Path(out)))
        for records, _ in self._files:
            records.tidy()
        self._done = Done()
        self._resumes = False  # there were records before this run
        self.is_stale = fresh  # the files are to be emptied

    def recover(self, *, retry_failed: bool = False, limit: int | None = None) -> Done:
        """Read what is final. Raises UsageError where a file holds what is no record of a batch."""
        done = self._done = Done(limit, self._slots)
        if self.is_stale:
            return done
        _check_identity(self.out, self._identity)
        self._redone.merge(self._files, self._slots)
        done.take_answers(skimmed(self.out, self._slots))
        _check_identity(self.errors, self._identity)
        _take_failures(done, self.errors, retry_failed=retry_failed)
        self._resumes = bool(done)
        return done

    def finish(self, *, ordered: bool) -> None:
        """Take out what does not count any more, at a run's end; `ordered`: put all in the order of the input."""
        self._renew()
        if self._redone.has_new:
            self._redone.merge(self._files, self._slots)
        if ordered or self._done.superseded:
            self._done.superseded = False  # one attempt: a signal may have ended it
            self.sync()
            for records, place in self._files:
                self._rewrite(records, place, ordered=ordered)

    def _renew(self) -> None:
        """Begin the files anew, where that was asked for."""
        if self.is_stale:
            self.is_stale = False
            self._redone.drop()
            for records, _ in self._files:
                records.empty()

    def _rewrite(self, records: RecordFile, place: Place, *, ordered: bool) -> None:
        """Keep the last record of each row that has its own here: some 50 bytes of memory a row."""
        rows, ends = array("Q"), array("Q", [0])
        for row, line in records.lines(self._slots):
            rows.append(row)
            ends.append(ends[-1] + len(line))
        last = array("Q", bytes(8 * (max(rows, default=-1) + 1)))
        for index, row in enumerate(rows):
            last[row] = index
        kept = [i for i, row in enumerate(rows) if last[row] == i and self._done.counts(row, place)]
        if ordered:
            kept.sort(key=lambda index: self._done.place(rows[index]))
        if len(kept) < len(rows) or any(left > right for left, right in pairwise(kept)):
            records.rewrite(records.between(ends[index], ends[index + 1]) for index in kept)

    def places(self, rows: int | None = None) -> Places:
        """Where each row's record stands; `rows`: so many has the input. Nothing is stale or superseded any more."""
        self.finish(ordered=False)
        done = self._done

        def place_of(row: int) -> int | None:
            place = done.place(row)
            if rows is None:
                return place - GONE + done.seen if place >= GONE else place
            return place if place < rows else None

        return Places([self.out, self.errors], self._slots, place_of)

    def answers(self) -> Places:
        """Where the answer of each row stands that has one by now, by what records are kept by."""
        return Places([self.out], self._slots, lambda row: row)

    def room(self, _row: int) -> bool:
        """Whether a row may be begun: always, in a file."""
        return True

    def write(self, row: int, line: bytes, *, failed: bool) -> None:
        """Append a row's record: to OUT, or to OUT.errors. Raises OutputFailure."""
        if self.is_stale:
            self._renew()
        if self._resumes and self._done.has_record(row):
            self._redone.append(line)
            self._done.replaced(row, Place.ERRORS if failed else Place.OUT)
        else:
            (self.errors if failed else self.out).append(line)

    def write_all(self, answers: Sequence[tuple[int, bytes]]) -> bool:
        """See Records: in one write, where no row has a record yet."""
        if self.is_stale or (self._resumes and any(self._done.has_record(row) for row, _ in answers)):
            return False
        self.out.append(b"".join([line for _, line in answers]))
        return True

    def sync(self) -> None:
        """Have the disk keep both files."""
        self.out.sync()
        self.errors.sync()
        self._redone.sync()

    def withdraw(self) -> None:
        """Leave no empty file behind that was not there before, where nothing was sent."""
        for records, _ in self._files:
            records.withdraw()

    def close(self) -> None:
        """Take out what does not count any more, sync, and let the lock go. Raises OutputFailure."""
        try:
            if not self.is_stale:
                self.finish(ordered=False)
            self.sync()
        finally:
            self._redone.close()
            self.errors.close()
            self.out.close()


def done_so_far(options: RunSettings, identity: Identity) -> Done:
    """What a run would find done, with nothing made, locked or changed.

    Raises what it would, but Busy: another run may have ended by then.
    """
    out, again = Path(options.kept or ""), options.retry_failed
    done = Done(options.limit, None if identity.by == "number" else Slots())
    with ExitStack() as stack:
        records = stack.enter_context(closing(RecordFile(out, stands=True)))
        errors = stack.enter_context(closing(RecordFile(errors_path(out), named=False, stands=True)))
        if options.fresh:
            return done
        _check_identity(records, identity)
        done.take_answers(skimmed(records, done.slots))
        _check_identity(errors, identity)
        _take_failures(done, errors, retry_failed=again)
    for row, record in Redone(redone_path(out)).standing(done.slots, retry_failed=again):
        done.supersede(row, record)
    return done


def _check_identity(records: RecordFile, identity: Identity) -> None:
    """Raise UsageError where a file's rows are known by something else than this run's."""
    check_known(records.path, records.first_known_by(), identity)


def check_known(path: Path | str, known: tuple[str, bytes] | None, identity: Identity) -> None:
    """Raise UsageError where records are known by something else than this run's, see `row_known_by`."""
    if known is not None and (was := identity_of(*known)) != identity:
        todo = "type the command as it was, choose another -O, or start over with --fresh"
        raise UsageError(f"{path} knows its rows by {was}, not by {identity}", todo=todo)


def _take_failures(done: Done, errors: RecordFile, *, retry_failed: bool) -> None:
    """Take in the records of OUT.errors. Raises UsageError for what is no record."""
    for number, (row, line) in enumerate(errors.lines(done.slots), 1):
        try:
            record = record_of(line, Place.ERRORS, retry_failed=retry_failed)
        except (ValueError, KeyError, TypeError, OverflowError):
            raise errors.foreign(number) from None
        done.take(row, record)


def identity_of(letter: str, line: bytes) -> Identity:
    """What the row of a record is known by."""
    by = {"i": "id", "p": "path", "f": "file"}.get(letter, "number")
    column = jsonl.loads(line)["llmcli"].get("id_column") if by == "id" else None
    return Identity(by, column)  # type: ignore[arg-type]
