"""The journal: one file of records, to which whole lines are appended, and which is locked as long as it is open."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from llmcli import files, jsonl, locks
from llmcli.errors import Busy, LlmcliError, OutputFailure, UsageError

_HEAD = re.compile(rb'\{"id":"batch_req_(\d{6,12})_[0-9a-f]{16}",')
_BLOCK = 1 << 20  # bytes
_FAR = 100_000_000  # rows: a number that is so far beyond those before it is no row's (it would cost 800 MB)
_OPEN_FILES = {
    Path("/dev"),
    Path("/dev/fd"),
}  # names of what is open or a device; a file beside them is for nobody


class Journal:
    """Opens and locks its file. Raises Busy where another run has it, and OutputFailure.

    `named` is the file that the user named, which may be a link; whose name is ours may not: what it leads to
    is nobody's to write to.
    """

    def __init__(self, path: Path, *, named: bool = True) -> None:
        if path.parent in _OPEN_FILES:
            raise _irregular(path)
        if not named and files.is_link(path):
            raise OutputFailure(f"{path} is a symbolic link", todo="take it away, or choose another -O")
        self.path = path
        self._flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | (0 if named else os.O_NOFOLLOW)
        self._dirty = False
        while not self._open():
            pass

    def _open(self) -> bool:
        """Open and lock the file; False where another run has put a new one in its place meanwhile."""
        with self._named("open"):
            self.descriptor = os.open(self.path, self._flags, 0o600)
        try:
            self._lock()
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self.descriptor), self.path.stat()):
                    return True
        except LlmcliError:
            self.close()
            raise
        self.close()
        return False

    def close(self) -> None:
        """Let the file and its lock go."""
        os.close(self.descriptor)

    @contextmanager
    def _named(self, verb: str) -> Iterator[None]:
        """Turn the operating system's errors into ours."""
        try:
            yield
        except OSError as error:
            todo = "check the path" if verb == "open" else "make room, then type the same command again"
            raise OutputFailure(f"cannot {verb} {self.path}: {error.strerror}", todo=todo) from None

    def _lock(self) -> None:
        if not stat.S_ISREG(os.fstat(self.descriptor).st_mode):
            raise _irregular(self.path)
        with self._named("lock"):
            try:
                locks.exclusive(self.descriptor)
            except BlockingIOError:
                raise Busy(
                    f"another run holds {self.path}", todo="wait for it to end, or choose another -O"
                ) from None

    def tidy(self) -> None:
        """Take away what a run that was killed while rewriting has left."""
        with self._named("open"):
            self._temporary.unlink(missing_ok=True)

    @property
    def _temporary(self) -> Path:
        path = self.path.resolve()
        return path.with_name(f".{path.name}.new")

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """(row, line) of each whole line, newline included; what is torn at the end is cut off the file.

        Raises UsageError, before anything is cut, where a line is no record.
        """
        offset, highest, place, count = 0, 0, 0, 0
        pieces: list[bytes] = []  # of the line that begins at `offset`
        while block := os.pread(self.descriptor, _BLOCK, place):
            place += len(block)
            piece, *more = block.split(b"\n")
            pieces.append(piece)
            if more:
                *lines, tail = b"".join(pieces), *more
                pieces = [tail]
                for line in lines:
                    count += 1
                    row = self._row(line, count, highest)
                    highest = max(highest, row)
                    yield row, line + b"\n"
                    offset += len(line) + 1
            elif place == _BLOCK and _HEAD.match(block) is None and block.strip(b"\0"):
                raise self.foreign(1)  # a line of any size, which need not be read to its end
        if offset < place:
            yield from self._last(b"".join(pieces), count + 1, highest)

    def _last(self, tail: bytes, number: int, highest: int) -> Iterator[tuple[int, bytes]]:
        """The last line, which has no end: a whole record is given one, anything else is cut off."""
        is_whole = _is_json(tail)
        if is_whole and _HEAD.match(tail):
            row = self._row(tail, number, highest)
            self.append(b"\n")
            yield row, tail + b"\n"
            return
        if number == 1 and (is_whole or not (tail.startswith(b"{") or not tail.strip(b"\0"))):
            raise self.foreign(number)
        with self._named("write"):
            os.ftruncate(self.descriptor, os.fstat(self.descriptor).st_size - len(tail))
            os.fdatasync(self.descriptor)

    def _row(self, line: bytes, number: int, highest: int) -> int:
        """The row of a line, by its first and its last bytes. Raises UsageError if it is no record."""
        head = _HEAD.match(line)
        if head is None or not line.endswith(b"}}") or (row := int(head[1])) > highest + _FAR:
            raise self.foreign(number)
        return row

    def foreign(self, number: int) -> UsageError:
        """The error where a line of the file is something else."""
        return UsageError(
            f"{self.path} is no output of llmcli batch",
            f"line {number}",
            "choose another -O, or start over with --fresh (what is there will be lost)",
        )

    def empty(self) -> None:
        """Take all lines away."""
        with self._named("write"):
            os.ftruncate(self.descriptor, 0)

    def append(self, line: bytes) -> None:
        """Append one line, all of it or nothing. Raises OutputFailure."""
        with self._named("write"):
            written = os.write(self.descriptor, line)
            if written != len(line):
                self._finish(line, written)
        self._dirty = True

    def _finish(self, line: bytes, written: int) -> None:
        """The rest of a line of which a part was written; where that fails, the part is taken back."""
        size = os.fstat(self.descriptor).st_size - written
        try:
            while written < len(line):
                written += os.write(self.descriptor, line[written:])
        except OSError:
            os.ftruncate(self.descriptor, size)
            raise

    def sync(self) -> None:
        """Have the disk keep what was written."""
        if self._dirty:
            self._dirty = False
            with self._named("write"):
                os.fdatasync(self.descriptor)

    def between(self, start: int, end: int) -> bytes:
        """The bytes from one offset to another."""
        return os.pread(self.descriptor, end - start, start)

    def rewrite(self, lines: Iterable[bytes]) -> None:
        """Replace the content, by rename: a crash leaves the old or the new file, whole."""
        with self._named("rewrite"):
            new = files.open_fresh(self._temporary)
            try:
                with open(new, "wb", closefd=False) as stream:
                    stream.writelines(lines)
                os.fsync(new)
                locks.exclusive(new)
                os.fchmod(new, os.fstat(self.descriptor).st_mode & 0o777)
                self._temporary.replace(self.path.resolve())
            except BaseException:
                os.close(new)
                raise
        self.close()
        self.descriptor = new
        _keep_name(self.path.resolve().parent)


def _irregular(path: Path) -> OutputFailure:
    return OutputFailure(
        f"cannot keep records in {path}: it is no regular file",
        todo="name a file, or leave -O out to have them on stdout",
    )


def _keep_name(directory: Path) -> None:
    """Have the disk keep that a file was renamed, where the file system can do that."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_json(tail: bytes) -> bool:
    try:
        jsonl.loads(tail)
    except ValueError:
        return False
    return True
