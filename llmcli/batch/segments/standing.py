"""What stands: the rows that the segments of a part say are final."""

from __future__ import annotations

from llmcli.batch.input.identity import Identity
from llmcli.batch.ledger.final import Done, Place
from llmcli.batch.ledger.journal_lines import row_known_by
from llmcli.batch.ledger.ledger import check_known
from llmcli.batch.ledger.skim import record_of, skimmed
from llmcli.batch.ledger.slots import Slots
from llmcli.batch.segments.segment import ReadSegment


class StandingRows:
    """`done` is what all segments that were taken in say; `retry_failed` as in Ledger.recover."""

    def __init__(self, identity: Identity, *, retry_failed: bool, limit: int | None) -> None:
        self._identity, self._retry_failed, self._limit = identity, retry_failed, limit
        self.done = self._nothing()

    def _nothing(self) -> Done:
        return Done(self._limit, None if self._identity.by == "number" else Slots())

    def take(self, segment: ReadSegment) -> None:
        """Take in the next segment. Raises UsageError where it holds what is no record of such a batch."""
        if segment.is_fresh:
            self.done = self._nothing()
        check_known(segment.path, row_known_by(segment.first()), self._identity)
        self.done.take_answers(skimmed(segment, self.done.slots))
        for number, (row, line) in enumerate(segment.failures(self.done.slots), segment.answers + 2):
            try:
                record = record_of(line, Place.ERRORS, retry_failed=self._retry_failed)
            except (ValueError, KeyError, TypeError, OverflowError):
                raise segment.foreign(number) from None
            self.done.supersede(row, record)
