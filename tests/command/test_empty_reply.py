"""A reply with nothing in it is called empty, streamed or not."""

from __future__ import annotations

import pytest

from tests import server as wire


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
@pytest.mark.parametrize("body", [b"", b" \n"])
def test_an_empty_reply_is_called_empty(ask, server, how, body):
    server.script = wire.reply(body, headers={"content-type": None})
    result = ask("--retries", "0", how, "hi")
    assert result.code == 75
    assert "tempfail: the reply is empty (HTTP 200, openai/tiny, request req_1); " in result.err


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_a_reply_without_a_content_type_is_not_called_one(ask, server, how):
    server.script = wire.reply(b"[1]", headers={"content-type": None})
    assert "the reply is no Chat Completion: [1] (HTTP 200" in ask("--retries", "0", how, "hi").err
