"""What comes over a connection: a request's head and body, and the client's leaving."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from tests.server.exchanged import (
    Request,
)


async def read_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, whole: bool = True
) -> Request | None:
    """The next request of a connection, or only its head; None where there is none."""
    first = await reader.read(1)
    if first and not first.isalpha():  # TLS, most likely: its client would wait for ever
        writer.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
        await writer.drain()
        return None
    if not first:
        return None
    head = first + await reader.readuntil(b"\r\n\r\n")
    line, *lines = head[:-4].decode("latin-1").split("\r\n")
    method, path, _ = line.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if not whole and method == "POST":
        return Request(method, path, headers, b"")
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await read_chunked(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body)


async def read_chunked(reader: asyncio.StreamReader) -> bytes:
    chunks = []
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        chunks.append((await reader.readexactly(size + 2))[:-2])
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass  # trailers
    return b"".join(chunks)


async def gone(reader: asyncio.StreamReader) -> None:
    """Return when the client has gone away."""
    with contextlib.suppress(ConnectionError):
        while await reader.read(2**16):
            pass


async def unless_gone(waiting: Any, reader: asyncio.StreamReader) -> None:
    tasks = [asyncio.ensure_future(waiting), asyncio.ensure_future(gone(reader))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[0].done():
            raise ConnectionAbortedError
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
