"""Gathered: the records of all parts, held while they are made one, and whether each row is there once."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import chain, islice
from pathlib import Path

from llmcli import jsonl
from llmcli.address import normal_path
from llmcli.batch.input.identity import Identity
from llmcli.batch.ledger.ledger import Ledger, identity_of
from llmcli.batch.ledger.places import Places
from llmcli.batch.ledger.recordfile import RecordFile
from llmcli.batch.ledger.slots import Slots
from llmcli.batch.shards.mark import Mark
from llmcli.batch.shards.part import PartFiles
from llmcli.batch.shards.shard_plan import ShardPlan
from llmcli.errors import Busy, ExitCode, LlmcliError, UsageError
from llmcli.settings.batch.machines import Shard

_SHOWN = 5  # gaps, or parts, that are named
_FILE = 40  # bits of a place that are the row's number in its file


class RowsMissing(LlmcliError):
    """Rows of a batch in parts are not there yet: more runs are to see to them."""

    exit_code = ExitCode.TEMPFAIL


class Gathered:
    """The files of all parts, each locked until `close`. Raises Busy where one runs, RowsMissing where one never did.

    `identity`: what their rows are known by.
    """

    def __init__(self, directory: Path, plan: ShardPlan) -> None:
        self._plan = plan
        self._shards = [Shard(index, plan.shards) for index in range(plan.shards)]
        self._parts = [PartFiles(directory, shard) for shard in self._shards]
        self.outs: list[RecordFile] = []
        self.errors: list[RecordFile] = []
        self.identity = Identity()
        self.marks: list[Mark | None] = []
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        self.slots = None if self.identity.by == "number" else Slots()

    def _open(self) -> None:
        absent = [part.shard.name for part in self._parts if not part.out.exists()]
        if absent:
            raise RowsMissing(f"{_some('part', absent)} not run yet", todo="run each with --shard I/N")
        held: list[str] = []
        for part in self._parts:
            try:
                self._tidy(part)
                self.outs.append(RecordFile(part.out))
                self.errors.append(RecordFile(part.failures, named=False))
            except Busy:
                held.append(part.shard.name)
        if held:
            raise Busy(f"{_some('part', held)} still running", todo="merge when each has come to its end")
        self.marks = [part.mark() for part in self._parts]

    def _tidy(self, part: PartFiles) -> None:
        """Finish what a kill of the part interrupted."""
        known = None
        with closing(RecordFile(part.out)) as out, closing(RecordFile(part.failures, named=False)) as errors:
            known = out.first_known_by() or errors.first_known_by()
        if known is not None:
            self.identity = identity_of(*known)
        with closing(Ledger(str(part.out), fresh=False, identity=self.identity)) as ledger:
            ledger.recover()

    def close(self) -> None:
        """Let all files go."""
        for records in chain(self.outs, self.errors):
            records.close()

    @property
    def failed(self) -> int:
        """How many rows failed for good."""
        return sum(1 for records in self.errors for _ in records.lines(self.slots))

    def check(self) -> None:
        """Raise UsageError where a row is there twice, RowsMissing where one is not."""
        seen = bytearray()
        counts = [self._count(seen, files) for files in zip(self.outs, self.errors, strict=True)]
        open_ones = [
            part.shard.name for part, mark in zip(self._parts, self.marks, strict=True) if mark is None
        ]
        marks = [mark for mark in self.marks if mark is not None]
        gaps = []
        if self.slots is None:
            rows = max((mark.rows for mark in marks), default=0)
            gaps = list(islice(_gaps(seen, rows), _SHOWN + 1))
        else:
            for part, mark, count in zip(self._parts, self.marks, counts, strict=True):
                if mark is not None and count < mark.own + mark.orphans:
                    gaps.append(f"{mark.own + mark.orphans - count:,} of part {part.shard.name}")
        if open_ones or gaps:
            said = [f"{_some('part', open_ones)} not at an end"] if open_ones else []
            said += (
                [f"there is no record of rows {', '.join(gaps[:_SHOWN])}{' ...' * (len(gaps) > _SHOWN)}"]
                if gaps
                else []
            )
            raise RowsMissing("; ".join(said), todo="type the commands of the parts again, then merge")

    def _count(self, seen: bytearray, files: Sequence[RecordFile]) -> int:
        """Take the rows of a part in, and say how many they are."""
        count = 0
        for records in files:
            for number, (row, line) in enumerate(records.lines(self.slots), 1):
                if row >= len(seen):
                    seen.extend(bytes(row + 1024 - len(seen)))
                if seen[row]:
                    name = jsonl.loads(line)["custom_id"]
                    todo = "an id is in INPUT twice, or a part was copied: take one of them away"
                    raise UsageError(f"{name} is there twice", f"{records.path}, line {number}", todo)
                seen[row] = 1
                count += 1
        return count

    def within(self, out: RecordFile, errors: RecordFile) -> bool:
        """Whether all rows that two files of records have are among ours."""
        own = Places([*self.outs, *self.errors], self.slots, lambda row: row)
        return all(row in own for records in (out, errors) for row, _ in records.lines(self.slots))

    def in_order(self, files: Sequence[RecordFile]) -> Callable[[], Iterator[bytes]]:
        """The records of some of our files, in the order of the input."""
        places = None if self.slots is None else self._places()
        return Places(files, self.slots, lambda row: row if places is None else places[row]).lines

    def _places(self) -> array[int]:
        """Where each row that has a key stands among all that have records, by its slot."""
        files = {name: at for at, name in enumerate(self._plan.inputs)}
        stands = array("Q")
        for records in (*self.outs, *self.errors):
            for slot, line in records.lines(self.slots):
                about = jsonl.loads(line)["llmcli"]
                if slot >= len(stands):
                    stands.frombytes(bytes(8 * (slot + 1 - len(stands))))
                stands[slot] = (
                    files.get(normal_path(about.get("file") or "-"), len(files)) << _FILE
                ) + about["row"]
        places = array("Q", bytes(8 * len(stands)))
        for place, slot in enumerate(sorted(range(len(stands)), key=stands.__getitem__)):
            places[slot] = place
        return places


def _gaps(seen: bytearray, rows: int) -> Iterator[str]:
    """The rows below `rows` that are not there, as ranges."""
    seen = seen[:rows] + bytes(max(0, rows - len(seen)))
    end = 0
    while (start := seen.find(b"\0", end)) >= 0:
        end = seen.find(b"\1", start)
        end = rows if end < 0 else end
        yield str(start) if end == start + 1 else f"{start}-{end - 1}"


def _some(noun: str, names: Sequence[str]) -> str:
    """Some of many, with a verb."""
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")
    return f"{noun} {shown} is" if len(names) == 1 else f"{noun}s {shown} are"
