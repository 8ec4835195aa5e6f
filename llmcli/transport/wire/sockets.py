"""The sockets that libcurl waits for, watched as one file."""

from __future__ import annotations

import select
import selectors
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol

READ, WRITE = 1, 2  # as libcurl has them
_IN, _OUT = 1, 4  # as epoll has them
_MASKS = {0: 0, READ: _IN, WRITE: _OUT, READ | WRITE: _IN | _OUT}


class Sockets(Protocol):
    """A set of sockets, of which some can be read from or written to. `fileno` can be read from when one can."""

    def fileno(self) -> int:
        """The file that the loop watches."""

    def want(self, file: int, events: int) -> None:
        """Watch a socket for READ, WRITE or both; it may be watched already."""

    def leave(self, file: int) -> None:
        """Watch it no longer."""

    def ready(self) -> Iterator[tuple[int, int]]:
        """(socket, events) of each that is ready."""

    def close(self) -> None:
        """Watch nothing any more."""


def sockets() -> Sockets:
    """The fastest that this system has."""
    return Epoll() if hasattr(select, "epoll") else Selector()


class Epoll:
    """Linux. A socket that is left stays in, since as a rule the next request takes its connection up again."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._wanted: dict[int, int] = {}
        self.fileno = self._epoll.fileno
        self.close = self._epoll.close

    def want(self, file: int, events: int) -> None:
        """See Sockets."""
        if self._wanted.get(file) == events:
            return
        self._wanted[file] = events
        mask = _MASKS[events]
        try:
            self._epoll.modify(file, mask)  # always told: it may be another socket with the same number
        except FileNotFoundError:
            self._epoll.register(file, mask)

    def leave(self, file: int) -> None:
        """See Sockets."""
        self._wanted.pop(file, None)

    def ready(self) -> Iterator[tuple[int, int]]:
        """See Sockets."""
        wanted = self._wanted
        for file, mask in self._epoll.poll(0):
            if file not in wanted:  # idle, and closed by the server
                with suppress(OSError):  # by us too
                    self._epoll.unregister(file)
            elif mask == _IN:  # as of nearly all
                yield file, READ
            else:
                yield file, (READ if mask & ~_OUT else 0) | (WRITE if mask & _OUT else 0)


class Selector:
    """Every other system."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.close = self._selector.close

    def fileno(self) -> int:
        """See Sockets."""
        number: int = self._selector.fileno()
        return number

    def want(self, file: int, events: int) -> None:
        """See Sockets."""
        if file in self._selector.get_map():
            self._selector.modify(file, events)
        else:
            self._selector.register(file, events)

    def leave(self, file: int) -> None:
        """See Sockets."""
        if file in self._selector.get_map():
            self._selector.unregister(file)

    def ready(self) -> Iterator[tuple[int, int]]:
        """See Sockets."""
        for key, events in self._selector.select(0):
            yield key.fd, events
