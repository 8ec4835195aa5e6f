"""A part's records on an object store, opened: its segments, under its lease."""

from __future__ import annotations

from llmcli.app import App
from llmcli.batch.input.identity import Identity
from llmcli.batch.ledger.final import Done
from llmcli.batch.segments.lease import Lease
from llmcli.batch.segments.segment_log import SegmentLog
from llmcli.batch.segments.standing import StandingRows
from llmcli.batch.segments.stored_ledger import StoredLedger
from llmcli.settings.batch.machines import Shard
from llmcli.settings.batch.run import RunSettings
from llmcli.stores.bucket import Bucket
from llmcli.stores.failures import as_output


def stored_so_far(url: str, shard: Shard, identity: Identity, options: RunSettings) -> Done:
    """What a run would find done in a part below `url`, with nothing made. Raises UsageError, OutputFailure."""
    standing = StandingRows(identity, retry_failed=options.retry_failed, limit=options.limit)
    if not options.fresh:
        for segment in SegmentLog(Bucket(url, as_output), shard).new():
            standing.take(segment)
    return standing.done


def stored_records(app: App, url: str, shard: Shard, identity: Identity, *, fresh: bool) -> StoredLedger:
    """The records of a part below `url`. Raises Busy where another process has them, UsageError, OutputFailure."""
    bucket = Bucket(url, as_output)
    lease = Lease(bucket, f"{shard.name}.lease.json", app.notes.say)
    return StoredLedger(SegmentLog(bucket, shard), lease, app.world.clock, identity, fresh=fresh)
