"""Locks of files, between processes of one machine: of a whole file, of one byte, and one that says who has it."""

from __future__ import annotations

import fcntl
import os
import struct
import sys
from contextlib import suppress

# struct flock, where Python's own functions have no name for what is asked: its fields, and their order.
_LINUX, _BSD = "hhqqi4x", "qqihh"  # type, whence, start, length, pid; start, length, pid, type, whence


def exclusive(descriptor: int) -> None:
    """Lock a whole file. Raises BlockingIOError where another has it, OSError where it cannot be locked."""
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def wait(descriptor: int) -> None:
    """Lock a whole file, after others. Raises OSError where it cannot be locked."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def signed(descriptor: int) -> None:
    """The same, in a way that lets others find out who has it. Another close of the file ends what they are told."""
    exclusive(descriptor)
    with suppress(OSError):  # over NFS the two are one lock, which we have: then nobody is told who
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def holder(descriptor: int) -> int | None:
    """The process that has a file `signed`; None where nobody has, or it cannot be told."""
    linux = sys.platform == "linux"
    asked = (
        struct.pack(_LINUX, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        if linux
        else struct.pack(_BSD, 0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)
    )
    try:
        told = fcntl.fcntl(descriptor, fcntl.F_GETLK, asked)
    except OSError:
        return None
    if linux:
        kind, _, _, _, pid = struct.unpack(_LINUX, told)
    else:
        _, _, pid, kind, _ = struct.unpack(_BSD, told)
    return None if kind == fcntl.F_UNLCK else int(pid)


def byte(descriptor: int, place: int) -> None:
    """Lock one byte, which need not be there: on Linux for the open file, else for the process.

    Raises BlockingIOError or PermissionError where another has it, OSError where it cannot be locked.
    """
    if sys.platform == "linux":
        wanted = struct.pack(_LINUX, fcntl.F_WRLCK, os.SEEK_SET, place, 1, 0)
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted)
    else:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
