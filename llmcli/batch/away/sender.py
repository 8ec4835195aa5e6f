"""The sender: gets a portion to the provider, as one file and one batch, whatever was killed or lost on the way.

Each step is kept in the manifest before the next is taken. What may have been done already is looked for before it is
done again: a file by its name, which has the digest of what is in it, and a batch by its file.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from llmcli.address import public_url
from llmcli.batch.away.desk import Desk
from llmcli.batch.away.manifest import Manifest, Portion
from llmcli.batch.away.spool import spooled_content
from llmcli.batch.away.terms import StillAway
from llmcli.errors import CallFailed, NotRunning, Rejected, TransientFailure, WrongWay
from llmcli.exchange.layers.retry import backoff
from llmcli.transport.batches.base import BatchApi, BatchSeen

T = TypeVar("T")

LOOKS = 3  # for a batch that may have been made: lists of them lag
LAG = 60.0  # seconds in which they show it
_SKEW = 3600.0  # seconds that the provider's clock may be behind
_MOST = 2_000  # batches that are looked at for one of ours
_NO_SUCH_CALL = {404, 405, 501}
_WAITS = 12  # waits for a provider that is not well, before a run gives up: some ten minutes
_LONGEST = 60.0  # seconds of one


class Sender:
    """Sends portions. Raises the CallFailed family, and StillAway where nobody can tell what was made."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._manifest = desk.manifest

    async def send(self, portion: Portion, *, again: bool) -> None:
        """Have a portion go away. `again`: an earlier run began it, and may have come further than it could say."""
        api = self._desk.api_of(self._desk.like(portion))
        if portion.file is None:
            await self._upload(api, portion, again=again)
        if portion.batch is None:
            await self._create(api, portion)
        if not again:
            self._desk.run.stats.sent += portion.rows

    async def find(self, portion: Portion) -> bool:
        """Whether a portion whose batch may have been made has one: then it is adopted."""
        if portion.creating is None:
            return False
        return await self._adopted(self._desk.api_of(self._desk.like(portion)), portion)

    # --- The file -------------------------------------------------------------------------------------------------

    async def _upload(self, api: BatchApi, portion: Portion, *, again: bool) -> None:
        name = file_name(self._manifest, portion)
        found = await self._file_named(api, name) if again else None
        waits = 0
        while found is None:
            self._manifest.note(portion, uploads=portion.uploads + 1)
            try:
                with spooled_content(self._manifest, portion) as content:
                    found = await api.upload(name, content)
            except CallFailed as error:
                is_final = self._is_refused(error) or error.meant in _NO_SUCH_CALL
                if is_final or error.no_connection:  # nothing is there
                    self._manifest.note(portion, uploads=portion.uploads - 1)
                if is_final:
                    raise _blamed(error, portion) from None
                waits = await self._rest(waits, error)
                if not error.no_connection:
                    found = await self._file_named(api, name)
        self._manifest.note(portion, file=found)

    async def _file_named(self, api: BatchApi, name: str) -> str | None:
        """A file of this name, where the provider lists files: some do not, and then one may be there twice."""
        try:
            async for file in api.files():
                if file.name == name:
                    return file.id
        except CallFailed as error:
            if not isinstance(error, Rejected | TransientFailure):
                raise
        return None

    # --- The batch ------------------------------------------------------------------------------------------------

    async def _create(self, api: BatchApi, portion: Portion) -> None:
        """Make the batch, unless it was made. One lost answer must not make two of it."""
        if portion.creating is not None and await self._adopted(api, portion):
            return
        waits = 0
        while portion.batch is None:
            self._manifest.note(portion, creating=self._desk.now)
            try:
                seen = await api.create(portion.file or "", self._metadata(portion))
            except CallFailed as error:
                if self._is_refused(error) and not (waits < LOOKS and _misses_file(error)):
                    self._manifest.note(portion, creating=None)
                    raise
                waits = await self._rest(waits, error)
                if not (self._is_refused(error) or error.no_connection or error.meant == 429):
                    await self._adopted(api, portion)
            else:
                self._manifest.note(portion, batch=seen.id)

    def _metadata(self, portion: Portion) -> dict[str, str]:
        return {"llmcli_run": self._manifest.run, "llmcli_portion": str(portion.number)}

    @staticmethod
    def _is_refused(error: CallFailed) -> bool:
        """Whether the provider said no, so that nothing was made."""
        return not isinstance(error, TransientFailure)

    async def _adopted(self, api: BatchApi, portion: Portion) -> bool:
        """Look for a batch of this portion, as long as lists may lag; whether there is one."""
        world, asked = self._desk.run.world, portion.creating or 0.0
        for look in range(LOOKS):
            if (found := await self._batch_of(api, portion)) is not None:
                self._manifest.note(portion, batch=found.id)
                return True
            left = asked + LAG - self._desk.now
            if left <= 0 or look == LOOKS - 1:
                break
            await world.sleep(LAG / (LOOKS - 1))
        return False

    async def _batch_of(self, api: BatchApi, portion: Portion) -> BatchSeen | None:
        waits, since = 0, portion.at - _SKEW
        while True:
            try:
                number = 0
                async for seen in api.batches():
                    number += 1
                    if seen.input == portion.file:
                        return seen
                    if number >= _MOST or (seen.created is not None and seen.created < since):
                        break
            except TransientFailure as error:
                waits = await self._rest(waits, error)
            except Rejected as error:
                what = f"nobody can tell whether the batch of {portion.rows:,} rows was made: {error.what}"
                todo = "look for it at the provider; --recall gives its rows up"
                raise StillAway(what, error.where, todo) from None
            else:
                return None

    async def _rest(self, waits: int, error: CallFailed) -> int:
        """Wait for a provider that is not well; how often that was. Raises the error where it was often enough."""
        if waits >= _WAITS or isinstance(error, WrongWay | NotRunning):
            raise error
        world = self._desk.run.world
        asked = min(error.retry_after or 0.0, 600.0)
        await world.sleep(max(asked, min(backoff(waits + 1, world.uniform), _LONGEST)))
        return waits + 1


def file_name(manifest: Manifest, portion: Portion) -> str:
    """What a portion's file is called at the provider."""
    return f"llmcli-{manifest.run}-{portion.number}-{portion.digest[:8]}.jsonl"


def _blamed(error: CallFailed, portion: Portion) -> CallFailed:
    """The error of an upload, which says what is wrong where a server does not know that call."""
    if error.meant in _NO_SUCH_CALL:
        error.what = f"{public_url(portion.base_url)} has no Batch API that takes files: {error.what}"
        error.todo = "leave --via batch out, or check the address"
    return error


def _misses_file(error: CallFailed) -> bool:
    """Whether a provider does not see a file yet that it has just taken."""
    words = error.what.lower()
    return (
        isinstance(error, Rejected)
        and "file" in words
        and ("find" in words or "found" in words or "exist" in words)
    )


async def until_answered(call: Callable[[], Awaitable[T]], desk: Desk) -> T:
    """The result of a call that changes nothing, asked for until it comes. Raises what waiting does not mend."""
    waits = 0
    while True:
        try:
            return await call()
        except TransientFailure as error:
            if isinstance(error, WrongWay):
                raise
            waits += 1
            world = desk.run.world
            if waits == LOOKS:
                desk.say(f"the provider does not answer ({error}); asking on")
            await world.sleep(
                max(min(error.retry_after or 0.0, 600.0), min(backoff(waits, world.uniform), _LONGEST))
            )
