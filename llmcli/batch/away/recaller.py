"""The recaller: has batches end before their time, and says which of them will never end by themselves."""

from __future__ import annotations

from contextlib import suppress

from llmcli.batch.away.closer import Closer
from llmcli.batch.away.desk import Desk
from llmcli.batch.away.fetching.fetcher import Fetched
from llmcli.batch.away.manifest import Portion
from llmcli.batch.away.sender import Sender, until_answered
from llmcli.errors import CallFailed, Rejected
from llmcli.transport.batches.base import BatchSeen

_AFTER = 3600.0  # seconds after its time in which a batch may still end by itself
CANCELLING = 900.0  # seconds that a batch may take to be cancelled: ten minutes are documented


class Recaller:
    """Cancels batches."""

    def __init__(self, desk: Desk, sender: Sender, closer: Closer) -> None:
        self._desk, self._sender, self._closer = desk, sender, closer

    async def recall(self, portion: Portion) -> None:
        """Cancel a portion's batch, if it has one; else its rows are open. Raises the CallFailed family."""
        api = self._desk.api_of(self._desk.like(portion))
        if portion.batch is None and not await self._sender.find(portion):
            await self._closer.settle(portion, "recalled", Fetched(0, 0, portion.rows))
            return
        batch = portion.batch or ""
        try:
            seen = await until_answered(lambda: api.batch(batch), self._desk)
            if not seen.has_ended and seen.status != "cancelling":
                await until_answered(lambda: api.cancel(batch), self._desk)
        except Rejected as error:
            if error.meant == 404:
                self._desk.say(f"warning: the batch {batch} is not there: its rows are open")
                await self._closer.settle(portion, "gone", Fetched(0, 0, portion.rows))
                return
        self._begin(portion)

    async def is_over(self, portion: Portion, seen: BatchSeen) -> bool:
        """Whether a batch is at its end, or to be taken for one that is: it was cancelled long ago.

        One that is long past its time is cancelled first: a server that crashed may end neither by itself.
        """
        if seen.has_ended:
            return True
        if seen.status == "cancelling" or portion.cancelling is not None:
            return self._desk.now - self._begin(portion) > CANCELLING
        expires = self._desk.terms_of(self._desk.like(portion)).expires
        if expires and seen.expires is not None and self._desk.now > seen.expires + _AFTER:
            self._desk.say(
                f"batch {portion.batch} should have ended an hour ago, and is {seen.status}: cancelled"
            )
            self._begin(portion)
            api = self._desk.api_of(self._desk.like(portion))
            with suppress(CallFailed):  # it ends without, too
                await api.cancel(portion.batch or "")
        return False

    def _begin(self, portion: Portion) -> float:
        """Since when (s since 1970) a batch is being cancelled, which the next run is to know."""
        if portion.cancelling is None:
            self._desk.manifest.note(portion, cancelling=self._desk.now)
        return portion.cancelling or 0.0
