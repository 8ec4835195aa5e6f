"""A server that costs next to nothing: one canned answer a request, after a delay, or a 429 above a rate.

    python tests/bench/cheap.py [--delay S] [--rps N] [--bytes N]

prints its base URL; GET /stats gives {"requests", "refused", "seconds"} since the first request.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.loopback import Send, listen

HEAD = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n"


class State:
    """What all connections share."""

    def __init__(self, delay: float, rps: float | None, size: int, headers: bool) -> None:
        self.delay, self.rps, self.headers = delay, rps, headers
        self.requests = self.refused = 0
        self.first: float | None = None
        self.last = 0.0
        self.tokens, self.then = rps or 0.0, time.monotonic()
        message = {"role": "assistant", "content": "x" * size, "refusal": None}
        body = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1700000000,
            "model": "tiny",
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 500, "completion_tokens": 300, "total_tokens": 800},
        }
        self.body = json.dumps(body).encode()

    def answer(self) -> bytes:
        """One answer, counted."""
        now = time.monotonic()
        self.first = self.first or now
        self.last = now
        self.requests += 1
        if self.rps is None:
            return HEAD % (b"200 OK", len(self.body), b"x-request-id: req_1\r\n") + self.body
        self.tokens = min(
            self.rps * 0.2, self.tokens + (now - self.then) * self.rps
        )  # a fifth of a second's burst
        self.then = now
        told = b""
        if self.headers:
            told = b"x-ratelimit-limit-requests: %d\r\nx-ratelimit-remaining-requests: %d\r\n" % (
                self.rps * 60,
                self.tokens,
            )
        if self.tokens < 1:
            self.refused += 1
            error = b'{"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}'
            return HEAD % (b"429 Too Many Requests", len(error), told + b"retry-after-ms: 200\r\n") + error
        self.tokens -= 1
        return HEAD % (b"200 OK", len(self.body), told) + self.body

    def stats(self) -> bytes:
        """The figures."""
        seconds = self.last - self.first if self.first else 0.0
        text = json.dumps({"requests": self.requests, "refused": self.refused, "seconds": seconds}).encode()
        return HEAD % (b"200 OK", len(text), b"") + text


async def serve(options: argparse.Namespace) -> None:
    state = State(options.delay, options.rps, options.bytes, not options.silent)
    later = asyncio.get_running_loop().call_later

    def handle(head: bytes, send: Send) -> None:
        answer = state.stats() if head.startswith(b"get /stats") else state.answer()
        if state.delay:
            later(state.delay, send, answer)
        else:
            send(answer)

    await listen(handle)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--rps", type=float)
    parser.add_argument("--bytes", type=int, default=1200)
    parser.add_argument("--silent", action="store_true", help="no x-ratelimit headers")
    uvloop.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
