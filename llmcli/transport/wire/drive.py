"""libcurl's multi handles under an asyncio loop: what is added to them is carried out.

Measured beside pycurl's own AsyncCurlMulti, a reader a socket, perform() on ticks, and a thread: sockets that the
loop watches as one file are the cheapest of those ways that add no latency. A multi handle looks for an idle
connection among all that it has, busy ones too; hence there are many, each for few requests.
"""

from __future__ import annotations

import asyncio

import pycurl

from llmcli.transport.wire.sockets import READ, WRITE, Sockets, sockets

_EVENTS = {pycurl.POLL_IN: READ, pycurl.POLL_OUT: WRITE, pycurl.POLL_INOUT: READ | WRITE}
_FEW = 128  # requests that one multi handle has under way

CurlResult = tuple[int, str]  # libcurl's code (0: all is well) and its message


class Drive:
    """Carries out transfers in the running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._sockets = sockets()
        self._loop.add_reader(self._sockets.fileno(), self._ready)
        self._owners: dict[int, _Multi] = {}
        self._multis: list[_Multi] = []

    def begin(self, curl: pycurl.Curl) -> asyncio.Future[CurlResult]:
        """Begin a transfer; how it ends is in the future. Who no longer waits for that must call `give_up`."""
        for multi in self._multis:
            if len(multi.under_way) < _FEW:
                break
        else:
            multi = _Multi(self._loop, self._sockets, self._owners)
            self._multis.append(multi)
        future = multi.under_way[curl] = self._loop.create_future()
        multi.curl.add_handle(curl)
        return future

    def give_up(self, curl: pycurl.Curl) -> None:
        """Give a transfer up, if it has not ended: its connection is closed."""
        for multi in self._multis:
            if multi.under_way.pop(curl, None) is not None:
                multi.curl.remove_handle(curl)

    def close(self) -> None:
        """Give up all that is under way, and close all connections."""
        self._loop.remove_reader(self._sockets.fileno())
        for multi in self._multis:
            multi.close()
        self._sockets.close()

    def _ready(self) -> None:
        owners, touched = self._owners, set()
        for file, events in self._sockets.ready():
            multi = owners[file]
            multi.curl.socket_action(file, events)
            touched.add(multi)
        for multi in touched:
            multi.reap()


class _Multi:
    """A multi handle, what it has under way, and its alarm. `owners` is told which sockets are its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, watched: Sockets, owners: dict[int, _Multi]) -> None:
        self.curl = pycurl.CurlMulti()
        self.curl.setopt(pycurl.M_SOCKETFUNCTION, self._wants)
        self.curl.setopt(pycurl.M_TIMERFUNCTION, self._alarm)
        self.curl.setopt(pycurl.M_MAXCONNECTS, _FEW)
        self.under_way: dict[pycurl.Curl, asyncio.Future[CurlResult]] = {}
        self._loop = loop
        self._sockets = watched
        self._owners = owners
        self._timer: asyncio.Handle | None = None
        self._at_once = False

    def reap(self) -> None:
        """Tell of the transfers that have ended."""
        left = 1
        while left:
            left, well, ill = self.curl.info_read()
            for curl in well:
                self._tell(curl, (0, ""))
            for curl, code, message in ill:
                self._tell(curl, (code, message))

    def close(self) -> None:
        """Give up all."""
        for curl in self.under_way:
            self.curl.remove_handle(curl)
        self.under_way.clear()
        if self._timer is not None:
            self._timer.cancel()
        self.curl.close()

    def _tell(self, curl: pycurl.Curl, outcome: CurlResult) -> None:
        self.curl.remove_handle(curl)
        future = self.under_way.pop(curl)
        if not future.done():  # its waiter may just have been cancelled
            future.set_result(outcome)

    def _wants(self, what: int, file: int, _multi: object, _data: object) -> None:
        """What libcurl now waits for on a socket."""
        if what == pycurl.POLL_REMOVE:
            self._sockets.leave(file)
        else:
            self._owners[file] = self
            self._sockets.want(file, _EVENTS[what])

    def _alarm(self, milliseconds: int) -> None:
        """Be called in so many milliseconds, as libcurl asks; -1: no longer."""
        if milliseconds == 0:
            if not self._at_once:
                self._at_once = True
                self._loop.call_soon(self._now)
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(milliseconds / 1000, self._tick) if milliseconds > 0 else None

    def _now(self) -> None:
        self._at_once = False
        self._tick()

    def _tick(self) -> None:
        if not self.curl.closed:
            self.curl.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            self.reap()
