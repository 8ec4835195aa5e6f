"""Rows for the Responses API through a provider's Batch API: sent as its bodies, folded as live answers are."""

from __future__ import annotations

from typing import Any

from tests.command.test_via_batch import Away, Script, away, expected, records
from tests.server.batch_provider import echo_row
from tests.server.responses import as_response

__all__ = ["away"]  # the fixture


def answer(body: dict[str, Any]) -> tuple[int, Any]:
    (item,) = body["input"]
    (part,) = item["content"]
    assert body["store"] is False
    status, told = echo_row({**body, "messages": [{"content": part["text"]}]})
    return status, as_response(told)


def test_rows_go_there_and_come_back_as_chat_completions(away: Away):
    away.provider.script = Script(answer=answer)
    away.rows("a", "b")
    result = away("--api", "responses")
    assert result.code == 0, result.err
    assert away.answers == expected("a", "b")
    assert [record["llmcli"]["api"] for record in records(away.out)] == ["responses"] * 2
