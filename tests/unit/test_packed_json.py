"""JSON that is kept takes the room of its bytes, and no more."""

from __future__ import annotations

import tracemalloc

from llmcli import jsonl


def test_what_is_kept_of_many_bodies_is_their_bytes():
    bodies = [{"messages": [{"role": "user", "content": f"{number} " * 500}]} for number in range(100)]
    tracemalloc.start()
    try:
        kept = [jsonl.dumps_to_keep(body) for body in bodies]
        size = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept == [jsonl.dumps(body) for body in bodies]
    assert size < 1.2 * sum(map(len, kept)), "orjson's own results hold on to several times that"
