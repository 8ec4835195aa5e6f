"""Outs: the records of a run, also of one that is under way: read without a lock, and nothing is written."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from llmcli import files
from llmcli.address import is_store_url
from llmcli.batch.input.sniff import packed_as
from llmcli.batch.ledger.journal_lines import HEAD
from llmcli.batch.shards.part import PartFiles
from llmcli.batch.shards.shard_plan import ShardPlan
from llmcli.batch.shards.shelf import Directory
from llmcli.errors import NoInput, UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.settings.batch.machines import Shard
from llmcli.settings.batch.run import errors_path, redone_path
from llmcli.settings.batch.view import view_of

_OUT, _ERRORS, _REDONE = range(3)
_FILES = 3  # of a part
_STRETCH = 1 << 17
_LARGE = 1 << 23
_BEGIN = b'{"id":"batch_req_'
_ID = len(_BEGIN)
_FEW = 64  # records of the files beside OUT in a stretch


class RecordLine(NamedTuple):
    """A record, newline included, and where it stands.

    `file` is 0 for OUT, 1 for its errors, 2 for the records of rows that were asked again, and so on for each further
    part; `number` is the line's.
    """

    content: bytes
    file: int
    offset: int
    number: int


@dataclass(frozen=True)
class BatchOut:
    """What one `-O` of a batch left: `name` as it was typed, and its parts: more than one where it is a directory."""

    name: str
    parts: Sequence[PartRecords]

    @property
    def paths(self) -> list[Path]:
        """The files of all parts, of which some are not there."""
        return [path for part in self.parts for path in part.paths]

    def lines(self) -> Iterator[RecordLine]:
        """As of its parts, one after the other."""
        for number, part in enumerate(self.parts):
            for line in part.lines():
                yield line._replace(file=line.file + number * _FILES) if number else line

    def stretches(self) -> Iterator[bytes]:
        """As of its parts, one after the other."""
        bytes(
            _LARGE
        )  # glibc gives pieces of a stretch's size back at once, until one that is larger was let go
        for part in self.parts:
            yield from part.stretches()

    def read(self, line: RecordLine) -> bytes:
        """A record again, by its place."""
        part, file = divmod(line.file, _FILES)
        return self.parts[part].read(line._replace(file=file))

    def foreign(self, line: RecordLine) -> UsageError:
        """The error where a line is no record."""
        part, file = divmod(line.file, _FILES)
        return self.parts[part].foreign(line._replace(file=file))


@dataclass(frozen=True)
class PartRecords:
    """The files of records of a part of a batch, mostly the whole of it, which are open.

    A run may put other files in their place meanwhile: what is read is what stood there as they were opened.
    """

    paths: tuple[Path, Path, Path]
    descriptors: tuple[int | None, ...]

    def lines(self) -> Iterator[RecordLine]:
        """The record of each row: its newest, and where it has an answer, not the failure that was before it.

        A line that is being written, or was torn, is passed over. Takes some 100 bytes a record that is not in OUT.
        """
        beside = self._beside()
        yield from (line for line in self._lines(_OUT) if not beside or _counts(line.content, beside))
        yield from self._of_beside(beside)

    def stretches(self) -> Iterator[bytes]:
        """The same records, many at a time, without their places.

        Most rows stand in one file and once, which the first bytes of their ids show.
        """
        ids, ends, once = self._ids_beside()
        beside: dict[bytes, tuple[int, int]] | None = None
        for _, stretch in self._stretches(_OUT):
            if not ids or ids.isdisjoint(_ids(stretch)):
                yield stretch
                continue
            beside = self._beside() if beside is None else beside
            yield b"".join([each for each in _split(stretch) if _counts(each, beside)])
        if once and beside is None:
            yield from (stretch for which, end in ends.items() for _, stretch in self._stretches(which, end))
            return
        rest = (line.content for line in self._of_beside(self._beside() if beside is None else beside))
        while stretch := b"".join(islice(rest, _FEW)):
            yield stretch

    def _ids_beside(self) -> tuple[set[bytes], dict[int, int], bool]:
        """Of the files beside OUT: how the ids begin, where the files end, and whether each id is there once."""
        ids: set[bytes] = set()
        ends = {_ERRORS: 0, _REDONE: 0}
        count = 0
        for which in ends:
            for offset, stretch in self._stretches(which):
                found = _ids(stretch)
                count += len(found)
                ids.update(found)
                ends[which] = offset + len(stretch)
        return ids, ends, len(ids) == count

    def read(self, line: RecordLine) -> bytes:
        """A record again, by its place."""
        descriptor, data = self.descriptors[line.file], b""
        assert descriptor is not None  # noqa: S101 - it was read before
        while b"\n" not in data and (more := os.pread(descriptor, _STRETCH, line.offset + len(data))):
            data += more
        return data.partition(b"\n")[0]

    def foreign(self, line: RecordLine) -> UsageError:
        """The error where a line is no record."""
        path = self.paths[line.file]
        if line.number == 1 and (packed := packed_as(line.content)) is not None:
            what, tool = packed
            return UsageError(f"{path} is {what}", todo=f"unpack it first: {tool} {path} >out.jsonl")
        return UsageError(
            f"{path} is no output of llmcli batch",
            f"line {line.number}",
            "name the OUT of a batch: OUT.jsonl, or OUT.csv beside OUT.csv.jsonl",
        )

    def _beside(self) -> dict[bytes, tuple[int, int]]:
        """By what a row is known by: the file and the number of its last line in the files beside OUT."""
        return {
            known_by(line.content): (which, line.number)
            for which in (_ERRORS, _REDONE)
            for line in self._lines(which)
        }

    def _of_beside(self, beside: dict[bytes, tuple[int, int]]) -> Iterator[RecordLine]:
        for which in (_ERRORS, _REDONE):
            for line in self._lines(which):
                if beside.get(known_by(line.content)) == (which, line.number):
                    yield line

    def _lines(self, which: int) -> Iterator[RecordLine]:
        number = 0
        for offset, stretch in self._stretches(which):
            place = offset
            for content in _split(stretch):
                number += 1
                yield RecordLine(content, which, place, number)
                place += len(content)

    def _stretches(self, which: int, end: int = sys.maxsize) -> Iterator[tuple[int, bytes]]:
        """(offset, whole lines), many at a time, of the bytes before `end`."""
        descriptor = self.descriptors[which]
        if descriptor is None:
            return
        offset, size, seen = 0, _STRETCH, 0
        while len(block := os.pread(descriptor, min(size, end - offset), offset)) > seen:
            if length := block.rfind(b"\n") + 1:
                yield offset, block[:length]
                offset, size, seen = offset + length, _STRETCH, 0
            else:  # the line is longer, or the last, and torn
                size, seen = 2 * size, len(block)
                self._check_begun(block, which, offset)

    def _check_begun(self, block: bytes, which: int, offset: int) -> None:
        """Raise UsageError where a line that is not whole can be no record. A machine that went down leaves NULs."""
        if not block.startswith(_BEGIN[: len(block)]) and block.strip(b"\0"):
            number = 1 + sum(stretch.count(b"\n") for _, stretch in self._stretches(which, offset))
            raise self.foreign(RecordLine(block, which, offset, number))


def _ids(stretch: bytes) -> list[bytes]:
    """How the id of each line begins: a number of up to seven digits as a whole."""
    found, start, find = [], 0, stretch.find
    while end := find(b"\n", start) + 1:
        found.append(stretch[start + _ID : start + _ID + 7])
        start = end
    return found


def _split(stretch: bytes) -> Iterator[bytes]:
    start = 0
    while end := stretch.find(b"\n", start) + 1:
        yield stretch[start:end]
        start = end


def _counts(content: bytes, beside: dict[bytes, tuple[int, int]]) -> bool:
    """Whether a record of OUT is its row's newest; a failure of the row is not counted then."""
    known = known_by(content)
    if beside.get(known, (_ERRORS, 0))[0] == _REDONE:
        return False
    beside.pop(known, None)
    return True


@contextmanager
def outs_named(names: Sequence[str]) -> Iterator[list[BatchOut]]:
    """The OUTs of these names, open: of tables, the records beside them. Raises NoInput, UsageError.

    The failures of one that is named, too, are its own, as a shell's `*.jsonl` names them.
    """
    found = {name: _records_of(name) for name in names}
    own = {file.resolve() for paths in found.values() for path in paths for file in _files_of(path)[1:]}
    with ExitStack() as stack:
        yield [
            BatchOut(name, [_opened(path, stack) for path in found[name]])
            for name in names
            if not own.issuperset(path.resolve() for path in found[name])
        ]


def _records_of(name: str) -> list[Path]:
    if is_store_url(name):
        todo = f"make them one first: llmcli batch --merge {name} -O out.jsonl"
        raise UsageError(f"{name} is on an object store", todo=todo)
    path = Path(name)
    if files.is_directory(path):
        return _parts_in(path)
    if view_of(name) is not None:
        records = Path(f"{name}.jsonl")
        if not files.is_file(records):
            todo = "name the file of the records" if files.exists(path) else "check the path"
            raise NoInput(f"{records}: there are no records of {name}", todo=todo)
        path = records
    if not files.exists(path):
        raise NoInput(f"{name}: no such file", todo="check the path")
    if not files.is_file(path):
        raise UsageError(f"{name} is no regular file", todo="name the OUT of a batch")
    return [path]


def _parts_in(directory: Path) -> list[Path]:
    """The parts of `--shard` that have begun. Raises UsageError, NoInput."""
    plan = ShardPlan.read(Directory(directory))
    if plan is None:
        raise UsageError(
            f"{directory} is a directory without parts of a batch", todo="name the OUT of a batch"
        )
    parts = [PartFiles(directory, Shard(index, plan.shards)).out for index in range(plan.shards)]
    if not (begun := [part for part in parts if files.is_file(part)]):
        raise NoInput(f"{directory}: none of its parts has begun", todo="run them with --shard I/N")
    return begun


def _files_of(path: Path) -> tuple[Path, Path, Path]:
    return path, errors_path(path), redone_path(path)


def _opened(path: Path, stack: ExitStack) -> PartRecords:
    """Open what is newer first: a record that is on its way from one file to another is then seen."""
    paths = _files_of(path)
    found = [_descriptor(each, stack) for each in reversed(paths)][::-1]
    if found[_OUT] is None:
        raise NoInput(f"{path}: no such file", todo="check the path")
    return PartRecords(paths, tuple(found))


def _descriptor(path: Path, stack: ExitStack) -> int | None:
    if not files.is_file(path):
        return None
    try:
        descriptor = files.open_regular(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", todo="check the path") from None
    stack.callback(os.close, descriptor)
    return descriptor


def known_by(line: bytes) -> bytes:
    """What the row of a record is known by; empty where the line is no record."""
    head = HEAD.match(line)
    return b"" if head is None else head[1] or head[2] + head[3]
