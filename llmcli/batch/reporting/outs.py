"""Outs: the records of a run, also of one that is under way: read without a lock, and nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from llmcli.batch.ledger.journal_lines import HEAD
from llmcli.errors import NoInput, UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.settings.batch.run import errors_path
from llmcli.settings.batch.view import view_of

_BUFFER = 1 << 20  # bytes


class RecordLine(NamedTuple):
    """A record, newline included, and where it stands: file (0: OUT, 1: its errors), offset, number of the line."""

    content: bytes
    file: int
    offset: int
    number: int


@dataclass(frozen=True)
class BatchOut:
    """What one `-O` of a batch left: `name` as it was typed, and the files of records."""

    name: str
    files: tuple[Path, ...]

    def lines(self) -> Iterator[RecordLine]:
        """The record of each row: where it has an answer, not the failure that was before it.

        A line that is being written, or was torn, is passed over. Takes some 100 bytes a failure.
        """
        failed = self._failed()
        for line in self._read(0):
            failed.pop(known_by(line.content), None) if failed else None
            yield line
        for which in range(1, len(self.files)):
            yield from (
                line for line in self._read(which) if failed.get(known_by(line.content)) == line.number
            )

    def contents(self) -> Iterator[bytes]:
        """The same records, without their places: many a second."""
        failed = self._failed()
        with self._opened(0) as stream:
            for content in stream:
                if failed:
                    failed.pop(known_by(content), None)
                if content.endswith(b"\n"):
                    yield content
        for which in range(1, len(self.files)):
            for line in self._read(which):
                if failed.get(known_by(line.content)) == line.number:
                    yield line.content

    def _failed(self) -> dict[bytes, int]:
        """By what a row is known by: the number of its last failure's line."""
        return {
            known_by(line.content): line.number
            for which in range(1, len(self.files))
            for line in self._read(which)
        }

    def foreign(self, line: RecordLine) -> UsageError:
        """The error where a line is no record."""
        return UsageError(
            f"{self.files[line.file]} is no output of llmcli batch",
            f"line {line.number}",
            "name the OUT of a batch: OUT.jsonl, or OUT.csv beside OUT.csv.jsonl",
        )

    def _read(self, which: int) -> Iterator[RecordLine]:
        offset = 0
        with self._opened(which) as stream:
            for number, content in enumerate(stream, 1):
                if content.endswith(b"\n"):
                    yield RecordLine(content, which, offset, number)
                offset += len(content)

    def _opened(self, which: int) -> BinaryIO:
        try:
            return self.files[which].open("rb", buffering=_BUFFER)
        except OSError as error:
            raise UsageError(
                f"cannot read {self.files[which]}: {error.strerror}", todo="check the path"
            ) from None


def out_named(name: str) -> BatchOut:
    """The OUT of this name: of a table, the records beside it. Raises NoInput, UsageError."""
    path = Path(name)
    if view_of(name) is not None:
        records = Path(f"{name}.jsonl")
        if not records.is_file():
            todo = "name the file of the records" if path.exists() else "check the path"
            raise NoInput(f"{records}: there are no records of {name}", todo=todo)
        path = records
    if not path.exists():
        raise NoInput(f"{name}: no such file", todo="check the path")
    if not path.is_file():
        raise UsageError(f"{name} is no regular file", todo="name the OUT of a batch")
    errors = errors_path(path)
    return BatchOut(name, (path, errors) if errors.is_file() else (path,))


def known_by(line: bytes) -> bytes:
    """What the row of a record is known by; empty where the line is no record."""
    head = HEAD.match(line)
    return b"" if head is None else head[1] or head[2] + head[3]
