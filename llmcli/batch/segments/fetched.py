"""Fetched parts: what an object store has of a batch, as the files that parts leave in a directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from llmcli import files
from llmcli.address import is_store_url
from llmcli.batch.ledger.journal_lines import row_known_by
from llmcli.batch.ledger.ledger import identity_of
from llmcli.batch.ledger.recordfile import RecordFile
from llmcli.batch.ledger.slots import Slots
from llmcli.batch.segments.lease import is_released
from llmcli.batch.segments.segment_log import SegmentLog
from llmcli.batch.shards.mark import Mark
from llmcli.batch.shards.part import PartFiles
from llmcli.batch.shards.shard_plan import ShardPlan
from llmcli.errors import OutputFailure
from llmcli.settings.batch.machines import Shard
from llmcli.stores.bucket import Bucket
from llmcli.stores.failures import as_input


@contextmanager
def parts_at(place: str, plan: ShardPlan, out: Path) -> Iterator[Path]:
    """The directory of all parts; of those on an object store, copies beside `out`, which go afterwards."""
    if not is_store_url(place):
        yield Path(place)
        return
    bucket = Bucket(place, as_input)
    with ExitStack() as stack:
        try:
            beside = stack.enter_context(files.scratch_directory(f"{out.absolute().parent}/.llmcli-parts-"))
        except OSError as error:
            what = f"cannot copy the parts to {out.absolute().parent}: {error.strerror}"
            raise OutputFailure(what, todo="check the path and the disk") from None
        for index in range(plan.shards):
            _fetch(bucket, Shard(index, plan.shards), Path(beside))
        yield Path(beside)


def _fetch(bucket: Bucket, shard: Shard, directory: Path) -> None:
    """Copy a part; one without a segment that was never run is left out."""
    part = PartFiles(directory, shard)
    lease = bucket.wait(bucket.read(f"{shard.name}.lease.json"))
    if lease is None:
        return
    with closing(_Copied(part)) as copied:
        end = copied.take_all(SegmentLog(bucket, shard))
    if end is not None and is_released(lease):
        part.end(end)


class _Copied:
    """The two files of a part, as its segments fill them."""

    def __init__(self, part: PartFiles) -> None:
        self._files = (RecordFile(part.out), RecordFile(part.failures, named=False))
        self._forget()

    def _forget(self) -> None:
        self._slots: Slots | None = None
        self._counts = [0, 0]
        self._seen = bytearray()
        self._last: dict[
            int, tuple[int, int]
        ] = {}  # of a row that has several records: the file, and which there

    def take_all(self, log: SegmentLog) -> Mark | None:
        """Copy all segments; the mark of the last, None where the part did not come to its end."""
        end, is_known = None, False
        for segment in log.new():
            end = segment.end
            if segment.is_fresh:
                is_known = False
                self._forget()
                for records in self._files:
                    records.empty()
            if not is_known and (known := row_known_by(segment.first())) is not None:
                is_known = True
                self._slots = None if identity_of(*known).by == "number" else Slots()
            for row, line, is_failed in segment.rows(self._slots):
                self._take(row, line, int(is_failed))
        for which, records in enumerate(self._files):
            if self._last:
                records.rewrite(self._counted(which, records))
        return end

    def _take(self, row: int, line: bytes, which: int) -> None:
        if row >= len(self._seen):
            self._seen.extend(bytes(row + 1024 - len(self._seen)))
        if self._seen[row]:
            self._last[row] = which, self._counts[which]
        self._seen[row] = 1
        self._files[which].append(line)
        self._counts[which] += 1

    def _counted(self, which: int, records: RecordFile) -> Iterator[bytes]:
        """The records of a file that count."""
        for number, (row, line) in enumerate(records.lines(self._slots)):
            if self._last.get(row, (which, number)) == (which, number):
                yield line

    def close(self) -> None:
        """Let the files go."""
        for records in self._files:
            records.close()
