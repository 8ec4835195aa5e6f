"""Bytes to a descriptor: at the pace of whoever reads them, or as a line that is whole or not there."""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from llmcli.errors import OutputFailure
from llmcli.files import locks
from llmcli.files.opening import check_file
from llmcli.world import ready

_PIECE = 4096  # bytes that a pipe takes at once when it can be written (PIPE_BUF)
_ALL = 1 << 30  # bytes; a file takes any number
_GLANCE = 0.1  # seconds between two looks at what may end a wait

Waiting = Callable[[], None]
"""Is called every so often while a reader keeps us waiting; raises what is to end that."""


def patiently() -> None:
    """Wait on: signals end us by themselves."""


def write_all(descriptor: int, data: bytes, waiting: Waiting = patiently) -> None:
    """Write all of it, at the pace of a reader who may be slow, and who may have left us a non-blocking pipe.

    A pipe that can be written takes at least one piece, so that only `ready` waits, and signals are seen.
    Raises OSError, and what `waiting` raises.
    """
    piece = _ALL if _is_regular(descriptor) else _PIECE
    view = memoryview(data)
    while view:
        while not ready(descriptor, select.POLLOUT, _GLANCE):
            waiting()
        with suppress(BlockingIOError):
            view = view[os.write(descriptor, view[:piece]) :]


def nowhere() -> TextIO:
    """A text stream that keeps nothing, for others to print on."""
    return Path(os.devnull).open("w")


def append(descriptor: int, line: bytes) -> None:
    """Write a line at the end of a regular file, all of it or nothing. Raises OSError.

    The descriptor stands at the file's end (O_APPEND), and nobody else appends meanwhile.
    """
    written = os.write(descriptor, line)
    if written != len(line):
        _finish(descriptor, line, written)


def overwrite(descriptor: int, line: bytes, place: int) -> None:
    """Write a line over one of its length, which begins at an offset. Raises OSError."""
    if os.pwrite(descriptor, line, place) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _finish(descriptor: int, line: bytes, written: int) -> None:
    """The rest of a line of which a part was written; where that fails, the part is taken back."""
    size = os.fstat(descriptor).st_size - written
    try:
        while written < len(line):
            written += os.write(descriptor, line[written:])
    except BaseException:
        with suppress(OSError):  # the first failure is the one to tell
            os.ftruncate(descriptor, size)
        raise


def check_appendable(path: str, *, make: bool) -> None:
    """Raise the OutputFailure that `append_line` would; the file may be made for it."""
    if make:
        return append_line(path, b"")
    with _told(path):
        check_file(Path(path))
    return None


def append_line(path: str, line: bytes) -> None:
    """Append one line to a file that others may append to (0600 where it is new), all of it or nothing.

    A device or a pipe takes it at its pace. Raises OutputFailure.
    """
    with _told(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _append_after_others(descriptor, line)
        finally:
            os.close(descriptor)


@contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", error)
        raise OutputFailure(f"cannot write {path}: {reason}", todo="check the path and the disk") from None


def _append_after_others(descriptor: int, line: bytes) -> None:
    if not _is_regular(descriptor):
        return write_all(descriptor, line)
    with suppress(OSError):  # a file system without locks
        locks.wait(descriptor)
    return append(descriptor, line)


def _is_regular(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)
