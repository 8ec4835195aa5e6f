"""The transcript: what a conversation is written to, a session's file or memory."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Protocol

from llmcli import files
from llmcli.errors import Busy, LlmcliError, NoInput, OutputFailure, UsageError

_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}


class Transcript(Protocol):
    """What a conversation is written to."""

    def read(self) -> bytes:
        """All of it."""

    def write(self, end: int, data: bytes) -> None:
        """Cut what lies behind the first `end` bytes, and append `data`. Raises OutputFailure."""

    def close(self) -> None:
        """Let go of it."""


class MemoryTranscript:
    """A conversation that ends with the process; `data` is what it begins with."""

    def __init__(self, data: bytes = b"") -> None:
        self._data = data

    def read(self) -> bytes:
        """See Transcript."""
        return self._data

    def write(self, end: int, data: bytes) -> None:
        """See Transcript."""
        self._data = self._data[:end] + data

    def close(self) -> None:
        """See Transcript."""


class FileTranscript:
    """A file, 0600 where it is new, that is this process's alone until it is closed.

    Raises Busy where another process holds it, UsageError and NoInput where it cannot be opened.
    """

    def __init__(self, path: Path, *, must_exist: bool = False) -> None:
        self._path = path
        try:
            if not must_exist:
                files.make_directory(path.parent)
            self._journal = files.Journal(path, must_exist=must_exist)
        except files.Held as error:
            raise _in_use(path, error.pid) from None
        except files.Unlockable as error:
            raise OutputFailure(f"cannot lock {path}: {error.strerror}") from None
        except (OSError, ValueError) as error:
            raise (unreadable_session if must_exist else _unopenable)(path, error) from None

    def read(self) -> bytes:
        """See Transcript."""
        try:
            return self._journal.read(0, self._journal.size)
        except OSError as error:
            raise unreadable_session(self._path, error) from None

    def write(self, end: int, data: bytes) -> None:
        """See Transcript. Where it fails, the file is as it was."""
        try:
            self._journal.put(end, data)
            self._journal.sync()
        except OSError as error:
            is_full = error.errno in _FULL
            reason, todo = ("the disk is full", "make room") if is_full else (error.strerror, "")
            raise OutputFailure(f"cannot write {self._path}: {reason}", todo=todo) from None

    def close(self) -> None:
        """See Transcript. A file in which nothing was written goes away."""
        try:
            if self._journal.size == 0:
                self._path.unlink(missing_ok=True)
        except OSError:
            pass  # it stays, empty
        finally:
            self._journal.close()


def check_transcript(path: Path) -> None:
    """Raise what a FileTranscript would, but Busy; nothing is made."""
    try:
        files.check_directory(path.parent)
        if files.exists(path.parent):
            files.check_file(path)
    except (OSError, ValueError) as error:
        raise _unopenable(path, error) from None


def _in_use(path: Path, pid: int | None) -> Busy:
    return Busy(
        f"{f'process {pid}' if pid else 'another process'} is using the session {path}",
        todo="wait for it, or name another --session",
    )


def unreadable_session(path: Path, error: Exception) -> LlmcliError:
    """The error for a session that cannot be opened."""
    if isinstance(error, FileNotFoundError):
        return NoInput(f"there is no session {path}", todo="see llmcli chat --list")
    return _unopenable(path, error)


def _unopenable(path: Path, error: Exception) -> LlmcliError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return UsageError(f"cannot open the session {path}: {reason}", todo="check the path")
