"""What is asked of the file system about a name, whatever the name is, and files opened as nothing but files."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

# pathlib's own raise for a name that is too long, or in a directory that may not be searched.


class Irregular(OSError):
    """What was to be a regular file is a pipe, a device or a socket."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(errno.EINVAL, "it is no regular file", str(path))


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


def open_regular(path: str | Path, flags: int = os.O_RDONLY) -> int:
    """The descriptor of a regular file, 0600 where `flags` make it.

    A pipe would hang for ever, and a device need have no end. Raises Irregular, and any other OSError.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise Irregular(path)


def open_shared(path: str | Path) -> int:
    """The descriptor of a regular file, made where it is not there, that other processes read and write, too.

    Raises Irregular, and any other OSError.
    """
    return open_regular(path, os.O_RDWR | os.O_CREAT)


def open_fresh(path: Path) -> int:
    """The descriptor of a new file (0600), to read and append to, that takes the place of what has the name.

    A symbolic link goes, and what it leads to stays as it is. Raises OSError.
    """
    path.unlink(missing_ok=True)
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def open_existing(path: str | Path) -> int:
    """The descriptor of a device or a pipe to write to, once a pipe has a reader. Raises OSError."""
    return os.open(path, os.O_WRONLY | os.O_CLOEXEC)


def make_directory(path: Path) -> None:
    """Make a directory where there is none, for its owner alone. Raises OSError."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def check_directory(path: Path) -> None:
    """Raise the OSError that a directory could not be made, or written to, with. Nothing is made."""
    place = path
    while True:
        try:
            is_there = stat.S_ISDIR(place.stat().st_mode)
            break
        except FileNotFoundError:
            if is_link(place):  # that leads nowhere: nothing can be made in its place
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
            place = place.parent
    if not is_there:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    if not os.access(place, os.W_OK | os.X_OK):
        raise PermissionError(
            errno.EACCES, "it is not writable" if place == path else os.strerror(errno.EACCES)
        )


def prove_directory(path: Path) -> None:
    """Make a directory where there is none, and a file in it, which goes at once. Raises the OSError of either."""
    from tempfile import TemporaryFile

    make_directory(path)
    with TemporaryFile(dir=path):
        pass


def check_file(path: Path) -> None:
    """Raise the OSError that a file could not be made, or appended to, with. Nothing is made."""
    try:
        is_directory = stat.S_ISDIR(path.stat().st_mode)
        place, wanted = path, os.W_OK
    except FileNotFoundError:
        place, wanted = Path(os.path.realpath(path)).parent, os.W_OK | os.X_OK  # of what a link leads to
        is_directory = False
        place.stat()
    if is_directory:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not os.access(place, wanted):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def check_room(number: int) -> None:
    """Raise OSError (EMFILE) where so many more files cannot be opened: some libraries abort then."""
    opened: list[int] = []
    try:
        for _ in range(number):
            opened.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))  # noqa: PERF401 - those before are closed
    finally:
        for descriptor in opened:
            os.close(descriptor)


def fill_standard() -> None:
    """Have the null device where stdin, stdout or stderr is closed: libuv aborts as it closes a socket in its place."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)  # the lowest that is free, so this one


def read_regular(path: str | Path, most: int = -1) -> bytes:
    """All of a regular file, or its first `most` bytes. Raises Irregular, and any other OSError."""
    with open(open_regular(path), "rb") as stream:
        return stream.read(most)


def read_beginning(path: Path, size: int) -> bytes:
    """The first bytes of a regular file. Raises Irregular, and any other OSError."""
    with open(open_regular(path), "rb") as stream:
        return stream.read(size)


def sha256_of(path: Path) -> str:
    """The digest of a regular file. Raises Irregular, and any other OSError."""
    with open(open_regular(path), "rb") as stream:
        import hashlib  # here, since it loads OpenSSL

        return hashlib.file_digest(stream, "sha256").hexdigest()
