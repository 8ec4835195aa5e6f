"""The segment log: all segments of a part in their order: the journal of its runs; nothing else says what is done.

Whoever appends makes the object behind the last one that he has read, and only where there is none. So each writer
knows all that stands before his own, and one that was believed dead cannot add to what it does not know.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from llmcli.batch.segments.segment import ReadSegment, segment_name
from llmcli.errors import OutputFailure, UsageError
from llmcli.lean.pattern import lazy_pattern
from llmcli.settings.batch.machines import Shard
from llmcli.stores.bucket import Bucket

_AHEAD, _AHEAD_SIZE = 8, 32 << 20  # segments that are read at once, as far as they have so many bytes
_NAME = lazy_pattern(r"\d{8,}\.jsonl")


class SegmentLog:
    """`last` is the number of the last segment that was read or appended."""

    def __init__(self, bucket: Bucket, shard: Shard) -> None:
        self.bucket = bucket
        self.shard = shard
        self.last = 0

    def key_of(self, number: int) -> str:
        """Where a segment stands."""
        return f"{self.shard.name}/{segment_name(number)}"

    async def numbers(self) -> list[int]:
        """The numbers of all segments behind `last`. Raises UsageError where one between them is missing."""
        names = await self.bucket.names(self.shard.name)
        found = [int(name[:-6]) for name in names if _NAME.fullmatch(name)]
        found = [number for number in found if number > self.last]
        for before, number in pairwise([self.last, *found] if self.last else found):
            if number != before + 1:
                raise self._missing(before + 1)
        return found

    def new(self) -> Iterator[ReadSegment]:
        """The segments behind `last`, each of which is the last then. Raises UsageError, OutputFailure."""
        numbers = deque(self.bucket.wait(self.numbers()))
        ahead, most = deque[Any](), 1
        try:
            while ahead or numbers:
                while numbers and len(ahead) < most:
                    ahead.append(self.bucket.begin(self._read(numbers.popleft())))
                segment: ReadSegment = ahead.popleft().result()
                most = max(1, min(_AHEAD, _AHEAD_SIZE // segment.size))
                if not self.last and segment.number > 1 and not segment.is_fresh:
                    raise self._missing(1)
                self.last = segment.number
                yield segment
        finally:
            for future in ahead:
                future.cancel()

    async def append(self, number: int, content: bytes) -> bool:
        """Make a segment the one behind the last; False: another has done that."""
        if not await self.bucket.create(self.key_of(number), content):
            return False
        self.last = number
        return True

    async def forget(self, before: int) -> None:
        """Take away all segments before one that is fresh."""
        names = await self.bucket.names(self.shard.name)
        await self.bucket.remove(
            [f"{self.shard.name}/{name}" for name in names if "0" <= name < segment_name(before)]
        )

    async def _read(self, number: int) -> ReadSegment:
        key = self.key_of(number)
        found = await self.bucket.read(key)
        if found is None:
            what = f"{self.bucket.named(key)} was taken away meanwhile"
            raise OutputFailure(what, todo="type the same command again")
        segment = ReadSegment(self.bucket.named(key), found.data)
        if segment.number != number:
            raise UsageError(f"{segment.path} is segment {segment.number}", todo="take it away")
        return segment

    def _missing(self, number: int) -> UsageError:
        todo = "bring it back, or start this part over with --fresh"
        return UsageError(f"{self.bucket.named(self.key_of(number))} is missing", todo=todo)
