"""Open files: what looks after connections has some open, too, and as many requests go at once as leave room for it."""

from __future__ import annotations

from math import ceil

import pytest

from llmcli.loop import connections
from llmcli.transport.wire import drive

FILES_OF_A_MULTI_HANDLE = 2  # libcurl 8.23 on Linux
OF_THE_FIRST = FILES_OF_A_MULTI_HANDLE * drive._FIRST  # which are among the program's own


def handles_for(requests: int) -> tuple[int, int]:
    """(multi handles for so many requests under way, connections that they may come to have open)."""
    first = min(requests, drive._FIRST * drive._FEW)
    few, others = ceil(first / drive._FEW), ceil((requests - first) / drive._MORE)
    return few + others, (first if not others else drive._FIRST * drive._FEW) + others * drive._MORE


@pytest.mark.parametrize("limit", [100, 256, 600, 1024, 2000, 4096, 20_000, 65_536])
def test_so_many_requests_never_need_more_files_than_there_are(limit):
    most = connections.connections_within(limit)
    handles, connected = handles_for(most)
    more = max(0, FILES_OF_A_MULTI_HANDLE * handles - OF_THE_FIRST)
    assert connected + more + connections._OWN_FILES <= limit, (
        "idle connections stay open with the handle they were of"
    )
    assert most >= min(connections.MOST_CONNECTIONS, 0.9 * (limit - connections._OWN_FILES) - drive._MORE)
