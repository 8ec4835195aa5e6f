"""What leaves on a connection: all that is written in one turn of the loop, in one piece."""

from __future__ import annotations

import asyncio
from typing import Any

_MOST = 65_536  # bytes that are held: the other end may take them slowly, and has to be asked


class Gathering(asyncio.Transport):
    """A transport around another. A reply's head and body are two writes, and each wakes a client up by itself."""

    def __init__(self, inner: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._inner, self._loop = inner, loop
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Have it leave with what else is written in this turn."""
        if not data:
            return
        if not self._held:
            self._loop.call_soon(self._leave)
        self._held.append(bytes(data))
        self._size += len(data)
        if self._size > _MOST:
            self._leave()

    def _leave(self) -> None:
        if not self._held:
            return
        held, self._held, self._size = self._held, [], 0
        if not self._inner.is_closing():
            self._inner.write(b"".join(held))

    def close(self) -> None:
        """Close it behind what is held."""
        self._leave()
        self._inner.close()

    def abort(self) -> None:
        """Close it now."""
        self._inner.abort()

    def is_closing(self) -> bool:
        """See asyncio.Transport."""
        return self._inner.is_closing()

    def pause_reading(self) -> None:
        """See asyncio.Transport."""
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        """See asyncio.Transport."""
        self._inner.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Bytes that were written and have not left."""
        return self._size + self._inner.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See asyncio.Transport."""
        return self._inner.get_extra_info(name, default)
