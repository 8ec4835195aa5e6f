"""The journal: a regular file of lines, which one process holds as long as it is open; sessions and batches use it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import BytesIO
from itertools import chain, pairwise
from pathlib import Path

from llmcli.files import locks
from llmcli.files.opening import check_file, open_regular
from llmcli.files.replacing import Replacement
from llmcli.files.writing import append

_BLOCK = 1 << 19  # bytes: what stays in a cache
_ROOM = 1 << 21  # bytes, freed once: from then on malloc keeps those of a block for the next
_LOOK = 1 << 13  # bytes in which a line may end
_KEEP = os.fdatasync if hasattr(os, "fdatasync") else os.fsync  # macOS has no fdatasync


class Held(OSError):
    """Another process has the file; `pid` is None where it cannot be told which."""

    def __init__(self, path: Path, pid: int | None) -> None:
        super().__init__(errno.EAGAIN, "another process has it", str(path))
        self.pid = pid


class Unlockable(OSError):
    """The file system has no lock for the file."""


class Journal:
    """Opens and locks a regular file, 0600 where it is new. Raises Held, Unlockable, Irregular, and any other OSError.

    `ours`: the name is not one that a user gave, so that a symbolic link there is an error: what it leads to is
    nobody's to write to. `must_exist`: none is made. Every method raises OSError where the disk does.
    """

    def __init__(self, path: Path, *, ours: bool = False, must_exist: bool = False) -> None:
        self.path = path
        self._flags = os.O_RDWR | os.O_APPEND
        self._flags |= (os.O_NOFOLLOW if ours else 0) | (0 if must_exist else os.O_CREAT)
        self._dirty = False
        self._is_new = False
        while not self._open():
            pass

    def _open(self) -> bool:
        """Open and lock the file; False where another has put a new one in its place meanwhile, or none."""
        self._descriptor = self._opened()
        try:
            self._lock()
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self._descriptor), self.path.stat()):
                    return True
        except BaseException:
            self.close()
            raise
        self.close()
        return False

    def _opened(self) -> int:
        """The descriptor of the file, which is made where there is none."""
        self._is_new = False
        if self._flags & os.O_CREAT:
            with suppress(FileExistsError):
                descriptor = open_regular(self.path, self._flags | os.O_EXCL)
                self._is_new = True
                return descriptor
        return open_regular(self.path, self._flags)

    def _lock(self) -> None:
        try:
            locks.signed(self._descriptor)
        except BlockingIOError:
            raise Held(self.path, locks.holder(self._descriptor)) from None
        except OSError as error:
            raise Unlockable(error.errno, error.strerror, str(self.path)) from None

    def remove(self) -> None:
        """Take the file away."""
        self.path.unlink(missing_ok=True)

    def withdraw(self) -> None:
        """Take the file away where it was made here and nothing is in it: as if it had not been opened."""
        if self._is_new and not self.size:
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let the file and its lock go."""
        os.close(self._descriptor)

    @property
    def size(self) -> int:
        """Bytes."""
        return os.fstat(self._descriptor).st_size

    def read(self, start: int, end: int) -> bytes:
        """The bytes from one offset to another, or to the end where that comes first."""
        return b"".join(self._blocks(start, end))

    def _blocks(self, place: int, end: int, size: int = _BLOCK) -> Iterator[bytes]:
        while block := os.pread(self._descriptor, min(size, end - place), place):
            place += len(block)
            yield block

    def whole(self) -> int:
        """Bytes of lines that have an end; behind them stands what is torn."""
        end = self.size
        while block := self.read(max(0, end - _LOOK), end):
            if newline := block.rfind(b"\n") + 1:
                return end - len(block) + newline
            end -= len(block)
        return 0

    def stretches(self, size: int) -> list[tuple[int, int]]:
        """Where lines that have an end begin and end, about so many bytes of them at a time."""
        bytes(_ROOM)
        whole, ends = self.whole(), [0]
        while (last := ends[-1]) < whole:
            ends.append(self._end_of_line(last + size - 1) if last + size < whole else whole)
        return list(pairwise(ends))

    def first(self) -> bytes:
        """The first line; without its newline where it is torn."""
        return self.read(0, self._end_of_line(0))

    def _end_of_line(self, place: int) -> int:
        for block in self._blocks(place, self.size, _LOOK):
            if newline := block.find(b"\n") + 1:
                return place + newline
            place += len(block)
        return place

    def lines_together(self, start: int, end: int) -> Iterator[list[bytes]]:
        """Lines with their newlines, some at a time; the last, where it is torn, has none and comes alone."""
        size = _BLOCK
        while block := os.pread(self._descriptor, min(size, end - start), start):
            lines = BytesIO(block).readlines()
            start += len(block)
            if not lines[-1].endswith(b"\n"):
                if len(lines) > 1:
                    start -= len(lines.pop())  # it is read again, with what comes behind it
                elif len(block) == size and start < end:
                    start -= size
                    size *= 2
                    continue
            yield lines

    def lines(self) -> Iterator[bytes]:
        """All lines, one by one."""
        return chain.from_iterable(self.lines_together(0, self.size))

    def append(self, line: bytes) -> None:
        """Add one line, all of it or nothing."""
        append(self._descriptor, line)
        self._dirty = True

    def cut(self, end: int) -> None:
        """Take away what lies behind the first `end` bytes, such as a line that is torn."""
        os.ftruncate(self._descriptor, end)
        self._dirty = True

    def put(self, end: int, data: bytes) -> None:
        """Have `data` in the place of what lies behind the first `end` bytes. Where that fails, all is as it was."""
        behind = self.read(end, self.size)
        try:
            if behind:
                self.cut(end)
            self.append(data)
        except BaseException:
            self.cut(end)
            append(self._descriptor, behind)  # it had room before
            raise

    def sync(self) -> None:
        """Have the disk keep what was written."""
        if self._dirty:
            self._dirty = False
            _KEEP(self._descriptor)

    def tidy(self) -> None:
        """Take away what a process that was killed while rewriting has left."""
        self._beside(self.path.resolve()).unlink(missing_ok=True)

    def rewrite(self, lines: Iterable[bytes]) -> None:
        """Replace the content, by rename: a crash leaves the old or the new file, whole."""
        path = self.path.resolve()
        new = Replacement(path, self._beside(path))
        try:
            new.write(lines)
            locks.signed(new.descriptor)  # before others can open it
            new.commit()
        except BaseException:
            new.close()
            raise
        self.close()
        self._descriptor = new.descriptor

    def _beside(self, path: Path) -> Path:
        return path.with_name(f".{path.name}.new")


class StandingJournal(Journal):
    """A journal as it stands, for those who only look: nobody is kept out of it, and nothing of it is changed.

    One that is not there is empty, where it could be made. Raises Irregular, and any other OSError that a Journal does.
    """

    def _open(self) -> bool:
        check_file(self.path)
        try:
            self._descriptor = open_regular(self.path, os.O_RDONLY | self._flags & os.O_NOFOLLOW)
        except FileNotFoundError:
            self._descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        return True

    def append(self, line: bytes) -> None:
        """Nothing is added."""

    def cut(self, end: int) -> None:
        """What is torn stays."""
