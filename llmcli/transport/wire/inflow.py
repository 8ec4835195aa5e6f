"""A reply that comes in pieces: from libcurl's callbacks to one reader, who holds the sender back where he is slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import pycurl

from llmcli.transport.wire.drive import CurlResult, Drive
from llmcli.transport.wire.handles import Easy, break_of, may_go_again
from llmcli.transport.wire.heads import Break, How, head_of

_AHEAD = 1 << 18  # bytes that may lie here unread
_BLANK = (b"\r\n", b"\n")


class Inflow:
    """What comes over one handle. `released` gets the handle when it is done with."""

    def __init__(self, easy: Easy, drive: Drive, released: Callable[[Easy], None]) -> None:
        self._easy = easy
        self._drive = drive
        self._released: Callable[[Easy], None] | None = released
        self._size = 0
        self._held = False
        self._whole_head = False
        self._head_at = 0  # where among the lines the head begins that is coming
        self._outcome: CurlResult | None = None
        self._news = asyncio.Event()
        easy.curl.setopt(pycurl.HEADERFUNCTION, self._line)
        easy.curl.setopt(pycurl.WRITEFUNCTION, self._piece)

    async def opened(self) -> None:
        """Send, and wait for the head of the reply, or for an end without one."""
        self._begin()
        while not self._whole_head:
            await self._news.wait()
            self._news.clear()
            if self._outcome is None or self._whole_head:
                continue
            if not may_go_again(self._easy, self._outcome[0]):
                return
            self._easy.take_a_fresh_connection()
            self._begin()

    def head(self) -> tuple[int, dict[str, str]]:
        """(status, headers). Raises Break where there is no whole head."""
        if self._whole_head:
            return head_of(self._easy.lines)
        code, message = self._outcome or (0, "")
        raise (
            break_of(self._easy, code, message)
            if code
            else Break(How.BROKEN, "it was closed inside the head")
        )

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes. Raises Break at its end where it is not whole."""
        try:
            while True:
                if self._size:
                    yield self._taken()
                elif self._outcome is not None:
                    break
                else:
                    await self._news.wait()
                    self._news.clear()
            code, message = self._outcome
            if code:
                raise break_of(self._easy, code, message)
        finally:
            self.close()

    def close(self) -> None:
        """Give up what has not come, and the handle back."""
        if self._released is not None:
            self._drive.give_up(self._easy.curl)
            self._released(self._easy)
            self._released = None

    def _begin(self) -> None:
        self._outcome, self._head_at = None, 0
        self._drive.begin(self._easy.curl, self._ended)

    def _ended(self, code: int, message: str) -> None:
        self._outcome = code, message
        self._news.set()

    def _line(self, line: bytes) -> None:
        lines = self._easy.lines
        lines.append(line)
        if line in _BLANK and not self._whole_head:
            self._whole_head = head_of(lines[self._head_at :])[0] >= 200  # what is below is an interim one
            self._head_at = len(lines)
            self._news.set()

    def _piece(self, piece: bytes) -> int | None:
        if self._size >= _AHEAD:
            self._held = True
            return int(pycurl.WRITEFUNC_PAUSE)  # it comes again
        self._easy.pieces.append(piece)
        self._size += len(piece)
        self._news.set()
        return None

    def _taken(self) -> bytes:
        """All that lies here; the sender may go on."""
        pieces = self._easy.pieces
        whole = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._size = 0
        if self._held:
            self._held = False
            self._drive.go_on(self._easy.curl)
        return whole
