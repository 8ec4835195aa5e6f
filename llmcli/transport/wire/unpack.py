"""Compressed bodies: gzip, of several members too, deflate, brotli and zstd, unpacked within a bound."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from llmcli.transport.wire.heads import Break, How


class Unpacker(Protocol):
    """Unpacks a body piece by piece."""

    def feed(self, piece: bytes) -> bytes:
        """What a piece gives. Raises Break, for what cannot be read and for what would be beyond the bound."""

    def end(self) -> None:
        """Nothing more comes. Raises Break where there should be."""


def unpacked(body: bytes, encodings: str, longest: int) -> bytes:
    """A whole body. Raises Break."""
    for unpacker in _unpackers(encodings, longest):
        body = unpacker.feed(body)
        unpacker.end()
    return body


async def unpacking(
    pieces: AsyncGenerator[bytes, None], encodings: str, longest: int
) -> AsyncGenerator[bytes, None]:
    """A body as it comes. Raises Break."""
    chain = _unpackers(encodings, longest)
    async for piece in pieces:
        for unpacker in chain:
            piece = unpacker.feed(piece)  # noqa: PLW2901 - through the chain
        if piece:
            yield piece
    for unpacker in chain:
        unpacker.end()


def _unpackers(encodings: str, longest: int) -> list[Unpacker]:
    """One for each that was packed around the body, the outermost first. Raises Break for one that nobody knows."""
    chain = []
    for name in reversed([each.strip().lower() for each in encodings.split(",")]):
        if name in _PLAIN:
            continue
        if name not in _KINDS:
            raise Break(How.PACKED, "it is not known here")
        chain.append(_KINDS[name](longest))
    return chain


class _Zlib:
    """gzip, of any number of members; deflate with zlib's head."""

    def __init__(self, window: int, longest: int) -> None:
        self._window = window
        self._left = longest
        self._inner = zlib.decompressobj(window)
        self._begun = False

    def feed(self, piece: bytes) -> bytes:
        out = []
        while piece:
            if self._inner.eof:  # another member, or padding
                piece = piece.lstrip(b"\0")
                if not piece:
                    break
                self._inner = zlib.decompressobj(self._window)
            out.append(self._part(piece))
            piece = self._inner.unused_data
        return b"".join(out)

    def _part(self, piece: bytes) -> bytes:
        try:
            part = self._inner.decompress(piece, self._left + 1)
        except zlib.error as error:
            raise Break(How.PACKED, str(error)) from None
        self._begun = True
        self._left -= len(part)
        if self._left < 0:
            raise too_long()
        return part

    def end(self) -> None:
        if self._begun and not self._inner.eof:
            raise Break(How.PACKED, "it is not whole")


class _Deflate:
    """Of this servers send two kinds, with zlib's head and without: its two bytes tell."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._first = b""
        self._inner: _Zlib | None = None

    def feed(self, piece: bytes) -> bytes:
        if self._inner is not None:
            return self._inner.feed(piece)
        self._first += piece
        if len(self._first) < 2:
            return b""
        has_head = self._first[0] & 15 == 8 and int.from_bytes(self._first[:2], "big") % 31 == 0
        self._inner = _Zlib(zlib.MAX_WBITS if has_head else -zlib.MAX_WBITS, self._longest)
        return self._inner.feed(self._first)

    def end(self) -> None:
        if self._inner is not None:
            self._inner.end()


def too_long() -> Break:
    """The error for a body beyond the bound."""
    return Break(How.TOO_LONG, "it is longer than a reply may be")


class _Brotli:
    """Brotli's one stream."""

    def __init__(self, longest: int) -> None:
        import brotli  # type: ignore[import-untyped]

        self._left = longest
        self._inner = brotli.Decompressor()
        self._error = brotli.error

    def feed(self, piece: bytes) -> bytes:
        try:
            out = [self._inner.process(piece, output_buffer_limit=self._left + 1)]
            while not self._inner.can_accept_more_data() and sum(map(len, out)) <= self._left:
                out.append(self._inner.process(b"", output_buffer_limit=self._left + 1))
        except self._error as error:
            raise Break(How.PACKED, str(error)) from None
        whole = b"".join(out)
        self._left -= len(whole)
        if self._left < 0:
            raise too_long()
        return whole

    def end(self) -> None:
        if not self._inner.is_finished():
            raise Break(How.PACKED, "it is not whole")


class _Zstd:
    """zstd, of several frames too. It cannot be told where to stop, so that it is fed few bytes at a time."""

    def __init__(self, longest: int) -> None:
        import zstandard

        self._left = longest
        self._new = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj
        self._inner = self._new()
        self._error = zstandard.ZstdError
        self._begun = False

    def feed(self, piece: bytes) -> bytes:
        out, at = [], 0
        while at < len(piece):
            few = piece[at : at + _ZSTD_PIECE]
            if self._inner.eof:  # another frame
                self._inner = self._new()
            try:
                out.append(self._inner.decompress(few))
            except self._error as error:
                raise Break(How.PACKED, str(error)) from None
            self._begun = True
            at += len(few) - len(self._inner.unused_data)
            self._left -= len(out[-1])
            if self._left < 0:
                raise too_long()
        return b"".join(out)

    def end(self) -> None:
        if self._begun and not self._inner.eof:
            raise Break(How.PACKED, "it is not whole")


_PLAIN = {
    "",
    "identity",
    "none",
    "utf-8",
    "utf8",
}  # the last ones of servers that took the word for a charset
_ZSTD_WINDOW = 1 << 23  # bytes: what RFC 9659 allows in HTTP
_ZSTD_PIECE = 1 << 8  # bytes, which become a few MB at most


def _gzip(longest: int) -> Unpacker:
    return _Zlib(zlib.MAX_WBITS | 16, longest)


_KINDS: dict[str, Callable[[int], Unpacker]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}
