"""What is asked of the file system about a name, whatever the name is, and files opened as nothing but files."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

# pathlib's own raise for a name that is too long, or in a directory that may not be searched.


def exists(path: str | Path) -> bool:
    """Whether something has this name."""
    return os.path.exists(path)  # noqa: PTH110


def is_file(path: str | Path) -> bool:
    """Whether it is a regular file, or leads to one."""
    return os.path.isfile(path)  # noqa: PTH113


def is_directory(path: str | Path) -> bool:
    """Whether it is a directory, or leads to one."""
    return os.path.isdir(path)  # noqa: PTH112


def is_link(path: str | Path) -> bool:
    """Whether it is a symbolic link, wherever that leads."""
    return os.path.islink(path)  # noqa: PTH114


def open_regular(path: str | Path, flags: int, mode: int = 0o600) -> int:
    """The descriptor of a regular file: a pipe would hang for ever, a device need have no end. Raises OSError."""
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is no regular file", str(path))


def open_fresh(path: Path) -> int:
    """The descriptor of a new file (0600), to read and append to, that takes the place of what has the name.

    A symbolic link goes, and what it leads to stays as it is. Raises OSError.
    """
    path.unlink(missing_ok=True)
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def check_room(number: int) -> None:
    """Raise OSError (EMFILE) where so many more files cannot be opened: some libraries abort then."""
    opened: list[int] = []
    try:
        for _ in range(number):
            opened.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))  # noqa: PERF401 - those before are closed
    finally:
        for descriptor in opened:
            os.close(descriptor)


def read_regular(path: Path) -> bytes:
    """All of a regular file. Raises OSError."""
    with open(open_regular(path, os.O_RDONLY), "rb") as stream:
        return stream.read()
