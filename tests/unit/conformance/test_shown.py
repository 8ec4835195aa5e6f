"""What a user is left with when an answer breaks off, and when a piece of it is seen."""

from __future__ import annotations

import asyncio

import pytest

from llmcli.errors import (
    Incomplete,
    StreamCut,
    TransientFailure,
)
from llmcli.exchange.verdict import check
from llmcli.finish import says_something
from llmcli.wire import Chunk
from tests import server as wire
from tests.server import chunk, event, ok
from tests.unit.conformance.asking import (
    STOP,
    WAYS,
    Silent,
    follow,
    hello,
    request_to,
    text,
)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_cut_after_the_first_piece_leaves_a_part(how, server, new_transport):
    hold = wire.Hold()
    blocks = [event(chunk("Hel")), hold, event(chunk("lo"))]

    def scenario(_: wire.Request) -> wire.Answer:
        return wire.Answer(
            tuple(blocks[:2]),
            headers={"content-type": "text/event-stream"},
            framing="chunked",
            ending=how,
            whole=False,
        )

    server.script = scenario
    sink = Silent()
    sink.chunk = lambda _: hold.release()  # the rest comes, or not, once the first piece was seen
    request = request_to(server.base_url, "stream")
    answer = follow(new_transport(), request, sink)
    assert text(answer) == "Hel"
    assert answer.meta.cut.startswith("the connection broke in the middle of the answer")
    with pytest.raises(Incomplete, match="the answer broke off: the connection broke") as caught:
        check(answer, request)
    assert caught.value.exit_code == 3


def test_a_cut_before_the_first_piece_is_a_failure(server, new_transport):
    server.script = wire.cut(wire.events([chunk("", role="assistant"), chunk("Hello")]), 150)
    sink = Silent()
    with pytest.raises(StreamCut):
        follow(new_transport(), request_to(server.base_url, "stream"), sink)
    assert sink.aborted


@pytest.mark.parametrize("way", WAYS)
def test_an_error_in_a_choice_is_an_error(way, server, new_transport):
    error = {"code": 502, "message": "Provider disconnected"}
    choice = {"index": 0, "finish_reason": "error", "error": error}
    if way == "whole":
        choice["message"] = {"role": "assistant", "content": "a"}
        server.script = wire.reply({"object": "chat.completion", "choices": [choice]})
    else:
        server.script = wire.events([chunk("a"), {"choices": [{**choice, "delta": {"content": "b"}}]}])
    with pytest.raises(TransientFailure, match="Provider disconnected"):
        follow(new_transport(), request_to(server.base_url, way), Silent())


@pytest.mark.parametrize("headers", [{"content-type": "application/json"}, {"content-type": "text/plain"}])
def test_an_empty_reply_is_no_answer_that_was_cut(headers, server, new_transport):
    server.script = lambda _: wire.Answer((), headers=headers)
    with pytest.raises(TransientFailure, match="the reply is empty"):
        follow(new_transport(), request_to(server.base_url, "stream"), Silent())


def test_an_error_behind_the_finish_reason_is_an_error(server, new_transport):
    server.script = wire.stall(hello(STOP, {"error": {"message": "Too late"}}, b": nothing more"), -9)
    with pytest.raises(TransientFailure, match="Too late"):
        follow(new_transport(timeout=0.2), request_to(server.base_url, "stream"), Silent())


def test_a_piece_is_seen_before_the_next_is_sent(server, new_transport):
    hold = wire.Hold()
    server.script = ok("Hello", hold=hold, after=1)
    sink = Silent()

    def chunk_seen(piece: Chunk) -> None:
        sink.shown.append(piece)
        if says_something(piece):
            hold.release()

    sink.chunk = chunk_seen
    assert text(follow(new_transport(), request_to(server.base_url, "stream"), sink)) == "Hello"


def test_leaving_a_stream_hangs_up(server, new_transport):
    server.script = wire.stall(hello(STOP), -60)

    async def work() -> None:
        transport = new_transport()
        answer = await transport.ask(request_to(server.base_url, "stream"))
        async for _ in answer:
            break
        await answer.aclose()
        await asyncio.to_thread(server.requests[0].finished.wait, 5)
        await transport.aclose()

    asyncio.run(work())
    assert server.requests[0].gone
