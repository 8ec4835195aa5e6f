"""A file of records: which lines are records, whose rows they are, and what is said where the file cannot be used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from llmcli import files, jsonl
from llmcli.batch.ledger.journal_lines import HEAD, JournalLines, row_known_by
from llmcli.batch.ledger.slots import Slots
from llmcli.errors import Busy, OutputFailure

_LOOK = 1 << 20  # bytes from the beginning that show what a file is
_STRETCH = 8 << 20  # bytes that a process reads at a time
_OPEN_FILES = {
    Path("/dev"),
    Path("/dev/fd"),
}  # names of what is open or a device; a file beside them is for nobody


class RecordFile(JournalLines):
    """Opens and locks its file. Raises Busy where another run has it, and OutputFailure.

    `named` is the file that the user named, which may be a link; whose name is ours may not: what it leads to
    is nobody's to write to. `stands`: it is only looked at, neither locked nor changed.
    """

    def __init__(self, path: Path, *, named: bool = True, stands: bool = False) -> None:
        if path.parent in _OPEN_FILES:
            raise _irregular(path)
        if not named and files.is_link(path):
            raise OutputFailure(f"{path} is a symbolic link", todo="take it away, or choose another -O")
        super().__init__(path)
        self.path: Path = path
        try:
            journal = files.StandingJournal if stands else files.Journal
            self._journal = journal(path, ours=not named)
        except files.Irregular:
            raise _irregular(path) from None
        except files.Held:
            raise Busy(f"another run holds {path}", todo="wait for it to end, or choose another -O") from None
        except OSError as error:
            raise self._unopened(error) from None

    def remove(self) -> None:
        """Take the file away."""
        with self._written("remove"):
            self._journal.remove()

    def withdraw(self) -> None:
        """Take the file away where it was made here and has no record."""
        with self._written():
            self._journal.withdraw()

    def close(self) -> None:
        """Let the file and its lock go."""
        self._journal.close()

    def _unopened(self, error: OSError) -> OutputFailure:
        verb = "lock" if isinstance(error, files.Unlockable) else "open"
        return OutputFailure(f"cannot {verb} {self.path}: {error.strerror}", todo="check the path")

    def _unwritten(self, error: OSError, verb: str = "write") -> OutputFailure:
        todo = "make room, then type the same command again"
        return OutputFailure(f"cannot {verb} {self.path}: {error.strerror}", todo=todo)

    @contextmanager
    def _written(self, verb: str = "write") -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._unwritten(error, verb) from None

    def tidy(self) -> None:
        """Take away what a run that was killed while rewriting has left."""
        try:
            self._journal.tidy()
        except OSError as error:
            raise self._unopened(error) from None

    def lines(self, slots: Slots | None = None) -> Iterator[tuple[int, bytes]]:
        """(row, line) of each whole line, newline included; what is torn at the end is cut off the file.

        With `slots`, rows are known by keys, and row is the slot of one. Raises UsageError, before anything is cut,
        where a line is no record, or one of a row that is known in another way.
        """
        self._check_beginning()
        highest = 0
        for number, line in enumerate(self._journal.lines(), 1):
            is_ended = line.endswith(b"\n")
            if not is_ended and not self._is_whole(line, is_first=number == 1):
                return
            row = self.row_of(line, number, highest, slots)
            highest = max(highest, row)
            yield row, line if is_ended else self._ended(line)

    def stretches(self) -> list[tuple[int, int]]:
        """Where whole lines begin and end, some thousands of them at a time. Raises UsageError as `lines` does."""
        self._check_beginning()
        return self._journal.stretches(_STRETCH)

    def lines_together(self, start: int, end: int) -> Iterator[list[bytes]]:
        """The lines of such a stretch, some at a time, unchecked."""
        return self._journal.lines_together(start, end)

    def torn(self) -> Iterator[tuple[int, int]]:
        """Where the last line is, if it is whole but for its newline; what is torn is cut off, as by `lines`."""
        start = self._journal.whole()
        tail = self.between(start, self._journal.size)
        if tail and self._is_whole(tail, is_first=not start):
            self._ended(tail)
            yield start, self._journal.size

    def _check_beginning(self) -> None:
        """Raise UsageError for a line of any size that is no record, without reading it to its end."""
        begin = b"" if self._begins() else self._journal.read(0, _LOOK)
        if len(begin) == _LOOK and b"\n" not in begin and begin.strip(b"\0"):
            raise self.foreign(1)

    def _is_whole(self, tail: bytes, *, is_first: bool) -> bool:
        """Whether the last line, which has no end, is a whole record; anything else is cut off."""
        is_whole = _is_json(tail)
        if is_whole and HEAD.match(tail):
            return True
        if is_first and (is_whole or not (tail.startswith(b"{") or not tail.strip(b"\0"))):
            raise self.foreign(1)
        with self._written():
            self._journal.cut(self._journal.size - len(tail))
            self._journal.sync()
        return False

    def _ended(self, line: bytes) -> bytes:
        """The last line, to which its newline is given."""
        self.append(b"\n")
        return line + b"\n"

    def first_known_by(self) -> tuple[str, bytes] | None:
        """The letter of what the first record's row is known by (empty: its number), and the record.

        None where there is no whole record.
        """
        return row_known_by(self._journal.first()) if self._begins() else None

    def _begins(self) -> bool:
        """Whether the first bytes are those of a record."""
        return HEAD.match(self._journal.read(0, 80)) is not None

    def empty(self) -> None:
        """Take all lines away."""
        with self._written():
            self._journal.cut(0)

    def append(self, line: bytes) -> None:
        """Append one line, all of it or nothing. Raises OutputFailure."""
        try:  # for each row: no context manager
            self._journal.append(line)
        except OSError as error:
            raise self._unwritten(error) from None

    def sync(self) -> None:
        """Have the disk keep what was written."""
        with self._written():
            self._journal.sync()

    def between(self, start: int, end: int) -> bytes:
        """The bytes from one offset to another."""
        return self._journal.read(start, end)

    def rewrite(self, lines: Iterable[bytes]) -> None:
        """Replace the content, by rename: a crash leaves the old or the new file, whole."""
        with self._written("rewrite"):
            self._journal.rewrite(lines)


def _irregular(path: Path) -> OutputFailure:
    return OutputFailure(
        f"cannot keep records in {path}: it is no regular file",
        todo="name a file, or leave -O out to have them on stdout",
    )


def _is_json(tail: bytes) -> bool:
    try:
        jsonl.loads(tail)
    except ValueError:
        return False
    return True
