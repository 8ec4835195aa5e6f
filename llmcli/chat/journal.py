"""A session's file: locked while it is in use, cut and appended to with one write."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from llmcli import files, locks
from llmcli.errors import Busy, LlmcliError, NoInput, OutputFailure, UsageError


class Journal(Protocol):
    """What a conversation is written to."""

    def read(self) -> bytes:
        """All of it."""

    def write(self, end: int, data: bytes) -> None:
        """Cut what lies behind the first `end` bytes, and append `data`. Raises OutputFailure."""

    def close(self) -> None:
        """Let go of it."""


class MemoryJournal:
    """A conversation that ends with the process; `data` is what it begins with."""

    def __init__(self, data: bytes = b"") -> None:
        self._data = data

    def read(self) -> bytes:
        """See Journal."""
        return self._data

    def write(self, end: int, data: bytes) -> None:
        """See Journal."""
        self._data = self._data[:end] + data

    def close(self) -> None:
        """See Journal."""


class FileJournal:
    """A file, 0600 where it is new, that is this process's alone until it is closed.

    Raises Busy where another process holds it, UsageError and NoInput where it cannot be opened.
    """

    def __init__(self, path: Path, *, must_exist: bool = False) -> None:
        self._path = path
        self._descriptor = self._open(must_exist=must_exist)
        while os.fstat(self._descriptor).st_nlink == 0:  # its last user left nothing in it, and took it away
            os.close(self._descriptor)
            self._descriptor = self._open(must_exist=must_exist)

    def _open(self, *, must_exist: bool) -> int:
        """The descriptor, locked."""
        path = self._path
        flags = os.O_RDWR | os.O_APPEND | (0 if must_exist else os.O_CREAT)
        try:
            if not must_exist:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = files.open_regular(path, flags)
        except (OSError, ValueError) as error:
            raise (unreadable if must_exist else _unopenable)(path, error) from None
        try:
            self._lock(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def read(self) -> bytes:
        """See Journal."""
        pieces, offset = [], 0
        try:
            while piece := os.pread(self._descriptor, 1 << 24, offset):
                pieces.append(piece)
                offset += len(piece)
        except OSError as error:
            raise unreadable(self._path, error) from None
        return b"".join(pieces)

    def write(self, end: int, data: bytes) -> None:
        """See Journal. Where it fails, the file is as it was."""
        try:
            size = os.fstat(self._descriptor).st_size
            behind = os.pread(self._descriptor, size - end, end)
            if size != end:
                os.ftruncate(self._descriptor, end)
            try:
                self._append(data)
            except BaseException:
                os.ftruncate(self._descriptor, end)
                self._append(behind)  # it had room before
                raise
            os.fsync(self._descriptor)
        except OSError as error:
            raise OutputFailure(f"cannot write {self._path}: {error.strerror}") from None

    def _append(self, data: bytes) -> None:
        if os.write(self._descriptor, data) != len(data):
            raise OutputFailure(f"cannot write {self._path}: the disk is full", todo="make room")

    def close(self) -> None:
        """See Journal. A file in which nothing was written goes away."""
        try:
            if os.fstat(self._descriptor).st_size == 0:
                self._path.unlink(missing_ok=True)
        except OSError:
            pass  # it stays, empty
        finally:
            os.close(self._descriptor)

    def _lock(self, descriptor: int) -> None:
        try:
            locks.signed(descriptor)
        except BlockingIOError:
            pid = locks.holder(descriptor)
            raise Busy(
                f"{f'process {pid}' if pid else 'another process'} is using the session {self._path}",
                todo="wait for it, or name another --session",
            ) from None
        except OSError as error:
            raise OutputFailure(f"cannot lock {self._path}: {error.strerror}") from None


def unreadable(path: Path, error: Exception) -> LlmcliError:
    """The error for a session that cannot be opened."""
    if isinstance(error, FileNotFoundError):
        return NoInput(f"there is no session {path}", todo="see llmcli chat --list")
    return _unopenable(path, error)


def _unopenable(path: Path, error: Exception) -> LlmcliError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return UsageError(f"cannot open the session {path}: {reason}", todo="check the path")
