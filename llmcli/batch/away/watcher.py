"""The watcher: looks at the batches that are away, and says what is new of them, and where nothing is for long."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from llmcli.batch.away.desk import Desk, batches_in_words, rows_in_words
from llmcli.batch.away.manifest import Portion
from llmcli.batch.away.sender import until_answered
from llmcli.errors import CallFailed, Rejected
from llmcli.transport.batches.base import BatchSeen

_FEW = 5  # batches of one address that are looked at one by one; of more, a list tells at once
_PAGE = 100  # batches that one call lists
_VALIDATING = 3600.0  # seconds that take long to look through a file
_IDLE = 7200.0  # seconds that are long for nothing new


class Watcher:
    """Looks. `seen` is how each batch stood at the last look, by the number of its portion."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.seen: dict[int, BatchSeen] = {}
        self._told: dict[int, str] = {}
        self._stood: dict[
            int, tuple[float, BatchSeen]
        ] = {}  # since when (s since 1970) nothing is new, and how it is
        self._idle: set[int] = set()  # of which that was said
        self._unlisted: set[str] = set()  # addresses that list no batches

    async def look(self, portions: Sequence[Portion]) -> AsyncGenerator[tuple[Portion, BatchSeen], None]:
        """Look at the batches of portions, one after the other. Raises the CallFailed family."""
        listed = await self._listed(portions)
        for portion in portions:
            seen = listed.get(portion.batch or "")
            if seen is None or seen.has_ended:  # of what has ended, a list may not tell all
                seen = await self._looked(portion)
            self.seen[portion.number] = seen
            self.tell(portion, seen.status)
            self._tell_if_idle(portion, seen)
            yield portion, seen

    def tell(self, portion: Portion, status: str) -> None:
        """Say it where a batch has come to another status."""
        if self._told.get(portion.number) == status or portion.batch is None:
            return
        self._told[portion.number] = status
        self._desk.say(f"batch {_named(portion)}: {status}")

    def show(self) -> None:
        """Have the progress say how all of them stand."""
        self._desk.run.stats.held = self._standing()
        self._desk.show()

    # --- How they are looked at -----------------------------------------------------------------------------------

    async def _listed(self, portions: Sequence[Portion]) -> dict[str, BatchSeen]:
        """Batches by id, as far as lists tell of them at less cost than looking at each."""
        places: dict[str, list[Portion]] = defaultdict(list)
        for portion in portions:
            places[portion.base_url].append(portion)
        found: dict[str, BatchSeen] = {}
        for place, there in places.items():
            if len(there) > _FEW and place not in self._unlisted:
                try:
                    await self._list(there, found)
                except Rejected:
                    self._unlisted.add(place)
                except CallFailed:
                    continue  # then each is looked at, and what is wrong told
        return found

    async def _list(self, portions: Sequence[Portion], found: dict[str, BatchSeen]) -> None:
        """Put those of one address that a list shows into `found`; others may have many more there."""
        api = self._desk.api_of(self._desk.like(portions[0]))
        wanted = {portion.batch for portion in portions}
        left = _PAGE * (len(wanted) // _FEW)
        async with aclosing(api.batches()) as batches:
            async for seen in batches:
                left -= 1
                if seen.id in wanted:
                    wanted.discard(seen.id)
                    found[seen.id] = seen
                if not wanted or not left:
                    return

    async def _looked(self, portion: Portion) -> BatchSeen:
        api, batch = self._desk.api_of(self._desk.like(portion)), portion.batch or ""
        try:
            return await until_answered(lambda: api.batch(batch), self._desk)
        except Rejected as error:
            if error.meant == 404:
                error.what = f"the batch {batch} of {rows_in_words(portion.rows)} is not there: {error.what}"
                error.todo = "is it another key's, or another project's? --recall gives its rows up"
            raise

    # --- What is said ---------------------------------------------------------------------------------------------

    def _tell_if_idle(self, portion: Portion, seen: BatchSeen) -> None:
        """Say it once where nothing has been new of a batch for long."""
        number, now = portion.number, self._desk.now
        since, before = self._stood.get(number, (now, None))
        if before is None or not seen.is_as(before):
            self._idle.discard(number)
            since = min(seen.created or now, now) if before is None and not seen.has_begun else now
            self._stood[number] = since, seen
        if seen.has_ended or number in self._idle:
            return
        if now - since >= (_VALIDATING if seen.status == "validating" else _IDLE):
            self._idle.add(number)
            how = f"{seen.status}, {seen.done_of(portion.rows):,} rows done"
            self._desk.say(
                f"batch {_named(portion)}: nothing new for {_in_words(now - since)} ({how}); it may well go on, "
                "or --recall gives it up and keeps what it has done"
            )

    def _standing(self) -> str:
        """`3 of 12 batches done, 41,200 of 240,000 rows, 6 in_progress, 1 finalizing, 17 h left`."""
        portions = list(self._desk.manifest.portions.values())
        away = [portion for portion in portions if portion.settled is None]
        total = sum(portion.rows for portion in portions)
        come = total - sum(portion.rows for portion in away)
        seen = [(portion, self.seen.get(portion.number)) for portion in away]
        come += sum(each.done_of(portion.rows) for portion, each in seen if each is not None)
        states = Counter("waiting" if each is None else each.status for _, each in seen)
        done = len(portions) - len(away)
        parts = [
            f"{done:,} of {batches_in_words(len(portions))} done",
            f"{come:,} of {rows_in_words(total)}",
        ]
        parts += [f"{number:,} {status}" for status, number in states.most_common()]
        ends = [each.expires for portion, each in seen if each and each.expires and self._expires(portion)]
        if (left := min(ends, default=0.0) - self._desk.now) > 0:
            parts.append(f"{_in_words(left)} left")
        return ", ".join(parts)

    def _expires(self, portion: Portion) -> bool:
        return self._desk.terms_of(self._desk.like(portion)).expires


def _named(portion: Portion) -> str:
    return f"{portion.batch} ({rows_in_words(portion.rows)} of {portion.model})"


def _in_words(seconds: float) -> str:
    """`90 min`, `7 h`."""
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
