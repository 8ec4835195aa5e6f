"""MCP in a conversation: images of tools' results are part of the turn in which the tools ran."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmcli.chat.context import turns_of
from tests import server as wire
from tests.command.test_mcp import PIXEL, raw, tool
from tests.conftest import KEY, part

part("mcp")
SHOT = {"content": [{"type": "image", "data": PIXEL, "mimeType": "image/png"}]}


def roles(request: wire.Request) -> list[str]:
    return [message["role"] for message in request.json["messages"]]


@pytest.fixture
def talk(cli, server, tmp_path):
    """Two turns, in the first of which a tool gives an image: the last request, and the roles of the session."""

    def run(*argv: str) -> tuple[wire.Request, list[str]]:
        server.script = [wire.ok(tool_calls=[wire.call("shot", {})]), wire.ok("Red."), wire.ok("Blue.")]
        path = tmp_path / "talk.jsonl"
        told = ["chat", "-m", "gpt-4o", "--base-url", server.base_url, "--session", str(path), *argv]
        servers = ["--mcp", raw(tools=[tool("shot")], results={"shot": SHOT})]
        result = cli(*told, *servers, stdin=b"one\ntwo\n", env=KEY)
        assert (result.code, result.out) == (0, "Red.\nBlue.\n"), result.err
        lines = map(json.loads, Path(path).read_text().splitlines())
        return server.requests[-1], [line["role"] for line in lines if "role" in line]

    return run


@pytest.mark.parametrize("window", [(), ("--keep-turns", "2")])
def test_the_next_turn_sees_the_image(talk, window):
    last, kept = talk(*window)
    first = ["user", "assistant", "tool", "user", "assistant"]
    assert roles(last) == [*first, "user"]
    assert last.json["messages"][3]["content"][1]["type"] == "image_url"
    assert kept == [*first, "user", "assistant"]


def test_a_turn_goes_whole_with_its_image(talk):
    last, _ = talk("--keep-turns", "1")
    assert roles(last) == ["user"]


def test_a_question_behind_an_answer_begins_a_turn_and_images_behind_results_do_not():
    said = ["system", "user", "assistant", "tool", "tool", "user", "assistant", "user", "assistant"]
    assert turns_of([{"role": role} for role in said]) == [[1, 2, 3, 4, 5, 6], [7, 8]]
