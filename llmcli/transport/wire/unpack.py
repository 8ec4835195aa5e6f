"""Compressed bodies: gzip, of several members too, deflate, brotli and zstd, unpacked within a bound."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from llmcli.transport.wire.heads import Break, How


class Unpacker(Protocol):
    """Unpacks a body piece by piece; a piece in may be any number of bytes out, `most` of them at a time."""

    def feed(self, piece: bytes, most: int) -> bytes:
        """What a piece gives. Raises Break, for what cannot be read and for what would be beyond `most` bytes."""

    def end(self) -> None:
        """Nothing more comes. Raises Break where there should be."""


def unpacked(body: bytes, encodings: str, longest: int) -> bytes:
    """A whole body. Raises Break."""
    for unpacker in _unpackers(encodings):
        body = unpacker.feed(body, longest)
        unpacker.end()
    return body


async def unpacking(
    pieces: AsyncGenerator[bytes, None], encodings: str, longest: int
) -> AsyncGenerator[bytes, None]:
    """A body as it comes. Raises Break."""
    chain, left = _unpackers(encodings), longest
    async for piece in pieces:
        for unpacker in chain:
            piece = unpacker.feed(piece, left)  # noqa: PLW2901 - through the chain
        left -= len(piece)
        if piece:
            yield piece
    for unpacker in chain:
        unpacker.end()


def _unpackers(encodings: str) -> list[Unpacker]:
    """One for each that was packed around the body, the outermost first. Raises Break for one that nobody knows."""
    chain = []
    for name in reversed([each.strip().lower() for each in encodings.split(",")]):
        if name in {"", "identity"}:
            continue
        if name not in _KINDS:
            raise Break(How.CUT, f"it is packed in a way that is not known here: {name}")
        chain.append(_KINDS[name]())
    return chain


class _Zlib:
    """gzip and deflate. Of the latter servers send two kinds, with zlib's head and without."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._inner = zlib.decompressobj(window)
        self._begun = False

    def feed(self, piece: bytes, most: int) -> bytes:
        out = []
        while piece:
            if self._inner.eof:  # another member
                self._inner = zlib.decompressobj(self._window)
            out.append(self._part(piece, most))
            most -= len(out[-1])
            if self._inner.unconsumed_tail:
                raise too_long()
            piece = self._inner.unused_data
        return b"".join(out)

    def _part(self, piece: bytes, most: int) -> bytes:
        try:
            part = self._inner.decompress(piece, most + 1)
        except zlib.error as error:
            if self._begun or self._window != zlib.MAX_WBITS:
                raise Break(How.CUT, f"it cannot be unpacked: {error}") from None
            self._window = -zlib.MAX_WBITS
            self._inner = zlib.decompressobj(self._window)
            return self._part(piece, most)
        self._begun = True
        if len(part) > most:
            raise too_long()
        return part

    def end(self) -> None:
        if self._begun and not self._inner.eof:
            raise Break(How.CUT, "it cannot be unpacked: it is not whole")


def too_long() -> Break:
    """The error for a body beyond the bound."""
    return Break(How.TOO_LONG, "it is longer than a reply may be")


class _Brotli:
    """Brotli's one stream."""

    def __init__(self) -> None:
        import brotli  # type: ignore[import-untyped]

        self._inner = brotli.Decompressor()
        self._error = brotli.error

    def feed(self, piece: bytes, most: int) -> bytes:
        try:
            out = [self._inner.process(piece, output_buffer_limit=most + 1)]
            while not self._inner.can_accept_more_data() and sum(map(len, out)) <= most:
                out.append(self._inner.process(b"", output_buffer_limit=most + 1))
        except self._error as error:
            raise Break(How.CUT, f"it cannot be unpacked: {error}") from None
        whole = b"".join(out)
        if len(whole) > most:
            raise too_long()
        return whole

    def end(self) -> None:
        if not self._inner.is_finished():
            raise Break(How.CUT, "it cannot be unpacked: it is not whole")


class _Zstd:
    """zstd, of several frames too. It cannot be told where to stop, so that it is fed few bytes at a time."""

    def __init__(self) -> None:
        import zstandard

        self._new = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj
        self._inner = self._new()
        self._error = zstandard.ZstdError
        self._begun = False

    def feed(self, piece: bytes, most: int) -> bytes:
        out, size, at = [], 0, 0
        while at < len(piece):
            few = piece[at : at + _ZSTD_PIECE]
            if self._inner.eof:  # another frame
                self._inner = self._new()
            try:
                out.append(self._inner.decompress(few))
            except self._error as error:
                raise Break(How.CUT, f"it cannot be unpacked: {error}") from None
            self._begun = True
            at += len(few) - len(self._inner.unused_data)
            size += len(out[-1])
            if size > most:
                raise too_long()
        return b"".join(out)

    def end(self) -> None:
        if self._begun and not self._inner.eof:
            raise Break(How.CUT, "it cannot be unpacked: it is not whole")


_ZSTD_WINDOW = 1 << 23  # bytes: what RFC 9659 allows in HTTP
_ZSTD_PIECE = 1 << 8  # bytes, which become a few MB at most


_KINDS: dict[str, Callable[[], Unpacker]] = {
    "gzip": lambda: _Zlib(zlib.MAX_WBITS | 16),
    "x-gzip": lambda: _Zlib(zlib.MAX_WBITS | 16),
    "deflate": lambda: _Zlib(zlib.MAX_WBITS),
    "br": _Brotli,
    "zstd": _Zstd,
}
