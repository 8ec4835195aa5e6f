"""Connections that are served, in this process: what bounds them, and who holds up whom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

import pytest

from llmcli.serving.replies import Problem, Response, json_response
from llmcli.serving.web.front import Front
from llmcli.serving.web.listening import Listener, base_url, bound, listening

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
ASKED = HEAD + b"Content-Length: 2\r\n\r\n{}"
PIECE = b"data: " + 10_000 * b"x" + b"\n\n"


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> Any:
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)["error"]


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, data: bytes = ASKED) -> Reply:
        self.writer.write(data)
        return await self.reply()

    async def reply(self) -> Reply:
        head, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        size = headers.get("content-length")
        body = await (self.reader.readexactly(int(size)) if size else self.reader.read())
        return Reply(int(head.split()[1]), headers, body)


class Served:
    """What is served here, and what it told of."""

    def __init__(self) -> None:
        self.refused: list[Problem] = []
        self.shown: list[str] = []
        self.made = 0
        self.cancelled = asyncio.Event()
        self.address = ("", 0)
        self.clients: list[Client] = []

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection(*self.address))
        self.clients.append(client)
        return client

    async def answer(self, _body: bytes, _agent: str) -> Response:
        return json_response({"ok": True})

    async def endless(self, _body: bytes, _agent: str) -> Response:
        return Response(200, pieces=self.pieces())

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        while True:
            self.made += 1
            yield PIECE

    async def stuck(self, _body: bytes, _agent: str) -> Response:
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
        raise AssertionError

    async def broken(self, _body: bytes, _agent: str) -> Response:
        raise ZeroDivisionError

    def front(self, token: str | None = None, **bounds: float) -> Front:
        posts = {
            "/chat/completions": self.answer,
            "/endless": self.endless,
            "/stuck": self.stuck,
            "/broken": self.broken,
        }
        return Front(posts, {}, token, self.refused.append, self.shown.append, **bounds)

    def listening(self, front: Front, most: int = 100) -> AbstractAsyncContextManager[Listener]:
        sock = bound("127.0.0.1", 0)
        self.address = sock.getsockname()[:2]
        return listening(front, sock, most)


def asking(path: str) -> bytes:
    return ASKED.replace(b"/chat/completions", path.encode())


Story = Callable[[Served], Coroutine[Any, Any, None]]


def run(story: Story) -> None:
    async def whole() -> None:
        async with asyncio.timeout(60):
            served = Served()
            await story(served)
            for client in served.clients:
                client.writer.transport.abort()
            await asyncio.sleep(0)

    asyncio.run(whole())


@pytest.mark.parametrize(
    "begun",
    [b"", b"POST /v1/chat", HEAD, HEAD + b"Content-Length: 9\r\n\r\n", HEAD + b"Content-Length: 9\r\n\r\n{"],
    ids=["nothing", "half a line", "half a head", "no body", "half a body"],
)
def test_a_request_that_does_not_come_is_a_408(begun):
    async def story(served: Served) -> None:
        async with served.listening(served.front(patience=0.05)):
            client = await served.connect()
            got = await client.ask(begun)
            assert (got.status, got.headers["connection"]) == (408, "close")
            assert got.error["message"] == "the request did not come in time"
            assert await client.reader.read() == b""
            assert [problem.status for problem in served.refused] == [408]

    run(story)


def test_neither_a_slow_answer_nor_an_idle_connection_is_a_request_that_does_not_come():
    async def story(served: Served) -> None:
        async with served.listening(served.front(patience=0.02)):
            waiting, idle = await served.connect(), await served.connect()
            waiting.writer.write(asking("/stuck"))
            assert (await idle.ask()).status == 200
            for _ in range(10):
                late = await (await served.connect()).ask(
                    HEAD
                )  # each time, two looks at all of them are over
                assert late.status == 408
            assert (await idle.ask()).status == 200
            assert not served.cancelled.is_set()

    run(story)


def test_a_body_that_is_too_long_is_a_413():
    async def story(served: Served) -> None:
        async with served.listening(served.front(longest=1_000_000)):
            client = await served.connect()
            got = await client.ask(HEAD + b"Content-Length: 3000000\r\n\r\n" + bytes(3_000_000))
            assert (got.status, got.headers["x-should-retry"]) == (413, "false")
            assert got.error["message"] == "the body is longer than 1 MB"
            assert (await client.ask()).status == 200

    run(story)


def test_the_token_is_asked_for_before_a_body_is_read():
    async def story(served: Served) -> None:
        async with served.listening(served.front(token="secret")):
            got = await (await served.connect()).ask(HEAD + b"Content-Length: 300000\r\n\r\n")
            assert (got.status, got.error["code"]) == (401, "invalid_api_key")

    run(story)


@pytest.mark.parametrize("said", [b"HELLO\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + 20_000 * b"x"])
def test_what_is_no_http_is_a_400_in_our_words(said):
    async def story(served: Served) -> None:
        async with served.listening(served.front()):
            client = await served.connect()
            got = await client.ask(said)
            assert (got.status, got.headers["connection"], got.error["code"]) == (400, "close", "malformed")
            assert [problem.status for problem in served.refused] == [400]

    run(story)


def test_a_connection_too_many_is_asked_to_come_again():
    async def story(served: Served) -> None:
        async with served.listening(served.front(), most=1):
            first, second = await served.connect(), await served.connect()
            assert (await first.ask()).status == 200
            got = await second.ask()
            assert (got.status, got.headers["retry-after"], got.headers["connection"]) == (503, "1", "close")
            assert got.error["code"] == "overloaded"
            assert "x-should-retry" not in got.headers
            assert (await first.ask()).status == 200

    run(story)


def test_a_bug_is_one_requests_end():
    async def story(served: Served) -> None:
        async with served.listening(served.front()):
            client = await served.connect()
            got = await client.ask(asking("/broken"))
            assert (got.status, got.error["type"]) == (500, "server_error")
            assert "ZeroDivisionError" in served.shown[0]
            assert (await client.ask()).status == 200

    run(story)


def test_a_reader_that_takes_nothing_is_waited_for_holds_nobody_up_and_not_the_end():
    async def story(served: Served) -> None:
        async with served.listening(served.front()) as listener:
            slow = await served.connect()
            slow.writer.write(asking("/endless"))
            await slow.reader.readuntil(b"\r\n\r\n")
            slow.writer.transport.pause_reading()
            before = -1
            while served.made != before:  # until the system holds no more for it
                before = served.made
                for _ in range(20):
                    assert (await (await served.connect()).ask()).status == 200
            assert served.made * len(PIECE) < 64_000_000
            await listener.end(30)
            assert served.made == before

    run(story)


def test_a_client_that_goes_away_ends_its_request():
    async def story(served: Served) -> None:
        async with served.listening(served.front()):
            client = await served.connect()
            client.writer.write(asking("/stuck"))
            assert (await (await served.connect()).ask()).status == 200
            client.writer.transport.abort()
            await served.cancelled.wait()
            assert (served.refused, served.shown) == ([], [])

    run(story)


def test_what_does_not_end_in_time_is_cut():
    async def story(served: Served) -> None:
        async with served.listening(served.front()) as listener:
            client = await served.connect()
            client.writer.write(asking("/stuck"))
            assert (await (await served.connect()).ask()).status == 200
            await listener.end(0.05)
            await served.cancelled.wait()
            with pytest.raises((asyncio.IncompleteReadError, OSError)):
                await client.reply()

    run(story)


def test_an_end_takes_no_more_and_lets_go_of_idle_connections():
    async def story(served: Served) -> None:
        async with served.listening(served.front()) as listener:
            idle = await served.connect()
            assert (await idle.ask()).status == 200
            await listener.end(30)
            assert await idle.reader.read() == b""
            with pytest.raises(OSError, match="Connect call failed"):
                await served.connect()

    run(story)


@pytest.mark.parametrize(
    ("host", "begins"), [("127.0.0.1", "http://127.0.0.1:"), ("0.0.0.0", "http://127.0.0.1:")]
)
def test_the_base_url_is_one_that_a_client_of_this_machine_can_use(host, begins):
    with bound(host, 0) as sock:
        assert base_url(sock) == f"{begins}{sock.getsockname()[1]}/v1"
