"""Whole content in a file's place, by rename: a crash leaves what was there or what is new, never a part of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from llmcli.files.opening import open_fresh

_SHORT = 100  # bytes of a name that the name of a file beside it begins with


class Replacement:
    """A file (0600) beside `path` that takes its place when it is committed, and its mode where it is there.

    A symbolic link is replaced itself: where the file that it leads to is meant, `path` is that one's. The file's name
    until then is `beside`, where others are to find it, and what has that name goes. Raises OSError.
    """

    def __init__(self, path: Path, beside: Path | None = None) -> None:
        self._path = path
        self._beside = beside or _beside(path)
        self._is_there = True
        self.descriptor = open_fresh(self._beside)

    def write(self, pieces: Iterable[bytes]) -> None:
        """Add all pieces. Raises OSError."""
        with open(self.descriptor, "wb", closefd=False) as stream:
            stream.writelines(pieces)

    def commit(self, *, sync: bool = True) -> None:
        """Take the place of `path`. With `sync`, the disk keeps the content before the name. Raises OSError."""
        with suppress(FileNotFoundError):
            status = self._path.lstat()
            if stat.S_ISREG(status.st_mode):
                os.fchmod(self.descriptor, status.st_mode & 0o777)
        if sync:
            os.fsync(self.descriptor)
        self._beside.replace(self._path)
        self._is_there = False
        if sync:
            _keep_name(self._path.parent)

    def close(self) -> None:
        """Let go of the descriptor; what was not committed goes, and `path` is as it was."""
        os.close(self.descriptor)
        if self._is_there:
            self._beside.unlink(missing_ok=True)


@contextmanager
def scratch(pieces: Iterable[bytes]) -> Iterator[BinaryIO]:
    """A file without a name that holds these pieces, to be read from its beginning. Raises OSError."""
    from tempfile import TemporaryFile  # here, since few need it

    with TemporaryFile() as file:
        file.writelines(pieces)
        file.seek(0)
        yield file


@contextmanager
def scratch_directory(prefix: str) -> Iterator[str]:
    """A directory that is there meanwhile; its name begins with `prefix`. Raises OSError."""
    from tempfile import TemporaryDirectory  # as above

    with TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as path:
        yield path


def replace(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Make `data` the content of a file. See Replacement. Raises OSError."""
    new = Replacement(path)
    try:
        new.write([data])
        new.commit(sync=sync)
    finally:
        new.close()


def create(path: Path, data: bytes) -> None:
    """Make a file of `data`, whole from its first moment. Raises FileExistsError where it is there, and OSError."""
    beside = _beside(path)
    new = Replacement(path, beside)
    try:
        new.write([data])
        os.fsync(new.descriptor)
        try:
            os.link(beside, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links: there it may be seen while it is written
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
    finally:
        new.close()


def _beside(path: Path) -> Path:
    """A hidden name of the same directory that nobody has."""
    begin = os.fsencode(path.name)[:_SHORT].decode("utf-8", "ignore")
    return path.with_name(f".{begin}.{os.urandom(8).hex()}")


def _keep_name(directory: Path) -> None:
    """Have the disk keep that a file was renamed, where the file system can do that."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
