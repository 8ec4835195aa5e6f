"""Servers that fall silent: how long each transport waits, and what it makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from llmcli.errors import (
    TransientFailure,
)
from llmcli.exchange.verdict import check
from llmcli.transport.failures import diagnosis as failures
from llmcli.transport.streams.chunks import chunks
from llmcli.wire import Chunk
from tests import server as wire
from tests.server import chunk, event
from tests.unit.conformance.asking import (
    STOP,
    Silent,
    follow,
    hello,
    request_to,
    text,
)


def test_a_stall_after_text_is_an_answer_that_broke_off(server, new_transport):
    server.script = wire.stall(hello(STOP), -60)
    answer = follow(new_transport(timeout=0.2), request_to(server.base_url, "stream"), Silent())
    assert (answer.meta.cut, answer.meta.stalled) == ("nothing more came within 0.2 s", True)


def test_a_stall_behind_the_finish_reason_takes_nothing_from_the_answer(server, new_transport):
    server.script = wire.stall(hello(STOP, b": nothing more"), -9)
    request = request_to(server.base_url, "stream")
    answer = follow(new_transport(timeout=0.2), request, Silent())
    check(answer, request)
    assert text(answer) == "Hello"


def test_a_server_that_never_ends_is_left_when_every_choice_is_finished():
    request = request_to("http://127.0.0.1:1/v1", "stream", n=2)
    reply = failures.Reply(request, 200, {"content-type": "text/event-stream"})
    ends = [chunk("a", finish_reason="stop", index=index) for index in range(2)]

    async def pieces() -> AsyncIterator[bytes]:
        for end in ends:
            yield event(end)
        await asyncio.Event().wait()

    async def work() -> list[Chunk]:
        return [piece async for piece in chunks(reply, pieces(), reply.meta(), 60, patience=0.01)]

    assert asyncio.run(work()) == ends


@pytest.mark.parametrize(
    "early",
    [
        [STOP],
        [chunk("", role="assistant", finish_reason="stop")],
        [chunk("Hel", finish_reason="null")],
        [chunk("Hel", finish_reason="stop"), chunk("lo")],
    ],
    ids=["nothing was said", "a role", "null as a string", "text behind it"],
)
def test_silence_ends_no_answer_that_was_not_both_said_and_finished(early):
    request = request_to("http://127.0.0.1:1/v1", "stream")
    reply = failures.Reply(request, 200, {"content-type": "text/event-stream"})

    async def pieces() -> AsyncIterator[bytes]:
        for each in early:
            yield event(each)
        await asyncio.sleep(0.03)
        yield event(chunk("!", finish_reason="stop"))

    async def work() -> list[Chunk]:
        return [piece async for piece in chunks(reply, pieces(), reply.meta(), 60, patience=0.01)]

    assert asyncio.run(work()) == [*early, chunk("!", finish_reason="stop")]


def test_comments_keep_a_connection_alive_and_break_no_silence(server, new_transport):
    alive = wire.Answer((0.02, b": still here\n\n") * 200, headers={"content-type": "text/event-stream"})
    server.script = lambda _: alive
    with pytest.raises(TransientFailure, match=r"no answer within 0\.2 s"):
        follow(new_transport(timeout=0.2), request_to(server.base_url, "stream"), Silent())


def test_an_event_that_trickles_in_is_no_silence(server, new_transport):
    server.script = wire.slow(hello(STOP), 0.05, 100)  # an event is 0.1 s, the answer more than 0.5
    request = request_to(server.base_url, "stream")
    assert text(follow(new_transport(timeout=0.5), request, Silent())) == "Hello"


def test_comments_behind_the_finish_reason_do_not_hold_the_answer():
    request = request_to("http://127.0.0.1:1/v1", "stream")
    reply = failures.Reply(request, 200, {"content-type": "text/event-stream"})
    end = chunk("a", finish_reason="stop")

    async def pieces() -> AsyncIterator[bytes]:
        yield event(end)
        while True:
            await asyncio.sleep(0.001)
            yield b": still here\n\n"

    async def work() -> list[Chunk]:
        return [piece async for piece in chunks(reply, pieces(), reply.meta(), 60, patience=0.01)]

    assert asyncio.run(work()) == [end]


def test_the_time_that_a_reader_takes_is_no_silence():
    request = request_to("http://127.0.0.1:1/v1", "stream")
    reply = failures.Reply(request, 200, {"content-type": "text/event-stream"})

    async def pieces() -> AsyncIterator[bytes]:
        for letter in "abc":
            await asyncio.sleep(0)
            yield event(chunk(letter))

    async def work() -> int:
        seen = 0
        async for _ in chunks(reply, pieces(), reply.meta(), 0.05):
            await asyncio.sleep(0.1)  # the reader's own pace
            seen += 1
        return seen

    assert asyncio.run(work()) == 3


def test_a_limit_of_the_reader_is_no_silence_of_the_server():
    request = request_to("http://127.0.0.1:1/v1", "stream")
    reply = failures.Reply(request, 200, {"content-type": "text/event-stream"})

    async def pieces() -> AsyncIterator[bytes]:
        yield event(chunk("a"))
        await asyncio.Event().wait()

    async def work() -> None:
        coming = chunks(reply, pieces(), reply.meta(), 60)
        assert await anext(coming) == chunk("a")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(coming), 0.01)

    asyncio.run(work())
