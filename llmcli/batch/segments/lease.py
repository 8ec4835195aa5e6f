"""The lease of a part: an object that says who runs it, renewed as long as that is so.

It keeps two processes from asking, and paying for, the same rows. That no row is there twice, it does not have to see
to: see SegmentLog.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import field
from datetime import timedelta
from socket import gethostname
from typing import Any

from llmcli import jsonl
from llmcli.errors import Busy, LlmcliError
from llmcli.lean.dataclass import dataclass
from llmcli.stores.bucket import Bucket, StoredObject, Version

_LOOK = 5.0  # seconds between two looks at another's


@dataclass(frozen=True)
class LeaseTerms:
    """`renewed` every so many seconds, and another's once it is `lapsed` for so many; `sleep` waits for that."""

    renewed: float = 20.0
    lapsed: float = 60.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass
class Lease:
    """`writer` is this process, for this part. `lost`: another has it now, or nobody can tell."""

    bucket: Bucket
    key: str
    tell: Callable[[str], None]
    terms: LeaseTerms = field(default_factory=LeaseTerms)
    writer: str = field(default_factory=lambda: secrets.token_hex(8))

    def __post_init__(self) -> None:
        self.lost: LlmcliError | None = None
        self._version: Version | None = None
        self._told = False

    async def take(self) -> bool:
        """Have it; True where it was another's, who may not know that yet. Raises Busy where that one runs."""
        while True:
            if await self.bucket.create(self.key, mine := self._content()):
                found = await self.bucket.read(self.key)
                if found is not None and found.data == mine:
                    self._version = found.version
                    return False
                continue
            found = await self.bucket.read(self.key)
            if found is None:
                continue
            is_free = is_released(found)
            if not is_free:
                await self._outwait(found)
            self._version = await self.bucket.swap(self.key, self._content(), found.version)
            if self._version is not None:
                return not is_free

    async def _outwait(self, found: StoredObject) -> None:
        """Wait until another's lease has lapsed. Raises Busy where it is renewed."""
        age = (await self.bucket.now() - found.modified) / timedelta(seconds=1)
        says = _says(found)
        holder = f"process {says.get('process')} of {says.get('host')}"
        while age < self.terms.lapsed:
            left = self.terms.lapsed - age
            if not self._told:
                self._told = True
                self.tell(f"{holder} has this part: {left:.0f} s more, in case it was killed")
            await self.terms.sleep(min(_LOOK, left))
            age += min(_LOOK, left)
            now = await self.bucket.read(self.key)
            if now is None or now.version == found.version:
                continue
            if not is_released(now):
                where = self.bucket.named(self.key)
                raise Busy(f"another run holds {where}: {holder}", todo="wait for it to end")
            return

    async def keep(self) -> None:
        """Renew it for ever. Where that fails, it is lost."""
        while True:
            await self.terms.sleep(self.terms.renewed)
            assert self._version is not None  # noqa: S101 - it was taken
            try:
                self._version = await self.bucket.swap(self.key, self._content(), self._version)
            except LlmcliError as error:
                self.lost = error
                return
            if self._version is None:
                self.lost = taken_over(self.bucket.named(self.key))
                return

    async def release(self) -> None:
        """Let another have it at once."""
        if self._version is not None and self.lost is None:
            await self.bucket.swap(self.key, self._content(released=True), self._version)

    def _content(self, *, released: bool = False) -> bytes:
        about = {"writer": self.writer, "host": gethostname(), "process": os.getpid()}
        return jsonl.line({**about, "released": released, "id": secrets.token_hex(16)})


def taken_over(where: str) -> Busy:
    """The error for a process that was believed dead."""
    what = f"another run has taken {where} over, for this one was not heard of for a minute"
    return Busy(what, todo="let that one go on")


def is_released(found: StoredObject) -> bool:
    """Whether nobody has a part any more whose lease this is."""
    return _says(found).get("released") is True


def _says(found: StoredObject) -> Any:
    try:
        said: Any = jsonl.loads(found.data)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
