"""The sockets that libcurl waits for, watched as one file."""

from __future__ import annotations

import select
import selectors
from contextlib import suppress
from typing import Protocol

READ, WRITE = 1, 2  # as libcurl has them
_IN, _OUT = 1, 4  # as epoll has them
_MASKS = (0, _IN, _OUT, _IN | _OUT)  # by what libcurl wants
_OTHERS = 32  # above all that epoll says of a socket without being asked for more
_EVENTS = tuple((READ if mask & ~_OUT else 0) | (WRITE if mask & _OUT else 0) for mask in range(_OTHERS))


class Sockets(Protocol):
    """A set of sockets, of which some can be read from or written to. `fileno` can be read from when one can.

    `keeps`: one that is idle may stay in, even where it is closed, and another has its number then.
    """

    keeps: bool

    def fileno(self) -> int:
        """The file that the loop watches."""

    def want(self, file: int, events: int) -> None:
        """Watch a socket for READ, WRITE or both; it may be watched already."""

    def leave(self, file: int) -> None:
        """Watch it no longer, if it is watched."""

    def ready(self) -> list[tuple[int, int]]:
        """(socket, events) of each that is ready."""

    def close(self) -> None:
        """Watch nothing any more."""


def sockets() -> Sockets:
    """The fastest that this system has."""
    return Epoll() if hasattr(select, "epoll") else Selector()


class Epoll:
    """Linux."""

    keeps = True

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._modify, self._poll = self._epoll.modify, self._epoll.poll
        self.fileno = self._epoll.fileno
        self.close = self._epoll.close

    def want(self, file: int, events: int) -> None:
        """See Sockets."""
        try:
            self._modify(file, _MASKS[events])  # always told: it may be another socket with the same number
        except FileNotFoundError:
            self._epoll.register(file, _MASKS[events])

    def leave(self, file: int) -> None:
        """See Sockets."""
        with suppress(OSError):  # closed by us too
            self._epoll.unregister(file)

    def ready(self) -> list[tuple[int, int]]:
        """See Sockets."""
        return [(file, _EVENTS[mask]) for file, mask in self._poll(0)]


class Selector:
    """Every other system."""

    keeps = False

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

    def ready(self) -> list[tuple[int, int]]:
        """See Sockets."""
        return [(key.fd, events) for key, events in self._selector.select(0)]
