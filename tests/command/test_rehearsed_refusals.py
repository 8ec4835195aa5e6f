"""A dry run refuses what the run refuses, in the same words."""

from __future__ import annotations

import json

import pytest

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
REFUSED = {
    "--exec of no tool": ["--exec", "nope=cat"],
    "a price that is not known": ["--max-cost", "1", "-m", "openai/nobodys", "-M", "5"],
    "media that text cannot show": ["--modalities", "text,audio"],
    "a provider that nobody knows": ["-m", "nobody/model"],
}
WAYS = {
    "ask": ["ask", "Hi"],
    "ask in a session": ["ask", "--session", "s", "Hi"],
    "chat": ["chat"],
}


@pytest.fixture
def refused(cli, server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tools.json").write_text(json.dumps([TOOL]))

    def run(way: str, words: list[str], *more: str):
        model = [] if "-m" in words else ["-m", "openai/tiny"]
        address = [] if "nobody/model" in words else ["--base-url", server.base_url]
        stdin = b"Hi\nagain\n" if way == "chat" else None
        flags = [*words, *model, *address, "--tools", "tools.json", *more]
        return cli(*WAYS[way], *flags, stdin=stdin, env={"OPENAI_API_KEY": "sk-test"})

    return run


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", REFUSED)
def test_a_dry_run_refuses_what_the_run_refuses(what, way, refused, server):
    run, rehearsal = (refused(way, REFUSED[what], *more) for more in ([], ["--dry-run"]))
    assert run.code == 2
    assert rehearsal == run
    assert not server.requests


def test_a_chat_that_keeps_going_says_once_what_is_wrong_with_every_turn(refused):
    result = refused("chat", ["--exec", "nope=cat"], "--keep-going")
    assert (result.code, result.out) == (2, "")
    assert result.err.count("nope") == 1
