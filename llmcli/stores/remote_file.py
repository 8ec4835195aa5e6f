"""Remote files: an object as a file that is read a range at a time, flat in memory however slowly it is read."""

from __future__ import annotations

import io
from typing import BinaryIO

from llmcli.errors import UsageError
from llmcli.stores.bucket import BRIEF, Bucket, StoredObject, Tempo
from llmcli.stores.failures import as_input

_BUFFER = 1 << 16  # bytes
_FIRST, _MOST = 1 << 18, 1 << 23  # bytes that are asked for at once: a look at the beginning is to be cheap


class Remote:
    """An object of a store that is there. Raises NoInput, UsageError, TransientFailure."""

    def __init__(self, url: str, tempo: Tempo | None = None) -> None:
        place, _, self.key = url.rpartition("/")
        if not self.key or place.endswith("/"):
            raise UsageError(f"{url} names no object", todo="name one, e.g. s3://BUCKET/rows.jsonl")
        self.url = url
        bucket = Bucket(place, as_input, BRIEF)
        self.found: StoredObject = bucket.wait(bucket.size_of(self.key))
        self.bucket = Bucket(place, as_input, tempo or Tempo())

    @property
    def size(self) -> int:
        """Bytes."""
        return self.found.size

    def open(self) -> BinaryIO:
        """Its bytes, from the beginning."""
        return io.BufferedReader(RemoteFile(self), _BUFFER)


class RemoteFile(io.RawIOBase):
    """The bytes of an object as it was found: one that is replaced meanwhile cannot be read on."""

    def __init__(self, remote: Remote) -> None:
        super().__init__()
        self._remote = remote
        self._at = 0
        self._held, self._start = b"", 0  # a range, and where it begins
        self._ask = _FIRST

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Read on elsewhere."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._remote.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Up to `size` bytes, as many as there are; None or less than nothing: all."""
        left = self._remote.size - self._at
        size = left if size is None or size < 0 else min(size, left)
        if size <= 0:
            return b""
        place = self._at - self._start
        if not 0 <= place < len(self._held):
            self._fetch(size)
            place = 0
        data = self._held[place : place + size]
        self._at += len(data)
        return data if len(data) == size else data + self.read(size - len(data))

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """As `read`."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _fetch(self, size: int) -> None:
        """Hold the range that begins where we are; one that follows on the one before may be longer."""
        follows = self._at == self._start + len(self._held)
        self._ask = min(2 * self._ask, _MOST) if follows and self._at else _FIRST
        end = min(self._at + max(size, self._ask), self._remote.size)
        remote = self._remote
        work = remote.bucket.between(remote.key, self._at, end, remote.found.version)
        self._held, self._start = remote.bucket.wait(work), self._at
