"""What the bench servers share: requests cut out of bytes, a loopback port, and a core of their own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Send = Callable[[bytes], None]
Handle = Callable[[bytes, Send], None]
"""Is given the head of a request, in small letters, and what sends its answer, now or later."""

CORES = sorted(os.sched_getaffinity(0))


@contextmanager
def serving(script: str, *options: str) -> Iterator[str]:
    """The base URL of a server of this folder, which runs on the first core."""
    program = str(Path(__file__).with_name(script))
    command = ["taskset", "-c", str(CORES[0]), sys.executable, program, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


async def listen(handle: Handle) -> None:
    """Print the base URL, and serve until killed."""
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(handle), "127.0.0.1", 0, backlog=4096
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


class _Connection(asyncio.Protocol):
    """One connection: requests are cut out of the bytes by their content-length."""

    def __init__(self, handle: Handle) -> None:
        self.handle, self.buffer = handle, b""

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
            self.handle(head, self.send)

    def send(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)
