"""Batches whose answers come in pieces: the records are those of whole answers."""

from __future__ import annotations

import pytest

from tests import server as wire
from tests.command.test_batch import NOW, batch, by_text, prompts, records, text_of  # noqa: F401 - a fixture


def streamed(server: wire.Server) -> list[object]:
    return [request.json.get("stream") for request in server.requests]


def test_batch_stream_asks_for_pieces_and_records_the_whole(batch, server):  # noqa: F811
    assert batch.ask(prompts("a", "b"), "--stream", "-j", "1").code == 0
    assert streamed(server) == [True, True]
    assert server.requests[0].json["stream_options"] == {"include_usage": True}
    assert batch.answers == {0: "a", 1: "b"}
    body = records(batch.out)[0]["response"]["body"]
    assert (body["object"], body["choices"][0]["finish_reason"]) == ("chat.completion", "stop")
    assert body["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize("own", [{"prompt": "a"}, {"messages": [{"role": "user", "content": "a"}]}])
@pytest.mark.parametrize(
    ("flags", "value", "sent"),
    [((), True, True), ((), False, None), (("--stream",), False, None), (("--stream",), None, True)],
)
def test_a_rows_own_stream_wins(batch, server, own, flags, value, sent):  # noqa: F811
    assert batch.ask([{**own, "stream": value}], *flags).code == 0
    assert streamed(server) == [sent]
    assert text_of(records(batch.out)[0]) == "a"


def test_a_stream_that_is_neither_true_nor_false_is_the_rows_error(batch):  # noqa: F811
    assert batch.ask([{"prompt": "a", "stream": "yes"}]).code == 7
    assert batch.failures == {0: "invalid_row"}


@pytest.mark.parametrize("after", [0, 300])
def test_a_row_whose_stream_breaks_half_way_is_asked_again(batch, server, after):  # noqa: F811
    broken = wire.cut(wire.ok("Hello, this is an answer of some length."), after)
    server.script = by_text({"a": [broken, wire.ok("whole")]})
    assert batch.ask(prompts("a"), "--stream", **NOW).code == 0
    assert batch.answers == {0: "whole"}
    assert len(server.requests) == 2


@pytest.mark.parametrize(("flags", "said"), [((), True), (("--stream",), False)])
def test_a_whole_row_that_came_too_late_is_told_of_streams(batch, server, flags, said):  # noqa: F811
    server.script = by_text({"a": [wire.hang()]})
    result = batch.ask(prompts("a"), "--timeout", "0.2", "--retries", "0", "--patience", "0", *flags)
    assert result.code == 7
    (failed,) = records(batch.errors)
    assert ("which a stream (batch --stream) stops" in failed["error"]["message"]) == said
