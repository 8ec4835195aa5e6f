"""A row whose stream ended with neither a finish_reason nor [DONE] broke off: it is asked again, and is 75."""

from __future__ import annotations

import pytest

from tests import server as wire
from tests.command.test_batch import NOW, batch, by_text, prompts, records  # noqa: F401 - a fixture

UNENDED = {
    "text": wire.events([wire.chunk("Hello, this is"), wire.chunk(" half an")]),
    "a null reason": wire.events([wire.chunk("Hello"), wire.chunk(" half", finish_reason="null")]),
    "one of two": wire.events([wire.chunk("{}", finish_reason="stop"), wire.chunk("B", index=1)]),
    "reasoning": wire.events([wire.chunk(reasoning_content="Let me see")]),
    "a role": wire.events([wire.chunk(role="assistant")]),
    "calls": wire.events([wire.chunk(tool_calls=[{**wire.call("w", {"a": 1}), "index": 0}])]),
}


@pytest.mark.parametrize("broken", UNENDED.values(), ids=UNENDED)
@pytest.mark.parametrize("flags", [("--stream",), ("--stream", "--repair", "1", "--json-mode")])
def test_a_row_without_an_end_is_asked_again(batch, server, broken, flags):  # noqa: F811
    server.script = by_text({"a": [broken, wire.ok('{"whole": 1}')]})
    assert batch.ask(prompts("a"), *flags, **NOW).code == 0
    assert batch.answers == {0: '{"whole": 1}'}
    assert len(server.requests) == 2


@pytest.mark.parametrize("broken", UNENDED.values(), ids=UNENDED)
def test_a_row_that_never_ends_fails_as_what_can_be_asked_again(batch, server, broken):  # noqa: F811
    server.script = by_text({"a": [broken]})
    assert batch.ask(prompts("a"), "--stream", "--retries", "2", **NOW).code == 7
    assert len(server.requests) == 3
    server.script = wire.ok("whole")
    assert batch.ask(prompts("a"), "--stream", **NOW).code == 0  # the next run asks it without being told to
    assert batch.answers == {0: "whole"}
