"""A file an answer: `--write-each`, below the working directory alone, and no two rows into one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from llmcli import files, jsonl
from llmcli.batch.input.rows import Row
from llmcli.batch.input.shape import BadRow
from llmcli.batch.ledger.ledger import Ledger
from llmcli.batch.ledger.places import Places
from llmcli.batch.ledger.slots import Slots
from llmcli.batch.views.answers import answer_of
from llmcli.batch.views.kept import own_fields
from llmcli.errors import OutputFailure, UsageError
from llmcli.request.template import Template, Undefined

_LONGEST = 255  # bytes of a name in a directory
_OURS = ("row", "custom_id")  # what a template may name beside a row's fields


class EachFile:
    """Names the file of each row's answer, and writes it once the answer is there.

    `others` are files that none of them may be. The file of a row that an earlier run answered is written of its
    record in `ledger`, where it is missing.
    """

    def __init__(self, source: str, others: Iterable[str]) -> None:
        self.ledger: Ledger | None = None
        self._template = Template(source, "--write-each", optional=True)
        self._others = {os.path.realpath(path) for path in others}
        self._directory = lru_cache(maxsize=1024)(os.path.realpath)  # where one leads
        self._names = Slots()  # of names that rows have
        self._places: Places | None = None
        self._checked = False

    def name(self, row: Row) -> None:
        """Give a row the file that its answer is written to, or the error that it has none.

        Raises UsageError where the first good row shows that the template is not meant for these rows.
        """
        if row.place == 0:
            self._names = Slots()  # the input is read from its beginning
        if row.error is not None or row.fields is None:
            return
        try:
            name = self._rendered(row)
            wrong = self._wrong(name, row) or self._taken(name)
        except UsageError as error:
            if not self._checked and isinstance(error, Undefined):
                raise
            name, wrong = "", f"--write-each: {error}"
        self._check(row)
        if wrong is None:
            row.goes_to = os.path.normpath(name)
        else:
            row.request, row.error = None, BadRow("invalid_row", wrong)

    def _rendered(self, row: Row) -> str:
        fields = own_fields(row)
        ours = {"custom_id": row.custom_id or f"row-{row.number}"}
        written = fields is not row.fields
        return self._template.render({**ours, **fields, "row": fields}, written=written)

    def _check(self, row: Row) -> None:
        """Raise UsageError where all rows would have one file."""
        if not self._checked and not self._template.names & {*_OURS, *(row.fields or ())}:
            todo = f"the first row has {', '.join(list(row.fields or ())[:8]) or 'no field'}"
            raise UsageError("names no field of the rows", todo=todo, flag="--write-each")
        self._checked = True

    def _wrong(self, name: str, row: Row) -> str | None:
        """Why a name is none that may be written to."""
        shown = jsonl.dumps(name).decode()
        parts = os.fsencode(name).split(b"/")
        is_name = bool(parts[-1].strip(b".")) and b"\0" not in parts[-1] and max(map(len, parts)) <= _LONGEST
        if not is_name or "\0" in name or files.is_directory(name):
            return f"--write-each: {shown} is no name of a file"
        real = self._real(name)
        if not real.startswith(f"{self._directory('.').rstrip('/')}/"):
            return f"--write-each: {shown} is not below the working directory"
        if real in self._others or real == os.path.realpath(str((row.fields or {}).get("path", "/"))):
            return f"--write-each: {shown} is a file of the input or of the output"
        return None

    def _real(self, name: str) -> str:
        """Where a name leads, but for a link that it is itself, which is replaced."""
        directory, base = os.path.split(os.path.normpath(name))
        return f"{self._directory(directory or '.').rstrip('/')}/{base}"

    def _taken(self, name: str) -> str | None:
        """Why a name is another row's."""
        digest = hashlib.blake2b(os.fsencode(self._real(name)), digest_size=8).digest()
        before = len(self._names)
        if self._names.of(int.from_bytes(digest, "big")) < before:
            return f"--write-each: {jsonl.dumps(name).decode()} is another row's file, too"
        return None

    def written(self, row: Row, line: bytes) -> None:
        """Write the file of a row, whose record is there. Raises OutputFailure."""
        if row.goes_to is None:
            return
        path = Path(row.goes_to)
        text = answer_of(jsonl.loads(line)).rstrip("\n") + "\n"
        try:
            files.make_directory(path.parent)
            files.replace(path, jsonl.mended(text).encode(), sync=False)
        except OSError as error:
            raise OutputFailure(
                f"cannot write {path}: {error.strerror}", todo="check the path and the disk"
            ) from None

    def passed(self, row: Row) -> None:
        """Write the file of a row that an earlier run answered, where it is missing. Raises OutputFailure."""
        if row.goes_to is None or self.ledger is None or files.exists(row.goes_to):
            return
        if self._places is None:
            self._places = self.ledger.answers()
        if (line := self._places.line(row.slot)) is not None:
            self.written(row, line)
