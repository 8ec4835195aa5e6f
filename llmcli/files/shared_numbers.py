"""Shared numbers: a few of them in a file, which several processes of one machine read and write."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmcli.files import locks
from llmcli.files.opening import open_shared

_MAGIC = b"llmcli limit 1\n\0"
_CELL = struct.Struct("=d")


class Foreign(OSError):
    """The file holds something else."""


class SharedNumbers:
    """Opens the file, which is made where it is not there. Raises Foreign, Irregular, and any other OSError.

    `now` is a clock of the machine: where the file was last written later than that, the machine has been started
    anew since, and all numbers are 0.
    """

    def __init__(self, path: str | Path, count: int, now: float) -> None:
        self._descriptor = open_shared(path)
        try:
            with self.held():
                self._claim(path, len(_MAGIC) + (count + 1) * _CELL.size)
                self._map = mmap.mmap(self._descriptor, len(_MAGIC) + (count + 1) * _CELL.size)
                if self._at(0) > now:
                    for cell in range(count + 1):
                        self._write(cell, 0.0)
        except BaseException:
            os.close(self._descriptor)
            raise

    def _claim(self, path: str | Path, size: int) -> None:
        """Make an empty file ours."""
        begin = os.pread(self._descriptor, len(_MAGIC), 0)
        if begin and begin != _MAGIC:
            raise Foreign(0, "it holds something else", str(path))
        if os.fstat(self._descriptor).st_size < size:
            os.ftruncate(self._descriptor, size)
            os.pwrite(self._descriptor, _MAGIC, 0)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others from writing meanwhile: some microseconds."""
        locks.wait(self._descriptor)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def read(self, cell: int) -> float:
        """The number of a cell, from 0."""
        return self._at(cell + 1)

    def write(self, cell: int, value: float, now: float) -> None:
        """Have a number in a cell. Be the one that has them `held`."""
        self._write(0, now)
        self._write(cell + 1, value)

    def _at(self, cell: int) -> float:
        return float(_CELL.unpack_from(self._map, len(_MAGIC) + cell * _CELL.size)[0])

    def _write(self, cell: int, value: float) -> None:
        _CELL.pack_into(self._map, len(_MAGIC) + cell * _CELL.size, value)
