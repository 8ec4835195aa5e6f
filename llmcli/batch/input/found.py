"""What an entry says: its fields, the prompt among them, and what is attached to it."""

from __future__ import annotations

from collections.abc import Sequence

from llmcli.batch.input.readers.entry import Broken, Entry, NamedFile
from llmcli.batch.input.readers.named import content_of, fields_of
from llmcli.batch.input.shape import field_text
from llmcli.lean.dataclass import dataclass
from llmcli.wire import Json


@dataclass(frozen=True, slots=True)
class Found:
    """The fields of an entry. `line` is the JSON that they stand in, empty where there is none.

    `is_table`: they are columns, of which some have a meaning; `text` is the prompt of what is neither that nor
    JSON, and `parts` are content parts that go with it.
    """

    fields: Json
    line: bytes = b""
    is_table: bool = False
    text: str | None = None
    parts: Sequence[Json] = ()

    @property
    def said(self) -> str | None:
        """The row's own prompt."""
        return self.text if self.text is not None else field_text(self.fields, "prompt", self.line)


@dataclass(frozen=True, slots=True)
class ReadFile(NamedFile):
    """A file that is a row, and what it says, for whoever cannot read it."""

    found: Found

    @classmethod
    def of(cls, entry: NamedFile) -> ReadFile:
        """The file, read. Raises BadRow."""
        return cls(entry.path, found_in(entry))


def found_in(entry: Entry) -> Found:
    """What an entry says that is no JSON. Raises BadRow."""
    if isinstance(entry, dict):
        return Found(entry, is_table=True)
    if isinstance(entry, ReadFile):
        return entry.found
    if isinstance(entry, str):
        return Found({"text": entry}, text=entry)
    if isinstance(entry, Broken):
        raise entry.error
    assert isinstance(entry, NamedFile)  # noqa: S101 - JSON is for the caller
    text, part = content_of(entry.path)
    fields = {**fields_of(entry.path), "text": text}
    return Found(fields, text=text, parts=[] if part is None else [part])
