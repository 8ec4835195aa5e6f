"""Batches of the real program whose server goes away and comes back."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest

from tests import server as wire
from tests.conftest import Process
from tests.server import Server


@pytest.fixture
def rows(process: Process) -> str:
    path = process.home / "rows.jsonl"
    path.write_text("".join(f'{{"prompt": "row {number}"}}\n' for number in range(60)))
    return str(path)


def test_a_server_that_goes_away_and_comes_back_costs_no_row(process, rows):
    with Server() as server:
        server.script = wire.delayed(wire.echo, 0.05)
        port = urlsplit(server.base_url).port
        flags = ("-m", "tiny", "--base-url", server.base_url, "-O", "out.jsonl", "-j", "2")
        child = process.start("batch", rows, *flags)
        assert server.wait_for(10)
    said = child.stderr.readline().decode()
    assert said.startswith(f"llmcli: nothing gets through to openai/tiny at http://127.0.0.1:{port}/v1: ")
    assert said.endswith(" (--patience)\n")
    with Server(port=port) as server:
        _, err = child.communicate(timeout=60)
        assert child.returncode == 0, err
    done = [json.loads(line) for line in (process.home / "out.jsonl").read_bytes().splitlines()]
    assert sorted(record["llmcli"]["row"] for record in done) == list(range(60))
    assert "answers again\n" in err.decode()


def test_a_server_that_stays_away_is_given_up_after_patience_with_its_rows_open(process, rows):
    with Server() as server:
        server.script = wire.delayed(wire.echo, 0.05)
        flags = ("-m", "tiny", "--base-url", server.base_url, "-O", "out.jsonl", "-j", "2", "--patience", "1")
        child = process.start("batch", rows, *flags)
        assert server.wait_for(10)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 75
    assert "llmcli: tempfail: nothing has got through for --patience, 1 s: " in err.decode()
    assert "to go on: llmcli batch" in err.decode()
    assert (process.home / "out.errors.jsonl").read_bytes() == b""
