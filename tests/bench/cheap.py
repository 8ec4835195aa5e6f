"""A server that costs next to nothing: one canned answer a request, after a delay, or a 429 above a rate.

    python tests/bench/cheap.py [--delay S] [--rps N] [--bytes N]

prints its base URL; GET /stats gives {"requests", "refused", "seconds"} since the first request.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time

import uvloop

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


class Connection(asyncio.Protocol):
    """One connection: requests are cut out of the bytes by their content-length."""

    def __init__(self, state: State) -> None:
        self.state, self.buffer = state, b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 : (head + b"\r").find(b"\r", at)]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            self.buffer = self.buffer[end + 4 + length :]
            answer = self.state.stats() if head.startswith(b"get /stats") else self.state.answer()
            if self.state.delay:
                asyncio.get_running_loop().call_later(self.state.delay, self.send, answer)
            else:
                self.send(answer)

    def send(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)


async def serve(options: argparse.Namespace) -> None:
    state = State(options.delay, options.rps, options.bytes, not options.silent)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(state), "127.0.0.1", 0, backlog=2048
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--rps", type=float)
    parser.add_argument("--bytes", type=int, default=1200)
    parser.add_argument("--silent", action="store_true", help="no x-ratelimit headers")
    uvloop.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
