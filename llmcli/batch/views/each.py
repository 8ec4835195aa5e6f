"""A file an answer: `--write-each`, below the working directory alone, and no two rows into one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from llmcli import files, jsonl
from llmcli.batch.input.readers.named import is_matched
from llmcli.batch.input.rows import Row
from llmcli.batch.input.shape import BadRow
from llmcli.batch.ledger.ledger import Ledger
from llmcli.batch.ledger.places import Places
from llmcli.batch.views.answers import answer_of
from llmcli.batch.views.file_names import FileNames
from llmcli.batch.views.kept import own_fields
from llmcli.errors import OutputFailure, UsageError
from llmcli.request.template import Template, Undefined

_LONGEST = 255  # bytes of a name in a directory
_OURS = ("row", "custom_id")  # what a template may name beside a row's fields


class NoFile(BadRow):
    """A row that can have no file of its own."""

    def __init__(self, what: str) -> None:
        super().__init__("invalid_row", f"--write-each: {what}")
        self.args = (what,)  # of which another process makes it again


class EachFile:
    """Names the file of each row's answer, and writes it once the answer is there.

    `others` are files that none of them may be, nor may they be files that `pattern`, the glob of `--each`, makes
    rows of at the next run. The file of a row that an earlier run answered is written of its record in `ledger`, where
    it is missing. `read` is done to each answer.
    """

    def __init__(
        self,
        source: str,
        others: Iterable[str],
        pattern: str | None = None,
        read: Callable[[str], str] = str,
    ) -> None:
        self.ledger: Ledger | None = None
        self._read = read
        self._pattern = None if pattern == "-" else pattern
        self._unwritten = 0  # answers that can have no file
        self._first_unwritten = ""  # what is said of the first
        self._template = Template(source, "--write-each", optional=True)
        self._others = {os.path.realpath(path) for path in others}
        self._directory = lru_cache(maxsize=1024)(os.path.realpath)  # where one leads
        self._nearest = lru_cache(maxsize=1024)(_nearest)
        self._names = FileNames()
        self._places: Places | None = None
        self._checked = False

    def name(self, row: Row) -> None:
        """Give a row the file that its answer is written to, or the error that it has none.

        Raises UsageError where the first good row shows that the template is not meant for these rows, OutputFailure
        where nothing can be written there.
        """
        if row.place == 0:
            self._names = FileNames()  # the input is read from its beginning
        if row.error is not None or row.fields is None:
            return
        try:
            name = self._rendered(row)
            wrong = self._wrong(name, row) or self._taken(name)
        except UsageError as error:
            if not self._checked and isinstance(error, Undefined):
                raise
            name, wrong = "", str(error)
        self._check(row, name)
        if wrong is None:
            row.goes_to = os.path.normpath(name)
        else:
            row.request, row.error = None, NoFile(wrong)

    def _rendered(self, row: Row) -> str:
        fields = own_fields(row)
        ours = {"custom_id": row.custom_id or f"row-{row.number}"}
        written = fields is not row.fields
        return self._template.render({**ours, **fields, "row": fields}, written=written)

    def _check(self, row: Row, name: str) -> None:
        """See to what the first good row shows: all would have one file, or be rows themselves, or none."""
        if self._checked:
            return
        if not self._template.names & {*_OURS, *(row.fields or ())}:
            todo = f"the first row has {', '.join(list(row.fields or ())[:8]) or 'no field'}"
            raise UsageError("names no field of the rows", todo=todo, flag="--write-each")
        if name and self._is_row(name):
            raise UsageError(
                f": {name} would be a row of --each {self._pattern} when the command is typed again",
                todo="write where the pattern does not reach: another directory, or another ending",
                flag="--write-each",
            )
        if (blocking := self._blocking(name)) is not None:
            todo = "move it away, or write elsewhere"
            raise OutputFailure(f"cannot write {name}: {blocking} is no directory", todo=todo)
        self._checked = True

    def _is_row(self, name: str) -> bool:
        return self._pattern is not None and is_matched(self._pattern, name)

    def _blocking(self, name: str) -> str | None:
        """What stands in the place of a directory that the file is to lie in."""
        directory, _ = os.path.split(os.path.normpath(name))
        nearest = self._nearest(directory) if directory else ""
        return nearest if nearest and not files.is_directory(nearest) else None

    def _wrong(self, name: str, row: Row) -> str | None:
        """Why a name is none that may be written to."""
        shown = jsonl.dumps(name).decode()
        parts = os.fsencode(name).split(b"/")
        is_name = bool(parts[-1].strip(b".")) and b"\0" not in parts[-1] and max(map(len, parts)) <= _LONGEST
        if not is_name or "\0" in name or files.is_directory(name):
            return f"{shown} is no name of a file"
        real = self._real(name)
        if not real.startswith(f"{self._directory('.').rstrip('/')}/"):
            return f"{shown} is not below the working directory"
        if real in self._others or real == os.path.realpath(str((row.fields or {}).get("path", "/"))):
            return f"{shown} is a file of the input or of the output"
        if self._checked and self._is_row(name):
            return f"{shown} would be a row of --each"
        return None

    def _real(self, name: str) -> str:
        """Where a name leads, but for a link that it is itself, which is replaced."""
        directory, base = os.path.split(os.path.normpath(name))
        return f"{self._directory(directory or '.').rstrip('/')}/{base}"

    def _taken(self, name: str) -> str | None:
        """Why a name is another row's."""
        shown = jsonl.dumps(name).decode()
        if (why := self._names.take(self._real(name))) is not None:
            return f"{shown} {why}"
        if self._checked and (blocking := self._blocking(name)) is not None:
            return f"{shown} cannot be written: {blocking} is no directory"
        return None

    def written(self, row: Row, line: bytes) -> None:
        """Write the file of a row, whose record is there. Raises OutputFailure."""
        if row.goes_to is None:
            return
        path = Path(row.goes_to)
        text = answer_of(jsonl.loads(line), self._read).rstrip("\n") + "\n"
        try:
            files.make_directory(path.parent)
            files.replace(path, jsonl.mended(text).encode(), sync=False)
        except OSError as error:
            raise OutputFailure(
                f"cannot write {path}: {error.strerror}", todo="check the path and the disk"
            ) from None

    def passed(self, row: Row) -> None:
        """Write the file of a row that an earlier run answered, where it is missing. Raises OutputFailure."""
        is_fileless = isinstance(row.error, NoFile)
        if self.ledger is None or not (is_fileless or (row.goes_to and not files.exists(row.goes_to))):
            return
        if self._places is None:
            self._places = self.ledger.answers()
        line = self._places.line(row.slot)
        if line is not None and is_fileless:
            self._unwritten += 1
            self._first_unwritten = self._first_unwritten or f"{row.error} ({row})"
        elif line is not None:
            self.written(row, line)

    def check_written(self) -> None:
        """Raise OutputFailure at a run's end where answers are there whose files cannot be."""
        number = self._unwritten
        if number:
            of = (
                "1 answer has no file of its own"
                if number == 1
                else f"{number:,} answers have no file of their own"
            )
            todo = "make way for it, or choose another --write-each"
            raise OutputFailure(f"{of}: {self._first_unwritten}", todo=todo)


def _nearest(directory: str) -> str:
    """The nearest of a directory and those above it that is there; empty where none is."""
    while directory and not os.path.lexists(directory):
        directory, _ = os.path.split(directory)
    return directory
