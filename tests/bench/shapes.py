"""A server whose latency has a shape: one canned answer a request, when that shape says.

    python tests/bench/shapes.py constant|growing|queue|limit [--rps N] [--silent]

prints its base URL; GET /stats gives {"answers": [...], "refused": [...], "seconds"}: by the second since the first
request, and the seconds until the last answer.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.loopback import Send, listen

BODY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "tiny",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "x" * 100}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 25, "completion_tokens": 25, "total_tokens": 50},
    }
).encode()
ERROR = b'{"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}'
HEAD = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n"


def constant(_now: float, _under_way: int) -> float:
    """Seconds of latency that do not change."""
    return 2.0


def growing(_now: float, under_way: int) -> float:
    """Seconds of latency of a server that batches."""
    return 1.1 + 0.27 * math.sqrt(under_way)


def queue() -> Callable[[float, int], float]:
    """Two slots of 0.45 s, first in, first out; what is given up is answered none the less."""
    free = [0.0, 0.0]

    def latency(now: float, _under_way: int) -> float:
        end = max(now, heapq.heappop(free)) + 0.45
        heapq.heappush(free, end)
        return end - now

    return latency


class Limit:
    """A token bucket with room for a fifth of a second."""

    def __init__(self, rps: float, *, silent: bool) -> None:
        self.rps, self.silent = rps, silent
        self.tokens, self.then = 0.2 * rps, time.monotonic()

    def admit(self) -> tuple[bool, bytes]:
        """(whether a request may pass, what the answer's head tells of that)."""
        now = time.monotonic()
        self.tokens = min(self.rps * 0.2, self.tokens + (now - self.then) * self.rps)
        self.then = now
        ok = self.tokens >= 1
        self.tokens -= ok
        told = b"x-ratelimit-limit-requests: %d\r\nx-ratelimit-remaining-requests: %d\r\n"
        return ok, b"" if self.silent else told % (self.rps * 60, self.tokens)


class Server:
    """What all connections share."""

    def __init__(self, shape: str, limit: Limit | None) -> None:
        shapes = {"constant": constant, "growing": growing, "limit": lambda _now, _under_way: 0.2}
        self.latency = queue() if shape == "queue" else shapes[shape]
        self.limit = limit
        self.under_way = 0
        self.first: float | None = None
        self.last = 0.0
        self.answers: defaultdict[int, int] = defaultdict(int)
        self.refused: defaultdict[int, int] = defaultdict(int)

    def begin(self) -> tuple[float, bytes]:
        """A request came: (seconds until it is answered, what with)."""
        now = time.monotonic()
        self.first = self.first or now
        self.under_way += 1
        ok, told = (True, b"") if self.limit is None else self.limit.admit()
        if not ok:
            self.refused[int(now - self.first)] += 1
            return 0.02, HEAD % (
                b"429 Too Many Requests",
                len(ERROR),
                told + b"retry-after-ms: 200\r\n",
            ) + ERROR
        return self.latency(now, self.under_way), HEAD % (b"200 OK", len(BODY), told) + BODY

    def end(self, answer: bytes) -> None:
        """An answer goes out."""
        self.under_way -= 1
        if answer.startswith(b"HTTP/1.1 200"):
            self.last = time.monotonic()
            self.answers[int(self.last - (self.first or 0.0))] += 1

    def stats(self) -> bytes:
        """The figures."""
        span = int(time.monotonic() - (self.first or time.monotonic())) + 1
        figures = {
            "answers": [self.answers[second] for second in range(span)],
            "refused": [self.refused[second] for second in range(span)],
            "seconds": self.last - (self.first or 0.0),
        }
        text = json.dumps(figures).encode()
        return HEAD % (b"200 OK", len(text), b"") + text


async def serve(options: argparse.Namespace) -> None:
    limit = None if options.rps is None else Limit(options.rps, silent=options.silent)
    server = Server(options.shape, limit)
    later = asyncio.get_running_loop().call_later

    def handle(head: bytes, send: Send) -> None:
        if head.startswith(b"get /stats"):
            send(server.stats())
            return
        seconds, answer = server.begin()
        later(seconds, end, answer, send)

    def end(answer: bytes, send: Send) -> None:
        server.end(answer)
        send(answer)

    await listen(handle)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("shape", choices=["constant", "growing", "queue", "limit"])
    parser.add_argument("--rps", type=float)
    parser.add_argument("--silent", action="store_true", help="no x-ratelimit headers")
    uvloop.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
