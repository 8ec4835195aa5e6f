"""The ledger of a part on an object store: its records are the segments', and are saved every minute at the latest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress

from llmcli.batch.input.identity import Identity
from llmcli.batch.ledger.final import Done
from llmcli.batch.segments.lease import Lease, taken_over
from llmcli.batch.segments.segment import RecordSegment
from llmcli.batch.segments.segment_log import SegmentLog
from llmcli.batch.segments.standing import StandingRows
from llmcli.batch.segments.unsaved import Unsaved
from llmcli.batch.shards.mark import Mark
from llmcli.errors import LlmcliError


class StoredLedger:
    """Takes the lease (Busy where another runs the part), and keeps it until `close`.

    `fresh`: what the segments hold is lost, but not before there is something to put in its place. `is_stale`: that
    is still to come.
    """

    def __init__(
        self, log: SegmentLog, lease: Lease, clock: Callable[[], float], identity: Identity, *, fresh: bool
    ) -> None:
        self._log, self._lease, self._bucket = log, lease, log.bucket
        self._identity = identity
        self._unsaved = Unsaved(clock)
        self._end: Mark | None = None  # what the last segment says
        self._pending: tuple[int, bytes] | None = None  # a segment that may be there already
        self._saving: Future[None] | None = None
        self._turn = asyncio.Lock()
        self.is_stale = fresh
        self._takes_over = self._bucket.wait(lease.take())
        self._keeping = self._bucket.begin(lease.keep())

    def recover(self, *, retry_failed: bool = False, limit: int | None = None) -> Done:
        """Read what is final. Raises UsageError where a segment is none."""
        standing = StandingRows(self._identity, retry_failed=retry_failed, limit=limit)
        self._read(standing)
        while self._takes_over:  # with a segment of ours, what another has under way is refused
            number = self._log.last + 1
            claim = RecordSegment(number, self._lease.writer).content()
            self._takes_over = not self._bucket.wait(self._log.append(number, claim))
            self._end = None
            self._read(standing)
        return standing.done

    def _read(self, standing: StandingRows) -> None:
        """Take in the segments that are new."""
        for segment in self._log.new():
            self._end = segment.end
            if not self.is_stale:
                standing.take(segment)

    def room(self, _row: int) -> bool:
        """Whether a row may be begun: what a kill now would lose is bounded."""
        return self._lease.lost is None and self._unsaved.has_room

    def write(self, _row: int, line: bytes, *, failed: bool) -> None:
        """Take in a row's record, which is saved soon."""
        self._unsaved.add(line, failed=failed)

    def write_all(self, _answers: Sequence[tuple[int, bytes]]) -> bool:
        """See Records: a segment is what is written at once."""
        return False

    def sync(self) -> None:
        """See to it that what is due is being saved. Raises what that came to: OutputFailure, Busy."""
        if self._lease.lost is not None:
            raise self._lease.lost
        if self._saving is not None:
            if not self._saving.done():
                return
            self._saving.result()
        self._saving = self._bucket.begin(self._save()) if self._unsaved.is_due else None

    def finish(self, *, ordered: bool) -> None:  # noqa: ARG002 - segments have an order of their own
        """Save all. Raises OutputFailure, Busy."""
        if self._saving is not None:
            with suppress(Exception):  # the next attempt tells of it
                self._saving.result()
            self._saving = None
        while self._pending is not None or self._unsaved.size:
            self._bucket.wait(self._save())

    def end(self, mark: Mark) -> None:
        """The part has come to its end. Raises OutputFailure, Busy."""
        self.finish(ordered=False)
        if self._end != mark:
            self._bucket.wait(self._save(mark))

    def withdraw(self) -> None:
        """Nothing was made that others could take for records."""

    def close(self) -> None:
        """Save what is left, and let another have the part. Raises OutputFailure, Busy."""
        try:
            self.finish(ordered=False)
        finally:
            self._keeping.cancel()
            if self._pending is None:
                with suppress(LlmcliError):  # then it lapses
                    self._bucket.wait(self._lease.release())

    async def _save(self, end: Mark | None = None) -> None:
        """Make a segment of what is not saved."""
        async with self._turn:  # one that was cancelled may not have ended
            await self._save_next(end)

    async def _save_next(self, end: Mark | None) -> None:
        self._pending = self._pending or self._sealed(end)
        number, content = self._pending
        if not await self._log.append(number, content):
            self._lease.lost = self._lease.lost or taken_over(self._bucket.named(self._log.shard.name))
            raise self._lease.lost
        self._pending, self._end = None, end
        self._unsaved.saved()
        if self.is_stale:
            self.is_stale = False
            await self._log.forget(number)

    def _sealed(self, end: Mark | None) -> tuple[int, bytes]:
        """The next segment, in bytes alone: they wait for a store while many more records come."""
        answers, failures = self._unsaved.seal()
        number = self._log.last + 1
        segment = RecordSegment(number, self._lease.writer, answers, failures, self.is_stale, end)
        return number, segment.content()
