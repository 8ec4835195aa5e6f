"""What a chunk of a stream costs, from bytes to a folded answer, beside the SDK's `AsyncStream[object]`, which folds nothing.

    python tests/bench/stream.py            10,000 and 20,000 chunks, 9 rounds, interleaved

Process CPU in microseconds a chunk, and ratios; both read the same bytes from memory, an event a piece.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

import httpx2
import openai

from llmcli.transport import replies
from llmcli.transport.failures.diagnosis import Reply
from llmcli.transport.wire.heads import Bounds, WireReply
from llmcli.wire import Request

KEY = "sk-bench-0123456789"
BODY = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
HEADERS = {"content-type": "text/event-stream", "x-request-id": "req_1"}


def events(count: int) -> list[bytes]:
    """A streamed answer of so many tokens, as a server sends it."""
    shared = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "tiny-2026-01-01"}

    def event(delta: dict[str, str], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return b"data: " + json.dumps({**shared, "choices": [choice], "usage": None}).encode() + b"\n\n"

    words = [event({"content": f" word{number % 97}"}) for number in range(count)]
    return [event({"role": "assistant", "content": ""}), *words, event({}, "stop"), b"data: [DONE]\n\n"]


async def coming(pieces: list[bytes]) -> AsyncGenerator[bytes, None]:
    for piece in pieces:
        yield piece


async def ours(pieces: list[bytes]) -> str:
    request = Request("openai", "tiny", "https://api.openai.com/v1", BODY)
    sent = WireReply(200, HEADERS, pieces=coming(pieces))
    answer = await replies.answer(Reply(request, 200, HEADERS, KEY), sent, Bounds())
    async for _ in answer:
        pass
    text: str = (await answer.whole()).choices[0]["message"]["content"]
    return text


async def theirs(pieces: list[bytes]) -> str:
    async with openai.AsyncOpenAI(api_key=KEY) as client:
        response = httpx2.Response(200, headers=HEADERS, content=coming(pieces))
        stream = openai.AsyncStream[object](cast_to=object, response=response, client=client)
        return "".join([str(chunk["choices"][0]["delta"].get("content", "")) async for chunk in stream])  # type: ignore[index]


def cost(read: Callable[[list[bytes]], Awaitable[str]], pieces: list[bytes]) -> float:
    """Microseconds of CPU a chunk."""

    async def work() -> float:
        started = time.process_time()
        assert (await read(pieces)).count(" word") == len(pieces) - 3
        return (time.process_time() - started) / len(pieces) * 1e6

    return asyncio.run(work())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    for count in (10_000, 20_000):
        pieces = events(count)
        pairs = [(cost(ours, pieces), cost(theirs, pieces)) for _ in range(rounds)]
        mine, sdk = (statistics.median(each) for each in zip(*pairs, strict=True))
        ratio = statistics.median(one / other for one, other in pairs)
        print(f"{count:6,} chunks   ours {mine:5.1f} us a chunk   SDK {sdk:5.1f}   ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
