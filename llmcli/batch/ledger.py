"""The ledger: OUT and OUT.errors are the journal of the run; nothing else says what is done.

A line begins with `{"id":"batch_req_ROW_DIGEST",`, so that a row's number and the digest of its body are found
in its first bytes. A row is appended when it is final, with one write of the whole line; a torn last line is cut
off before the first append. Each file is written by one process, which holds a lock on both. A file that holds
anything else is refused as it is.
"""

from __future__ import annotations

import os
from array import array
from itertools import pairwise
from pathlib import Path

from llmcli import jsonl
from llmcli.batch.done import Done, row_of
from llmcli.batch.journal import Journal
from llmcli.errors import LlmcliError

# Final in this run, worth another try in the next: the server's and the network's moods.
RETRYABLE = frozenset({"tempfail"})


class Ledger:
    """Both files of a run. Opening it locks both (Busy where another process has one)."""

    def __init__(self, out: str, *, fresh: bool) -> None:
        self.out = Journal(Path(out))
        try:
            self.errors = Journal(errors_path(Path(out)))
        except LlmcliError:
            self.out.close()
            raise
        for journal in (self.out, self.errors):
            journal.tidy()
            if fresh:
                os.ftruncate(journal.descriptor, 0)

    def recover(self, *, retry_failed: bool) -> Done:
        """Read what is final; failures that are to be tried again are taken off OUT.errors first.

        Raises UsageError where a file holds what is no record of a batch.
        """
        done = Done()
        for _, line in self.out.lines():
            done.take(line)
        again = 0
        for offset, line in self.errors.lines():
            if retry_failed or self._retryable(offset, line):
                again += 1
                done.carry(line)
            elif done.take(line):
                done.failed += 1
        if again:
            self.errors.rewrite(
                line
                for offset, line in self.errors.lines()
                if not (retry_failed or self._retryable(offset, line))
            )
        return done

    def _retryable(self, offset: int, line: bytes) -> bool:
        try:
            return jsonl.loads(line)["error"]["code"] in RETRYABLE
        except (ValueError, KeyError, TypeError):
            raise self.errors.foreign(offset) from None

    def drop(self, rows: set[int], before: Done) -> Done:
        """Take the records of rows off both files, so that they can be written anew: what is final then."""
        for journal in (self.out, self.errors):
            taken = 0
            for _, line in journal.lines():
                if row_of(line) in rows:
                    taken += 1
                    before.carry(line)
            if taken:
                journal.rewrite(line for _, line in journal.lines() if row_of(line) not in rows)
        done = self.recover(retry_failed=False)
        done.carried = before.carried
        done.spent += sum(done.carried.values())
        return done

    def put_in_order(self) -> None:
        """Rewrite both files in the order of the input, where they are not: some 50 bytes of memory a row."""
        for journal in (self.out, self.errors):
            rows, places = array("Q"), array("Q", [0])
            for offset, line in journal.lines():
                rows.append(row_of(line))
                places.append(offset + len(line))
            if any(left > right for left, right in pairwise(rows)):
                order = sorted(range(len(rows)), key=rows.__getitem__)
                journal.rewrite(journal.between(places[index], places[index + 1]) for index in order)

    def room(self, _row: int) -> bool:
        """Whether a row may be begun: always, in a file."""
        return True

    def write(self, _row: int, line: bytes, *, failed: bool) -> None:
        """Append a row's record: to OUT, or to OUT.errors. Raises OutputFailure."""
        (self.errors if failed else self.out).append(line)

    def sync(self) -> None:
        """Have the disk keep both files."""
        self.out.sync()
        self.errors.sync()

    def close(self) -> None:
        """Sync, and let the lock go. Raises OutputFailure."""
        try:
            self.sync()
        finally:
            self.errors.close()
            self.out.close()


def errors_path(out: Path) -> Path:
    """`OUT.errors.jsonl` beside `OUT.jsonl`."""
    return out.with_suffix(".errors.jsonl") if out.suffix == ".jsonl" else Path(f"{out}.errors.jsonl")
