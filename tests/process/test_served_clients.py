"""What OpenAI's own client and curl make of `llmcli serve`; other clients, and how: tests/bench/served_clients.py."""

from __future__ import annotations

import shutil
import sys

import pytest

from tests.bench.served_clients import HERE, PARTS, served

CLIENTS = {
    "openai": [sys.executable, str(HERE / "try_openai.py")],
    "curl": ["sh", str(HERE / "try_curl.sh")],
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_has_its_answers_waits_is_told_and_leaves(tmp_path, client, part):
    if client == "curl" and shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    lines = served(tmp_path, part, CLIENTS[client])
    assert lines
    assert [line for line in lines if not line["ok"]] == []
