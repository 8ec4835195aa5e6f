"""The ledger: OUT and OUT.errors are the journal of the run; nothing else says what is done.

A line begins with `{"id":"batch_req_ROW_DIGEST",`, so that a row's number and the digest of its body are found
in its first bytes. A row is appended when it is final, with one write of the whole line; a torn last line is cut
off before the first append. Each file is written by one process, which holds a lock on OUT.
"""

from __future__ import annotations

import fcntl
import os
import re
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from llmcli import jsonl
from llmcli.errors import OutputFailure, TransientFailure, UsageError

_HEAD = re.compile(rb'\{"id":"batch_req_(\d+)_([0-9a-f]{16})",')
_COST = re.compile(rb'"cost_usd":([0-9.eE+-]+)')
_BLOCK = 1 << 20
_ENVELOPE = 400  # bytes at a line's end in which its `llmcli` key stands

# Final in this run, worth another try in the next: the server's and the network's moods.
RETRYABLE = frozenset({"tempfail"})


def record_id(row: int, digest: int) -> str:
    """The `id` of a row's record."""
    return f"batch_req_{row:06d}_{digest:016x}"


@dataclass
class Done:
    """Which rows are final: 8 bytes for each, the digest of its body, 0 where it is not."""

    digests: array[int] = field(default_factory=lambda: array("Q"))
    count: int = 0
    failed: int = 0
    spent: Decimal = field(default=Decimal(0))

    def add(self, row: int, digest: int) -> bool:
        """Take a row in; False where it was there already."""
        if row >= len(self.digests):
            self.digests.extend([0] * (row + 1 - len(self.digests)))
        if self.digests[row]:
            return False
        self.digests[row] = digest
        self.count += 1
        return True

    def digest(self, row: int) -> int:
        """The digest of a final row's body; 0 where the row is not final."""
        return self.digests[row] if row < len(self.digests) else 0


class _Journal:
    """One append-only file of whole lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise OutputFailure(f"cannot open {path}: {error.strerror}", todo="check the path") from None
        self._dirty = False

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """(offset, line) of each whole line, newline included; what is torn at the end is cut off the file."""
        offset, tail = 0, b""
        while block := os.pread(self.descriptor, _BLOCK, offset + len(tail)):
            *lines, tail = (tail + block).split(b"\n")
            for line in lines:
                yield offset, line + b"\n"
                offset += len(line) + 1
        if tail:
            os.ftruncate(self.descriptor, offset)
            os.fdatasync(self.descriptor)

    def append(self, line: bytes) -> None:
        """Append one line, all of it or nothing. Raises OutputFailure."""
        try:
            written = os.write(self.descriptor, line)
            if written != len(line):
                self._finish(line, written)
        except OSError as error:
            raise OutputFailure(
                f"cannot write {self.path}: {error.strerror}",
                todo="make room, then type the same command again",
            ) from None
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
            os.fdatasync(self.descriptor)

    def rewrite(self, lines: Iterable[bytes]) -> None:
        """Replace the content, by rename: a crash leaves the old or the new file, whole."""
        temporary = self.path.with_name(f".{self.path.name}.new")
        try:
            with temporary.open("wb") as stream:
                temporary.chmod(0o600)
                stream.writelines(lines)
                stream.flush()
                os.fsync(stream.fileno())
            fcntl.flock(descriptor := os.open(temporary, os.O_RDWR | os.O_APPEND), fcntl.LOCK_EX)
            temporary.replace(self.path)
        except OSError as error:
            raise OutputFailure(f"cannot rewrite {self.path}: {error.strerror}") from None
        os.close(self.descriptor)
        self.descriptor = descriptor

    def at(self, offset: int) -> bytes:
        """The line that begins at an offset."""
        line = b""
        while not line.endswith(b"\n"):
            piece = os.pread(self.descriptor, 1 << 16, offset + len(line))
            end = piece.find(b"\n") + 1
            line += piece[:end] if end else piece
            if not piece:
                break
        return line


class Ledger:
    """Both files of a run. Opening it takes the lock (TransientFailure where another process has it)."""

    def __init__(self, out: str, *, fresh: bool) -> None:
        self.out = _Journal(Path(out))
        self._lock()
        self.errors = _Journal(errors_path(Path(out)))
        if fresh:
            for journal in (self.out, self.errors):
                os.ftruncate(journal.descriptor, 0)

    def _lock(self) -> None:
        try:
            fcntl.flock(self.out.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise TransientFailure(
                f"another run holds {self.out.path}", todo="wait for it to end, or choose another -O"
            ) from None

    def recover(self, *, retry_failed: bool) -> Done:
        """Read what is final; failures that are to be tried again are taken off OUT.errors first.

        Raises UsageError where a file holds what is no record of a batch.
        """
        done = Done()
        for offset, line in self.out.lines():
            self._take(done, self.out, offset, line)
        again = False
        for offset, line in self.errors.lines():
            if _to_retry(line, retry_failed=retry_failed):
                again = True
            else:
                self._take(done, self.errors, offset, line)
                done.failed += 1
        if again:
            kept = (line for _, line in self.errors.lines() if not _to_retry(line, retry_failed=retry_failed))
            self.errors.rewrite(kept)
        return done

    @staticmethod
    def _take(done: Done, journal: _Journal, offset: int, line: bytes) -> None:
        head = _HEAD.match(line)
        if head is None:
            raise UsageError(
                f"{journal.path} is no output of llmcli batch",
                f"byte {offset}",
                "choose another -O, or start over with --fresh (what is there will be lost)",
            )
        if done.add(int(head[1]), int(head[2], 16)) and (
            cost := _COST.search(line, max(0, len(line) - _ENVELOPE))
        ):
            done.spent += Decimal(cost[1].decode())

    def drop(self, rows: set[int]) -> None:
        """Take the records of rows off both files, so that they can be written anew."""
        for journal in (self.out, self.errors):
            if any(_row(line) in rows for _, line in journal.lines()):
                journal.rewrite(line for _, line in journal.lines() if _row(line) not in rows)

    def put_in_order(self) -> None:
        """Rewrite both files in the order of the input: 16 bytes of memory for each row."""
        for journal in (self.out, self.errors):
            places = array("Q")
            for offset, line in journal.lines():
                places.extend((_row(line), offset))
            order = sorted(range(0, len(places), 2), key=places.__getitem__)
            if any(left > right for left, right in pairwise(order)):
                journal.rewrite(journal.at(places[index + 1]) for index in order)

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
        """Sync, and let the lock go."""
        self.sync()
        for journal in (self.errors, self.out):
            os.close(journal.descriptor)


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


def _row(line: bytes) -> int:
    head = _HEAD.match(line)
    return int(head[1]) if head else -1


def _to_retry(line: bytes, *, retry_failed: bool) -> bool:
    return retry_failed or (jsonl.loads(line).get("error") or {}).get("code") in RETRYABLE
