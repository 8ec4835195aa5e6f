"""A long body on its way out: read piece by piece as libcurl has room for it, never held whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pycurl


class Outflow:
    """A body of `size` bytes; `pieces` gives it from its beginning, as often as it is asked. What it raises is OSError.

    `len` is that of a body which is there whole, so that both can stand in one place.
    """

    def __init__(self, size: int, pieces: Callable[[], Iterable[bytes]]) -> None:
        self._size, self._pieces = size, pieces
        self.rewind()

    def __len__(self) -> int:
        return self._size

    def rewind(self) -> None:
        """Begin anew."""
        self._left: Iterator[bytes] = iter(self._pieces())
        self._rest = memoryview(b"")

    def read(self, most: int) -> bytes | int:
        """The next bytes, so many at most; none at the end. libcurl's word for giving up, where they cannot be read."""
        try:
            while not self._rest:
                self._rest = memoryview(next(self._left))
        except StopIteration:
            return b""
        except OSError:
            return int(pycurl.READFUNC_ABORT)
        piece, self._rest = bytes(self._rest[:most]), self._rest[most:]
        return piece

    def seek(self, offset: int, _origin: int) -> int:
        """What libcurl asks where it sends once more; only the beginning can be had."""
        if offset:
            return int(pycurl.SEEKFUNC_CANTSEEK)
        self.rewind()
        return int(pycurl.SEEKFUNC_OK)
