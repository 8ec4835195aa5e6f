"""Stored parts whose process is killed or told to end at any moment, and typed again: each row is there once."""

from __future__ import annotations

import json
import os
import random
import signal
from collections import Counter
from pathlib import Path

from tests import object_server
from tests import server as wire
from tests.conftest import Process, part
from tests.object_server import LIES
from tests.server import Server

KILLS = 4 * int(os.environ.get("LLMCLI_KILLS", "1"))
ROWS = 600


def test_a_stored_part_that_is_killed_goes_on_from_its_segments(process: Process, tmp_path: Path):
    part("obstore")
    rows = "".join(json.dumps({"prompt": f"{row}"}) + "\n" for row in range(ROWS))
    (tmp_path / "rows.jsonl").write_text(rows)
    asked: Counter[str] = Counter()
    draw = random.Random(27)

    def answer(request: wire.Request) -> wire.Scenario:
        asked[request.text] += 1
        return wire.ok(request.text)

    with Server() as server, object_server.serving() as (objects, given):
        server.script = answer
        objects.lie = lambda _method, _key: draw.choice(LIES) if draw.random() < 0.05 else None
        argv = ["batch", "rows.jsonl", "--base-url", server.base_url, "-m", "tiny", "-j", "2"]
        argv += ["--rpm", "60000", "--shard", "0/1", "-O", "s3://rows/out"]
        for kill in range(KILLS):
            before = asked.total()
            run = process.start(*argv, env=given)
            until = before + draw.randrange(1, 120)
            while run.poll() is None and asked.total() < until:
                pass
            how = signal.SIGKILL if kill % 2 else signal.SIGTERM
            run.send_signal(how)
            run.communicate()
            assert run.returncode in {-how, 128 + how, 0}
            objects.pass_by(61)
        objects.lie = object_server.honest
        last = process(*argv, env=given)
        assert (last.code, "done before" in last.err) == (0, True)
        assert (
            process("batch", "--merge", "s3://rows/out", "-O", "all.jsonl", "--ordered", env=given).code == 0
        )
    records = [json.loads(line) for line in (tmp_path / "all.jsonl").read_bytes().splitlines()]
    assert [record["llmcli"]["row"] for record in records] == list(range(ROWS))
