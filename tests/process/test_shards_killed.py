"""Parts of a batch that are killed at any moment and typed again: merged, each row is there once."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from pathlib import Path

from tests import server as wire
from tests.conftest import Process
from tests.server import Server

KILLS = 3 * int(os.environ.get("LLMCLI_KILLS", "1"))
ROWS, PARTS = 8300, 2


def done(home: Path, part: int) -> int:
    path = home / f"out/{part:05d}-of-{PARTS:05d}.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_parts_that_are_killed_go_on_and_merge_to_each_row_once(process: Process, tmp_path):
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps({"prompt": f"{row}"}) + "\n" for row in range(ROWS))
    )
    asked: Counter[str] = Counter()

    def answer(request: wire.Request) -> wire.Scenario:
        asked[request.text] += 1
        return wire.ok(request.text)

    with Server() as server:
        server.script = answer
        argv = ["batch", "rows.jsonl", "--base-url", server.base_url, "-m", "tiny", "-j", "8", "-O", "out/"]
        draw = random.Random(27)
        for kill in range(KILLS):
            part = kill % PARTS
            run = process.start(*argv, "--shard", f"{part}/{PARTS}")
            until = done(tmp_path, part) + draw.randrange(1, 400)
            while run.poll() is None and done(tmp_path, part) < until:
                pass
            run.kill()
            run.communicate()
        assert process("batch", "--merge", "out", "-O", "all.jsonl").code == 75
        for part in range(PARTS):
            assert process(*argv, "--shard", f"{part}/{PARTS}").code == 0
    assert process("batch", "--merge", "out", "-O", "all.jsonl", "--ordered").code == 0
    records = [json.loads(line) for line in (tmp_path / "all.jsonl").read_bytes().splitlines()]
    assert [record["llmcli"]["row"] for record in records] == list(range(ROWS))
    assert sum(asked.values()) - ROWS <= 8 * KILLS
