"""Identity: what a row is known by, in OUT and from one run to the next."""

from __future__ import annotations

import hashlib
from os import fsencode
from os.path import normpath
from typing import TYPE_CHECKING, Literal

from llmcli import jsonl
from llmcli.batch.input.readers.entry import Entry, NamedFile
from llmcli.batch.input.shape import BadRow
from llmcli.lean.dataclass import dataclass

if TYPE_CHECKING:
    from llmcli.batch.input.rows import Row

By = Literal["number", "id", "path", "file"]

_MARKS: dict[By, str] = {"id": "i", "path": "p", "file": "f"}


@dataclass(frozen=True)
class Identity:
    """By its number, or `--id COLUMN`, or its path, or its file and its number there."""

    by: By = "number"
    column: str | None = None

    def __str__(self) -> str:
        """As errors say it."""
        words = {"number": "number", "path": "path (--each)", "file": "file and number (several INPUTs)"}
        return words.get(self.by, f"--id {self.column}")

    def know(self, row: Row, entry: Entry) -> None:
        """Give a row its key, and its name where it has none of its own; one without an id becomes an error."""
        if self.by == "id":
            self._know_by_id(row)
            return
        if self.by == "file":
            name = f"{row.file}:row-{row.number}"
            row.key = self._key(fsencode(normpath(row.file or "-")) + b"\0%d" % row.number)
        else:
            assert isinstance(entry, NamedFile)  # noqa: S101 - that is how these are known
            name = str((row.fields or {})["path"])
            row.key = self._key(fsencode(entry.path))
        row.custom_id = name if row.custom_id is None else row.custom_id

    def _know_by_id(self, row: Row) -> None:
        row.id_column = self.column
        value = (row.fields or {}).get(self.column or "")
        if value is None or value == "":
            row.key = self._key(b"\0\0%d" % row.place)
            if row.request is not None:
                row.request, row.error = (
                    None,
                    BadRow("invalid_row", f"there is no id: {self.column} is empty"),
                )
            row.custom_id = f"row-{row.place}" if row.custom_id is None else row.custom_id
            return
        text = value if isinstance(value, str) else jsonl.dumps(value).decode()
        row.key = self._key(jsonl.dumps(text))
        row.custom_id = text if row.custom_id is None else row.custom_id

    def _key(self, content: bytes) -> str:
        """64 bits of BLAKE2b in hexadecimal, behind a letter that says what it is of."""
        return _MARKS[self.by] + hashlib.blake2b(content, digest_size=8).hexdigest()
