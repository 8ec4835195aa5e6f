"""The Answer: read as it comes or whole, told to whoever asked, and folded once whatever stands around it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llmcli.errors import LlmcliError, StreamCut, TransientFailure
from llmcli.exchange.exchange import Way, exchange
from llmcli.exchange.layers.awaited import Awaited
from llmcli.exchange.layers.budget import Budget
from llmcli.exchange.layers.fallback import Fallback
from llmcli.exchange.layers.folder import Folder
from llmcli.exchange.layers.repair import Repair
from llmcli.exchange.layers.retry import Policy, Retry
from llmcli.exchange.layers.store import Cache, Locks, Store
from llmcli.exchange.layers.window import Window
from llmcli.output.sink import TextSink
from llmcli.output.streams import Notes
from llmcli.transport.answer import Answer
from llmcli.transport.base import Transport
from llmcli.wire import Chunk, Completion, Meta, Request
from tests.conftest import Clock
from tests.server import chunk

CHUNKS = [chunk("", role="assistant"), chunk("Hel"), chunk("lo"), chunk(finish_reason="stop")]
MESSAGES = [{"role": "user", "content": "Hi"}]
REQUEST = Request(
    "openai", "tiny", "http://x/v1", {"model": "tiny", "messages": MESSAGES, "stream": True, "max_tokens": 5}
)


class Counted(dict[str, Any]):
    """A chunk that counts how often it is gone through, as folding does."""

    times = 0

    def items(self) -> Any:
        self.times += 1
        return super().items()


class Bottom:
    """A transport that streams `chunks`; an error among them is raised."""

    def __init__(self, chunks: list[Any]) -> None:
        self.chunks, self.closed = chunks, 0

    async def ask(self, _request: Request) -> Answer:
        return coming(self.chunks, self)

    async def aclose(self) -> None:
        pass


def coming(pieces: list[Any], bottom: Bottom | None = None) -> Answer:
    async def chunks() -> AsyncGenerator[Chunk, None]:
        try:
            for piece in pieces:
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
        finally:
            if bottom is not None:
                bottom.closed += 1

    return Answer.streamed(chunks(), Meta("openai", "tiny"))


def all_layers(bottom: Transport, folder: Path) -> Iterator[Transport]:
    """Each layer around those before it, in the order that commands have."""
    clock = Clock()
    price = {"input": 1.0, "output": 1.0}
    yield (bottom := Awaited(bottom, lambda *_: None))
    yield (bottom := Window(bottom, lambda *_: price, Budget(Decimal(1))))
    yield (bottom := Retry(bottom, Policy(2, clock, clock.sleep, lambda _low, high: high)))
    yield (bottom := Fallback(bottom, ["other"], lambda request, _model: request, lambda *_: None))
    yield (bottom := Repair(bottom, 1, lambda *_: None, lambda _: None))
    yield (
        bottom := Cache(
            bottom, Folder(folder / "cache"), lambda *_: True, pytest.fail, Locks(folder, clock.sleep)
        )
    )
    yield Store(bottom, Folder(folder / "record"), lambda *_: True, pytest.fail)


def text(completion: Completion) -> Any:
    return completion.choices[0]["message"]["content"]


def reading(answer: Answer) -> tuple[list[Chunk], LlmcliError | None]:
    """(chunks, what they ended in)."""

    async def work() -> tuple[list[Chunk], LlmcliError | None]:
        chunks = []
        try:
            async for piece in answer:
                chunks.append(piece)  # noqa: PERF401 - the last step may raise
        except LlmcliError as error:
            return chunks, error
        return chunks, None

    return asyncio.run(work())


def test_a_chunk_is_folded_once_whatever_layers_stand_around_it(tmp_path):
    bottom = Bottom([Counted(piece) for piece in CHUNKS])
    transport = list(all_layers(bottom, tmp_path))[-1]
    exchanged = asyncio.run(exchange(REQUEST, Way(transport, Clock(), lambda *_: None)))
    assert text(exchanged.completion) == "Hello"
    assert [piece.times for piece in bottom.chunks] == [1] * len(CHUNKS)
    assert bottom.closed == 1


@pytest.mark.parametrize("layers", range(7))
def test_layers_hand_on_every_chunk_and_the_whole(layers, tmp_path):
    async def work() -> tuple[list[Chunk], Completion]:
        answer = await list(all_layers(Bottom(CHUNKS), tmp_path))[layers].ask(REQUEST)
        return [piece async for piece in answer], await answer.whole()

    chunks, completion = asyncio.run(work())
    assert chunks == CHUNKS
    assert text(completion) == "Hello"


def test_what_is_kept_is_replayed_chunk_by_chunk(tmp_path):
    *_, transport = all_layers(Bottom(CHUNKS), tmp_path)

    async def twice() -> list[list[Chunk]]:
        return [[piece async for piece in await transport.ask(REQUEST)] for _ in range(2)]

    assert asyncio.run(twice()) == [CHUNKS, CHUNKS]


def test_an_answer_that_was_read_whole_can_still_be_iterated_once():
    answer = coming(CHUNKS)
    assert text(asyncio.run(answer.whole())) == "Hello"
    assert reading(answer) == (CHUNKS, None)
    assert reading(answer) == ([], None)


def test_an_answer_that_was_iterated_is_there_whole():
    answer = coming(CHUNKS)
    reading(answer)
    first, second = asyncio.run(answer.whole()), asyncio.run(answer.whole())
    assert text(first) == "Hello"
    assert first is second


def test_an_answer_that_is_there_is_one_chunk_that_folds_into_it():
    body = asyncio.run(coming(CHUNKS).whole()).body
    answer = Answer.of(Completion(body, Meta("openai", "tiny")))
    [piece], error = reading(answer)
    assert error is None
    assert asyncio.run(coming([piece]).whole()).body == body
    assert reading(answer) == ([], None)


@pytest.mark.parametrize(("behind", "cut"), [(False, "it broke"), (True, None)])
def test_an_answer_that_broke_off_is_what_had_come(behind, cut):
    error = StreamCut("it broke")
    error.behind_the_end = behind
    answer = coming([*CHUNKS[:2], error])
    completion = asyncio.run(answer.whole())
    assert (text(completion), completion.meta.cut) == ("Hel", cut)
    assert reading(answer) == (CHUNKS[:2], error)


def test_an_error_is_raised_however_often_an_answer_is_read():
    answer = coming([CHUNKS[0], TransientFailure("no")])
    for _ in range(2):
        with pytest.raises(TransientFailure, match="no"):
            asyncio.run(answer.whole())
    assert [type(error) for _, error in (reading(answer), reading(answer))] == [TransientFailure] * 2


ENDS: dict[str, tuple[list[Any], bool]] = {
    "whole": (CHUNKS, True),
    "cut": ([CHUNKS[1], StreamCut("it broke")], False),
    "failed": ([CHUNKS[1], TransientFailure("no")], False),
}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("end", ENDS)
def test_who_asked_is_told_of_each_chunk_of_the_end_and_of_the_close(end, late):
    pieces, is_whole = ENDS[end]
    seen: list[Any] = []

    async def done(completion: Completion) -> None:
        seen.append(completion)

    async def close() -> None:
        seen.append("closed")

    async def work() -> None:
        answer = coming(pieces)

        async def read() -> None:
            with contextlib.suppress(TransientFailure):
                await answer.whole()

        if late:
            await read()
        answer.watch(seen.append)
        await answer.then(done)
        await answer.at_close(close)
        await read()

    asyncio.run(work())
    chunks = [piece for piece in pieces if isinstance(piece, dict)]
    assert seen[: len(chunks)] == chunks
    assert [type(one) for one in seen[len(chunks) : -1]] == [Completion] * is_whole
    assert seen[-1] == "closed"


def test_leaving_an_answer_closes_all_below():
    bottom, seen = Bottom(CHUNKS), list[str]()

    async def close() -> None:
        seen.append("closed")

    async def work() -> None:
        answer = await bottom.ask(REQUEST)
        await answer.at_close(close)
        await anext(answer)
        await answer.aclose()

    asyncio.run(work())
    assert (bottom.closed, seen) == (1, ["closed"])


class Heard:
    """Where an answer goes: what it is sent, and which answers a store had by then."""

    terminal = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sent: list[tuple[bytes, int]] = []

    def write(self, text: str, end: bytes = b"") -> None:
        self.sent.append((text.encode() + end, len(list(self.folder.rglob("*.json")))))

    def write_bytes(self, data: bytes) -> None:
        self.write("", data)


@pytest.mark.parametrize(("null", "end"), [(False, b"\n"), (True, b"\0")])
@pytest.mark.parametrize(
    ("pieces", "wanted"),
    [(["Hel", "lo"], [b"Hel", b"lo"]), (["Hello\n", "\n"], [b"Hello"]), (["one", "\n", "two"], None)],
)
def test_an_answer_ends_before_the_cache_has_it_so_that_no_other_line_comes_between(
    tmp_path, null, end, pieces, wanted
):
    bottom = Bottom([*map(chunk, pieces), chunk(finish_reason="stop")])
    clock, folder = Clock(), tmp_path / "cache"
    cache = Cache(bottom, Folder(folder), lambda *_: True, pytest.fail, Locks(tmp_path, clock.sleep))
    first, second = Heard(folder), Heard(folder)

    async def work() -> None:
        for out in (first, second):
            sink = TextSink(out, Notes(None, terminal=False), null=null)
            await exchange(REQUEST, Way(cache, clock, lambda *_: None), sink)

    asyncio.run(work())
    whole = "".join(pieces).encode()
    if wanted is not None and not null:
        assert first.sent == [*((piece, 0) for piece in wanted), (end, 0)]
    assert b"".join(sent for sent, _ in first.sent) == (whole if null else whole.rstrip(b"\n")) + end
    assert [kept for _, kept in first.sent] == [0] * len(first.sent)
    assert second.sent == [((whole if null else whole.rstrip(b"\n")) + end, 1)]
