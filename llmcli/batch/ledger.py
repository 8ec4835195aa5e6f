"""The ledger: OUT and OUT.errors are the journal of the run; nothing else says what is done.

A line begins with `{"id":"batch_req_ROW_DIGEST",`, so that a row's number and the digest of its body are found
in its first bytes. A row is appended when it is final, with one write of the whole line; a torn last line is cut
off before the first append. Each file is written by one process, which holds a lock on both. A file that holds
anything else is refused as it is.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from llmcli import jsonl
from llmcli.errors import Busy, LlmcliError, OutputFailure, UsageError

_HEAD = re.compile(rb'\{"id":"batch_req_(\d{6,12})_([0-9a-f]{16})",')
_ENVELOPE = b',"llmcli":{"row":'
_COST = re.compile(rb'"cost_usd":([0-9.eE+-]+)')
_BLOCK = 1 << 20  # bytes
_FAR = 100_000_000  # rows: a number that is so far beyond those before it is no row's (it would cost 800 MB)

# Final in this run, worth another try in the next: the server's and the network's moods.
RETRYABLE = frozenset({"tempfail"})


def record_id(row: int, digest: int) -> str:
    """The `id` of a row's record."""
    return f"batch_req_{row:06d}_{digest:016x}"


@dataclass
class Done:
    """Which rows are final: 8 bytes for each, the digest of its body, 0 where it is not.

    `spent` is in $, with what was `carried`: what rows cost whose record was taken off, to go into their next.
    """

    digests: array[int] = field(default_factory=lambda: array("Q"))
    count: int = 0
    failed: int = 0
    spent: Decimal = field(default=Decimal(0))
    carried: dict[int, Decimal] = field(default_factory=dict)

    def add(self, row: int, digest: int) -> bool:
        """Take a row in; False where it was there already."""
        if row >= len(self.digests):
            self.digests.frombytes(bytes(self.digests.itemsize * (row + 1 - len(self.digests))))
        if self.digests[row]:
            return False
        self.digests[row] = digest
        self.count += 1
        return True

    def carry(self, line: bytes) -> None:
        """Take in what a record cost that is taken off."""
        if cost := _cost(line):
            row = _row(line)
            self.carried[row] = self.carried.get(row, Decimal(0)) + cost
            self.spent += cost

    def take(self, line: bytes) -> bool:
        """Take a record in, and what it cost; False where its row was there already."""
        head = _HEAD.match(line)
        if head is None or not self.add(int(head[1]), int(head[2], 16)):
            return False
        self.spent += _cost(line)
        return True

    def digest(self, row: int) -> int:
        """The digest of a final row's body; 0 where the row is not final."""
        return self.digests[row] if row < len(self.digests) else 0


class _Journal:
    """One append-only file of whole lines, locked from its opening to its close (Busy where another run has it)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._dirty = False
        while not self._open():
            pass

    def _open(self) -> bool:
        """Open and lock the file; False where another run has put a new one in its place meanwhile."""
        with self._named("open"):
            self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
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
            raise OutputFailure(
                f"cannot keep records in {self.path}: it is no regular file",
                todo="name a file, or leave -O out to have them on stdout",
            )
        with self._named("lock"):
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
        """(offset, line) of each whole line, newline included; what is torn at the end is cut off the file.

        Raises UsageError, before anything is cut, where a line is no record.
        """
        offset, highest, place = 0, 0, 0
        pieces: list[bytes] = []  # of the line that begins at `offset`
        while block := os.pread(self.descriptor, _BLOCK, place):
            place += len(block)
            piece, *more = block.split(b"\n")
            pieces.append(piece)
            if more:
                *lines, tail = b"".join(pieces), *more
                pieces = [tail]
                for line in lines:
                    highest = self._checked(line, offset, highest)
                    yield offset, line + b"\n"
                    offset += len(line) + 1
            elif place == _BLOCK and _HEAD.match(block) is None and block.strip(b"\0"):
                raise self.foreign(offset)  # a line of any size, which need not be read to its end
        if offset < place:
            if offset == 0 and not _is_torn(b"".join(pieces)):
                raise self.foreign(offset)
            with self._named("write"):
                os.ftruncate(self.descriptor, offset)
                os.fdatasync(self.descriptor)

    def _checked(self, line: bytes, offset: int, highest: int) -> int:
        """The highest row number so far, with that of the line at `offset`. Raises UsageError if it is no record."""
        head = _HEAD.match(line)
        if head is None or not line.endswith(b"}}") or (row := int(head[1])) > highest + _FAR:
            raise self.foreign(offset)
        return max(row, highest)

    def foreign(self, offset: int) -> UsageError:
        """The error where the file holds something else."""
        return UsageError(
            f"{self.path} is no output of llmcli batch",
            f"byte {offset}",
            "choose another -O, or start over with --fresh (what is there will be lost)",
        )

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
            new = os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
            try:
                with open(new, "wb", closefd=False) as stream:
                    stream.writelines(lines)
                os.fsync(new)
                fcntl.flock(new, fcntl.LOCK_EX)
                os.fchmod(new, os.fstat(self.descriptor).st_mode & 0o777)
                self._temporary.replace(self.path.resolve())
            except BaseException:
                os.close(new)
                raise
        self.close()
        self.descriptor = new
        _keep_name(self.path.resolve().parent)


class Ledger:
    """Both files of a run. Opening it locks both (Busy where another process has one)."""

    def __init__(self, out: str, *, fresh: bool) -> None:
        self.out = _Journal(Path(out))
        try:
            self.errors = _Journal(errors_path(Path(out)))
        except LlmcliError:
            self.out.close()
            raise
        for journal in (self.out, self.errors):
            journal.tidy()
            if fresh:
                os.ftruncate(journal.descriptor, 0)

    def recover(self, *, retry_failed: bool) -> Done:
        """Read what is final; failures that are to be tried again are taken off OUT.errors first.

        Raises UsageError where a file holds what is no record of a batch.
        """
        done = Done()
        for _, line in self.out.lines():
            done.take(line)
        again = 0
        for offset, line in self.errors.lines():
            if retry_failed or self._retryable(offset, line):
                again += 1
                done.carry(line)
            elif done.take(line):
                done.failed += 1
        if again:
            self.errors.rewrite(
                line
                for offset, line in self.errors.lines()
                if not (retry_failed or self._retryable(offset, line))
            )
        return done

    def _retryable(self, offset: int, line: bytes) -> bool:
        try:
            return jsonl.loads(line)["error"]["code"] in RETRYABLE
        except (ValueError, KeyError, TypeError):
            raise self.errors.foreign(offset) from None

    def drop(self, rows: set[int], before: Done) -> Done:
        """Take the records of rows off both files, so that they can be written anew: what is final then."""
        for journal in (self.out, self.errors):
            taken = 0
            for _, line in journal.lines():
                if _row(line) in rows:
                    taken += 1
                    before.carry(line)
            if taken:
                journal.rewrite(line for _, line in journal.lines() if _row(line) not in rows)
        done = self.recover(retry_failed=False)
        done.carried = before.carried
        done.spent += sum(done.carried.values())
        return done

    def put_in_order(self) -> None:
        """Rewrite both files in the order of the input, where they are not: some 50 bytes of memory a row."""
        for journal in (self.out, self.errors):
            rows, places = array("Q"), array("Q", [0])
            for offset, line in journal.lines():
                rows.append(_row(line))
                places.append(offset + len(line))
            if any(left > right for left, right in pairwise(rows)):
                order = sorted(range(len(rows)), key=rows.__getitem__)
                journal.rewrite(journal.between(places[index], places[index + 1]) for index in order)

    def room(self, _row: int) -> bool:
        """Whether a row may be begun: always, in a file."""
        return True

    def write(self, _row: int, line: bytes, *, failed: bool) -> None:
        """Append a row's record: to OUT, or to OUT.errors. Raises OutputFailure."""
        (self.errors if failed else self.out).append(line)

    def sync(self) -> None:
        """Have the disk keep both files."""
        self.out.sync()
        self.errors.sync()

    def close(self) -> None:
        """Sync, and let the lock go. Raises OutputFailure."""
        try:
            self.sync()
        finally:
            self.errors.close()
            self.out.close()


class Printed:
    """The ledger of a run without -O: records go to `write`, and nothing can be resumed.

    `ordered`: in the order of the input. Rows that are ready too early wait, and no row is begun that is more
    than `window` rows ahead of the one that is waited for.
    """

    def __init__(self, write: Callable[[bytes], None], *, ordered: bool, window: int = 1024) -> None:
        self._write = write
        self._ordered = ordered
        self._window = window
        self._next = 0
        self._waiting: dict[int, bytes] = {}

    def room(self, row: int) -> bool:
        """Whether a row may be begun."""
        return not self._ordered or row < self._next + self._window

    def write(self, row: int, line: bytes, *, failed: bool) -> None:  # noqa: ARG002 - as Ledger has it
        """Print a row's record, when its turn has come."""
        if not self._ordered:
            return self._write(line)
        self._waiting[row] = line
        while (ready := self._waiting.pop(self._next, None)) is not None:
            self._next += 1
            self._write(ready)
        return None

    def sync(self) -> None:
        """Nothing is kept."""

    def put_in_order(self) -> None:
        """What is printed is printed."""

    def close(self) -> None:
        """Stdout is not ours. Rows that still wait for a row that never came are printed now."""
        for row in sorted(self._waiting):
            self._write(self._waiting[row])
        self._waiting.clear()


def errors_path(out: Path) -> Path:
    """`OUT.errors.jsonl` beside `OUT.jsonl`."""
    return out.with_suffix(".errors.jsonl") if out.suffix == ".jsonl" else Path(f"{out}.errors.jsonl")


def _keep_name(directory: Path) -> None:
    """Have the disk keep that a file was renamed, where the file system can do that."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_torn(tail: bytes) -> bool:
    """Whether a file's only line, which has no end, is the beginning of a record and no file of somebody else's."""
    try:
        jsonl.loads(tail)
    except ValueError:
        return tail.startswith(b"{") or not tail.strip(b"\0")
    return False


def _row(line: bytes) -> int:
    head = _HEAD.match(line)
    return int(head[1]) if head else -1


def _cost(line: bytes) -> Decimal:
    """$ that a record says its row cost; 0 where it says none."""
    cost = _COST.search(line, max(0, line.rfind(_ENVELOPE)))
    return Decimal(cost[1].decode()) if cost else Decimal(0)
