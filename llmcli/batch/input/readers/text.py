"""Text of blocks: UTF-8 whatever was there (a BOM, UTF-16), and whole lines of it."""

from __future__ import annotations

import re
from codecs import BOM_UTF8, getincrementaldecoder
from collections.abc import Iterable, Iterator

_UTF16 = re.compile(rb"\xff\xfe[^\0]\0|\xfe\xff\0[^\0]", re.DOTALL)
_ENOUGH = 4  # bytes that tell it


def utf8(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same in UTF-8, without a BOM.

    UTF-16 is known by its BOM, before an ASCII character: a first line that is broken may begin like one.
    """
    blocks, head = iter(blocks), b""
    for block in blocks:
        head += block
        if len(head) >= _ENOUGH:
            break
    if not _UTF16.match(head):
        yield head.removeprefix(BOM_UTF8)
        yield from blocks
        return
    decoder = getincrementaldecoder("utf-16")("replace")
    yield decoder.decode(head).encode()
    for block in blocks:
        yield decoder.decode(block).encode()
    yield decoder.decode(b"", final=True).encode()


def whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines that each block completes, in one piece; last, what has no end."""
    tail: list[bytes] = []
    for block in blocks:
        end = block.rfind(b"\n") + 1
        if end:
            yield b"".join([*tail, block[:end]]) if tail else block[:end]
            tail = []
        if end < len(block):
            tail.append(block[end:])
    if tail:
        yield b"".join(tail)
