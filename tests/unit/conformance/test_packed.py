"""Compressed bodies of every kind, asked for or not: whole, streamed, of several members, cut, and bombs."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import replace

import brotli
import pytest
import zstandard

from llmcli.errors import StreamCut, TransientFailure
from tests.server import Answer, Scenario, ok, reply
from tests.server.misbehaviour import changed
from tests.unit.conformance.asking import ERROR, Fails, Row, becomes, cases

Pack = Callable[[bytes], bytes]
MB = 1_000_000


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def twice(pack: Pack) -> Pack:
    """Two members or frames, one behind the other."""
    return lambda data: pack(data[:50]) + pack(data[50:])


PACKS: dict[str, tuple[str, Pack]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "gzip of two members": ("gzip", twice(gzip.compress)),
    "deflate": ("deflate", zlib.compress),
    "deflate without a head": ("deflate", lambda data: zlib.compress(data, wbits=-15)),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstd),
    "zstd of two frames": ("zstd", twice(zstd)),
    "br around gzip": ("gzip, br", lambda data: brotli.compress(gzip.compress(data))),
    "upper case": ("GZIP", gzip.compress),
}


def packed(scenario: Scenario, encoding: str, pack: Pack) -> Scenario:
    """The whole body packed, sent in pieces of seven bytes."""

    def change(answer: Answer) -> Answer:
        body = pack(b"".join(part for part in answer.parts if isinstance(part, bytes)))
        pieces = tuple(body[at : at + 7] for at in range(0, len(body), 7))
        return replace(answer, parts=pieces, headers={**answer.headers, "content-encoding": encoding})

    return changed(scenario, change)


BLANKS = b" " * (65 * MB)
BOMBS = {"gzip": gzip.compress(BLANKS, 1), "br": brotli.compress(BLANKS, quality=1), "zstd": zstd(BLANKS)}


def cut(pack: Pack) -> Pack:
    return lambda data: pack(data)[:-6]


def rows() -> list[Row]:
    all_of_them = []
    for name, (encoding, pack) in PACKS.items():
        all_of_them.append(Row(name, packed(ok("Hello"), encoding, pack), "Hello"))
        refusal = Fails(TransientFailure, "It went wrong.", 503, "server_error")
        all_of_them.append(Row(f"{name} of an error", packed(reply(ERROR, 503), encoding, pack), refusal))
    for name in ("gzip", "br", "zstd"):
        encoding, pack = PACKS[name]
        half = Fails(StreamCut, "cannot be unpacked: it is not whole")
        all_of_them.append(
            Row(f"{name}, cut", packed(ok("Hello"), encoding, cut(pack)), half, ("whole",), unstreamed=True)
        )
        bomb = reply(BOMBS[name], headers={"content-encoding": encoding})
        long = Fails(StreamCut, "the reply is longer than 64 MB (--max-reply)")
        all_of_them.append(Row(f"{name}, a bomb", bomb, long))
        refused = reply(BOMBS[name], 503, headers={"content-encoding": encoding})
        said = "the endpoint answered 503; its body is longer than 64 MB (--max-reply)"
        all_of_them.append(Row(f"{name}, a bomb in an error", refused, Fails(TransientFailure, said, 503)))
    unknown = Fails(StreamCut, "the reply, packed as lzw, cannot be unpacked: it is not known here")
    all_of_them.append(Row("unknown", packed(ok("Hello"), "lzw", gzip.compress), unknown, ("whole",)))
    return all_of_them


@pytest.mark.parametrize(("row", "way"), cases(rows()))
def test_a_packed_reply_is_what_it_is_unpacked(row, way, server, new_transport):
    becomes(row, way, server, new_transport)
