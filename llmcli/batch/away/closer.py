"""The closer: what happens to a portion that has come back: its rows, what it taught, its files."""

from __future__ import annotations

from decimal import Decimal

from llmcli.batch.away.desk import Desk, rows_in_words, slot_of
from llmcli.batch.away.fetching.fetcher import Fetched
from llmcli.batch.away.manifest import Portion
from llmcli.batch.away.sender import file_name
from llmcli.batch.away.spool import drop, known_rows
from llmcli.errors import (
    CallFailed,
    LlmcliError,
    QuotaExhausted,
    Rejected,
    Told,
    TransientFailure,
    UsageError,
)
from llmcli.lean.pattern import lazy_pattern
from llmcli.transport.batches.base import BatchApi, BatchFault, BatchSeen

_TOKEN_LIMIT = "token_limit_exceeded"  # noqa: S105 - a provider's word
_LIMIT = lazy_pattern(r"[Ll]imit:?\s*([\d,]+)\s*enqueued")
_WAITS = 3  # for a provider that is not well: what is left, a later run takes away
_NO_MONEY = frozenset({"billing_hard_limit_reached", "insufficient_quota", "billing_not_active"})


class Closer:
    """Closes portions. In a round, `fetched` counts their rows, `pressed`: a limit of tokens ended some of them.

    `over` is why no more is to be sent.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk, self._manifest = desk, desk.manifest
        self.over: LlmcliError | None = None
        self.begin()

    def begin(self) -> None:
        """A round begins."""
        self.fetched = Fetched(0, 0, 0)
        self.pressed = False

    @property
    def has_come_further(self) -> bool:
        """Whether this round brought a row to its end, or taught what the next is to do otherwise."""
        return bool(self.fetched.ok or self.fetched.failed or self.pressed)

    async def settle(
        self, portion: Portion, status: str, fetched: Fetched, seen: BatchSeen | None = None
    ) -> None:
        """A portion is away no more: what is not final of it is open."""
        await self._pay(portion, fetched)
        known = (portion.file, seen and seen.output, seen and seen.errors)
        self._manifest.note(portion, settled=status, files=[file for file in known if file])
        self._desk.take_back(portion)
        before = self.fetched
        self.fetched = Fetched(
            before.ok + fetched.ok, before.failed + fetched.failed, before.open + fetched.open
        )
        await self._clean(portion)

    async def _pay(self, portion: Portion, fetched: Fetched) -> None:
        """Put in the budget file what a portion cost, in the place of what was set aside."""
        budget, held = self._desk.budget, portion.held
        if budget is None or held is None:
            return
        done, cost = self._desk.done, Decimal(0)
        if fetched.ok + fetched.failed or portion.batch is not None:
            for about in known_rows(self._manifest, portion):
                cost += done.cost(slot_of(about, done)) or 0
        await budget.pay((int(held[0]), str(held[1])), portion.model, min(cost, portion.reserve))

    def blame(self, portion: Portion, fault: BatchFault) -> None:
        """A batch failed as a whole: a limit is learned, anything else ends the run."""
        if fault.code == _TOKEN_LIMIT:
            self.pressed = True
            self._learn(portion, fault)
            return
        kind = QuotaExhausted if fault.code in _NO_MONEY else Rejected
        what = (
            f"the provider failed the batch of {rows_in_words(portion.rows)}: {fault.message or fault.code}"
        )
        self.over = self.over or kind(what, portion.model, told=Told(code=fault.code))

    def _learn(self, portion: Portion, fault: BatchFault) -> None:
        """How many tokens of a model may be enqueued: what the provider says, else half of what was."""
        told = _LIMIT.search(fault.message)
        known = self._manifest.limits.get(portion.model)
        if told is not None:
            limit = int(told[1].replace(",", ""))
        else:
            limit = max((known or portion.tokens or portion.size // 2) // 2, 1)
        if limit != known:
            self._manifest.learn(portion.model, limit)
            self._desk.say(
                f"{portion.model} takes {limit:,} enqueued tokens: the next batches wait for each other"
            )

    # --- The end of a portion -------------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Take away at the provider what batches that have ended left there."""
        for portion in self._manifest.unswept:
            await self._clean(portion)

    async def _clean(self, portion: Portion) -> None:
        """Take the files of a portion away, here and there; what cannot be now, a later run does."""
        if not self._desk.keep_files:
            try:
                await self._deleted(portion)
            except (CallFailed, UsageError) as error:
                whose = f"batch {portion.batch}" if portion.batch else rows_in_words(portion.rows)
                self._desk.say(f"warning: files of {whose} are still at the provider: {error}")
                return
        self._manifest.note(portion, swept=True)
        drop(self._manifest, portion)

    async def _deleted(self, portion: Portion) -> None:
        """Take files away, a few times where the provider is not well."""
        api, waits = self._desk.api_of(self._desk.like(portion)), 0
        while True:
            try:
                return await self._delete(api, portion)
            except TransientFailure:
                if waits == _WAITS:
                    raise
            await self._desk.run.world.sleep(2.0**waits)
            waits += 1

    async def _delete(self, api: BatchApi, portion: Portion) -> None:
        """Take away what a portion has at the provider; files whose answer may have been lost are found by name."""
        for file in portion.files:
            await api.delete(file)
        if portion.uploads > (portion.file is not None):
            name = file_name(self._manifest, portion)
            try:
                for file in [each.id async for each in api.files() if each.name == name]:
                    await api.delete(file)
            except Rejected:
                return  # it does not list files
