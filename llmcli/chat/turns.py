"""Piped turns: bytes to messages, one turn at a time, each given as soon as it is whole."""

from __future__ import annotations

import codecs
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal

from llmcli import jsonl
from llmcli.errors import UsageError
from llmcli.request.messages import checked_message
from llmcli.request.reading import decode
from llmcli.wire import Message

TurnForm = Literal["lines", "null", "jsonl"]
Read = Callable[[], Awaitable[bytes]]


async def turns(read: Read, kind: TurnForm) -> AsyncIterator[tuple[int, bytes]]:
    """(number, bytes) of each turn; numbers count from 1. `read` gives what has come, b"" at the end."""
    number = 0
    async for piece in _split(_utf8(read), b"\0" if kind == "null" else b"\n"):
        number += 1
        yield number, piece


def message_of(data: bytes, kind: TurnForm, number: int) -> Message | str | None:
    """What a turn is: its text, or a message; None where it is blank. Raises UsageError for anything else."""
    text = decode(data, f"turn {number}")
    if not text.strip():
        return None
    if kind != "jsonl":
        return text
    try:
        value = jsonl.loads(text)
    except ValueError as error:
        raise UsageError(f"the turn is not valid JSON: {error}", f"turn {number}", "see --turns") from None
    return value if isinstance(value, str) else _message(value, f"turn {number}")


def _message(value: Any, where: str) -> Message:
    if not isinstance(value, dict):
        raise UsageError("a turn is a JSON string, or a message", where)
    message = checked_message({"role": "user", **value}, where)
    if message["role"] not in {"user", "tool", "system", "developer"}:
        raise UsageError(f"a turn of role {message['role']} cannot be answered", where)
    return message


async def _split(pieces: AsyncIterator[bytes], separator: bytes) -> AsyncIterator[bytes]:
    """The records between separators; what follows the last one is a record, unless it is empty."""
    held: list[bytes] = []
    async for piece in pieces:
        *whole, rest = piece.split(separator)
        for record in whole:
            yield b"".join(held) + record
            held = []
        held.append(rest)
    if last := b"".join(held):
        yield last


async def _utf8(read: Read) -> AsyncIterator[bytes]:
    """What comes, as it is; what begins with the BOM of UTF-16, as UTF-8."""
    first = await read()
    while first in {b"\xff", b"\xfe"} and (more := await read()):
        first += more
    if not first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        yield first
        while piece := await read():
            yield piece
        return
    decoder = codecs.getincrementaldecoder("utf-16")()
    try:
        yield decoder.decode(first).encode()
        while piece := await read():
            yield decoder.decode(piece).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise UsageError(f"stdin is not UTF-16 text: {error}") from None
