"""The courier: sends portions, looks at what is away, fetches what has ended, until nothing is open or away."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import aclosing, closing

from llmcli.batch.away.closer import Closer
from llmcli.batch.away.cutter import Cutter
from llmcli.batch.away.desk import Desk, batches_in_words, rows_in_words
from llmcli.batch.away.fetching.fetcher import Fetched, Fetcher
from llmcli.batch.away.manifest import Portion
from llmcli.batch.away.recaller import Recaller
from llmcli.batch.away.sender import Sender
from llmcli.batch.away.spool import tidy
from llmcli.batch.away.terms import StillAway
from llmcli.batch.away.watcher import Watcher
from llmcli.batch.engine.run import OpenedInput
from llmcli.errors import BudgetExceeded, CallFailed, PartialFailure, Rejected
from llmcli.transport.batches.base import BatchSeen

_FIRST, _LONGEST, _GROWTH = 10.0, 300.0, 1.5  # seconds between two looks
_SOON = 1.0  # seconds that nobody waits for
_IDLE = 3  # rounds that may bring no row to its end


class Courier:
    """Carries rows through the Batch API. `source` opens the input anew for each round. Each is used once."""

    def __init__(self, desk: Desk, source: Callable[[], OpenedInput]) -> None:
        self._desk, self._source = desk, source
        self._manifest = desk.manifest
        self._sender, self._closer = Sender(desk), Closer(desk)
        self._watcher = Watcher(desk)
        self._recaller = Recaller(desk, self._sender, self._closer)
        self._mended_ok = self._mended_failed = 0
        self._aside: dict[int, Fetched] = {}  # portions with rows that are to be mended live
        self._held: Portion | None = None  # that waits for others to end
        self.rows = 0  # of the input
        self.is_complete = False  # they are all that it has

    async def carry(self, *, wait: bool) -> None:
        """Have all rows final; with `wait` False, only what is ready. Raises what stopped the run."""
        tidy(self._manifest)
        await self._recover()
        idle = 0
        while idle < _IDLE:
            self._closer.begin()
            if idle == _IDLE - 1:
                self._desk.finish = "stop"  # what does not end now, never does
            self._desk.done.rewind()
            cutter = Cutter(self._desk, self._source())
            try:
                await self._round(cutter, wait=wait)
            finally:
                await cutter.close()
                self.rows, self.is_complete = (
                    cutter.rows,
                    cutter.is_over and self._desk.run.plan.limit is None,
                )
            if self._active or (self._closer.over is not None and not self._has_room_again()):
                break
            await self._mend()
            if self._closer.over is not None:
                self._closer.over = None
                continue
            if not self._closer.fetched.open or self._desk.finish != "batch":
                break
            idle = 0 if self._closer.has_come_further else idle + 1
        await self._mend()
        await self._closer.sweep()
        self._end()

    async def _mend(self) -> None:
        """Have rows made final live that came with something to be mended; until then their batch stays unsettled."""
        aside, desk = dict(self._aside), self._desk
        if not aside or desk.mend is None:
            return
        rows = [each for fetched in aside.values() for each in fetched.aside]
        for row, _ in rows:
            desk.done.back(row.slot)
        desk.done.rewind()
        mended = await desk.mend(rows)
        self._mended_ok, self._mended_failed = (
            self._mended_ok + mended.ok,
            self._mended_failed + mended.failed,
        )
        desk.records.sync()
        for number, fetched in aside.items():
            del self._aside[number]
            portion, seen = self._manifest.portions[number], self._watcher.seen[number]
            await self._closer.settle(portion, seen.status, fetched, seen)
        desk.done.rewind()
        self.rows = self._count()

    @property
    def _active(self) -> list[Portion]:
        """The portions that are still to come back."""
        return [portion for portion in self._manifest.away if portion.number not in self._aside]

    async def recall(self) -> None:
        """Cancel what is away, and fetch what it has done."""
        tidy(self._manifest)
        await self._call_back()
        await self._mend()
        await self._closer.sweep()
        self._desk.done.rewind()
        self.rows = self._count()
        done = self._desk.done
        if (left := self.rows - done.count - self._mended_ok - self._mended_failed) > 0:
            what = f"{rows_in_words(left)} {'is' if left == 1 else 'are'} open"
            raise StillAway(what, todo="run them live, or with --via batch")

    def _count(self) -> int:
        """The rows of the input."""
        source, number, limit = self._source(), 0, self._desk.run.plan.limit
        with closing(source):
            while (limit is None or number < limit) and (row := source.next()) is not None:
                number += 1
                if row.key is not None:
                    self._desk.done.admit(row)
        return number

    def _has_room_again(self) -> bool:
        """Whether the budget may have room for more: what has come back cost less than was set aside for it."""
        return isinstance(self._closer.over, BudgetExceeded) and self._closer.has_come_further

    def _end(self) -> None:
        over, away = self._closer.over, self._manifest.away
        if over is not None and not (isinstance(over, BudgetExceeded) and away):
            raise over
        if away:
            rows = sum(portion.rows for portion in away)
            what = (
                f"{rows_in_words(rows)} {'is' if rows == 1 else 'are'} away in {batches_in_words(len(away))}"
            )
            raise StillAway(f"{what}; {over.what}" if over is not None else what)
        if failed := self._desk.done.failed + self._mended_failed:
            raise PartialFailure(f"{failed} of {self.rows} rows failed")

    # --- One round ------------------------------------------------------------------------------------------------

    async def _recover(self) -> None:
        """Finish what an earlier run began, and fetch what has ended since."""
        for portion in self._manifest.away:
            if portion.batch is None:
                await self._send(portion, again=True)
        await self._look()

    async def _round(self, cutter: Cutter, *, wait: bool) -> None:
        """Send what is open, and wait for it to come back."""
        delay = 0.0
        while True:
            if await self._send_more(cutter):
                delay = 0.0
            if not wait or not self._active:
                return
            await self._rest(min(delay, max(self._patience(), _SOON)))
            delay = self._later(delay)
            if await self._look():
                delay = min(delay, _FIRST)
            if self._active and self._patience() <= _SOON:
                rows = rows_in_words(sum(portion.rows for portion in self._active))
                self._desk.say(f"the deadline is near: {rows} called back, to go live")
                await self._call_back()
                return

    async def _send_more(self, cutter: Cutter) -> bool:
        """Send portions as far as the provider takes them; whether there was one."""
        sent = False
        while self._closer.over is None:
            portion = self._held or (None if cutter.is_over else await cutter.next())
            self._held = portion
            if portion is None:
                self._closer.over = cutter.over
                return sent
            if self._is_beyond_limit(portion):
                return sent
            self._held = None
            await self._send(portion, again=False)
            sent = True
        return sent

    def _is_beyond_limit(self, portion: Portion) -> bool:
        """Whether so many tokens of a model are enqueued that a portion must wait for others to end."""
        limit = self._manifest.limits.get(portion.model)
        if limit is None or portion.tokens is None:
            return False
        others = [
            each for each in self._manifest.away if each.model == portion.model and each.batch is not None
        ]
        return bool(others) and sum(each.tokens or 0 for each in others) + portion.tokens > limit

    async def _send(self, portion: Portion, *, again: bool) -> None:
        try:
            await self._hold(portion)
            await self._sender.send(portion, again=again)
        except (CallFailed, BudgetExceeded) as error:
            if portion.uploads and not isinstance(error, Rejected):
                raise  # it may be there
            await self._closer.settle(portion, "refused", Fetched(0, 0, portion.rows))
            self._closer.over = self._closer.over or error
        self._watcher.tell(portion, "sent")

    async def _hold(self, portion: Portion) -> None:
        """Set aside in the budget file what a portion may cost. Raises BudgetExceeded."""
        budget = self._desk.budget
        if budget is not None and portion.held is None:
            self._manifest.note(portion, held=list(await budget.hold(portion.reserve, portion.model)))

    async def _look(self) -> bool:
        """Look at every batch that is away, and fetch those that have ended; whether there was one."""
        ended = False
        async with aclosing(self._watcher.look([each for each in self._active if each.batch])) as looks:
            async for portion, seen in looks:
                if await self._recaller.is_over(portion, seen):
                    await self._bring(portion, seen)
                    ended = True
        self._watcher.show()
        return ended

    async def _bring(self, portion: Portion, seen: BatchSeen) -> None:
        """Fetch what a batch has done, and settle it."""
        api = self._desk.api_of(self._desk.like(portion))
        fetched = await Fetcher(self._desk, portion, api, seen).fetch()
        self._desk.records.sync()
        if fetched.aside:
            self._aside[portion.number] = fetched
            return
        faults = [fault for fault in seen.faults if fault.line is None]
        await self._closer.settle(portion, seen.status, fetched, seen)
        if seen.status == "failed" and faults:
            self._closer.blame(portion, faults[0])

    async def _call_back(self) -> None:
        """Have what is away end, and fetch what it has done."""
        self._held = None
        for portion in self._active:
            await self._recaller.recall(portion)
        delay = 0.0
        while self._active:
            await self._rest(delay)
            delay = self._later(delay)
            await self._look()

    async def _rest(self, seconds: float) -> None:
        world = self._desk.run.world
        if seconds:
            await world.sleep(seconds if self._desk.poll else world.uniform(seconds / 2, seconds))

    def _patience(self) -> float:
        """Seconds until what is away is called back, so that its rows can still go live in time."""
        if self._desk.patience is None:
            return math.inf
        return self._desk.patience(sum(portion.rows for portion in self._active))

    def _later(self, delay: float) -> float:
        """Seconds until the look after the next."""
        return self._desk.poll or (min(delay * _GROWTH, _LONGEST) if delay else _FIRST)
