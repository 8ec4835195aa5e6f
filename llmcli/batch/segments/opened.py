"""A part's records on an object store, opened: its segments, under its lease."""

from __future__ import annotations

from llmcli.app import App
from llmcli.batch.input.identity import Identity
from llmcli.batch.segments.lease import Lease
from llmcli.batch.segments.segment_log import SegmentLog
from llmcli.batch.segments.stored_ledger import StoredLedger
from llmcli.settings.batch.machines import Shard
from llmcli.stores.bucket import Bucket
from llmcli.stores.failures import as_output


def stored_records(app: App, url: str, shard: Shard, identity: Identity, *, fresh: bool) -> StoredLedger:
    """The records of a part below `url`. Raises Busy where another process has them, UsageError, OutputFailure."""
    bucket = Bucket(url, as_output)
    lease = Lease(bucket, f"{shard.name}.lease.json", app.notes.say)
    return StoredLedger(SegmentLog(bucket, shard), lease, app.world.clock, identity, fresh=fresh)
