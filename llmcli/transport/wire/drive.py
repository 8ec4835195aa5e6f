"""libcurl's multi handle under an asyncio loop: what is added to it is carried out.

Measured beside pycurl's own AsyncCurlMulti, a reader a socket, perform() on ticks, and a thread: sockets that the
loop watches as one file is the cheapest of those that add no latency.
"""

from __future__ import annotations

import asyncio

import pycurl

from llmcli.transport.wire.sockets import READ, WRITE, sockets

_EVENTS = {pycurl.POLL_IN: READ, pycurl.POLL_OUT: WRITE, pycurl.POLL_INOUT: READ | WRITE}
_MOST_IDLE = 20_000  # connections that are kept, as many as may ever be in use

CurlResult = tuple[int, str]  # libcurl's code (0: all is well) and its message


class Drive:
    """Carries out transfers in the running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._wants)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._alarm)
        self._multi.setopt(pycurl.M_MAXCONNECTS, _MOST_IDLE)
        self._under_way: dict[pycurl.Curl, asyncio.Future[CurlResult]] = {}
        self._sockets = sockets()
        self._loop.add_reader(self._sockets.fileno(), self._ready)
        self._timer: asyncio.Handle | None = None
        self._at_once = False

    def begin(self, curl: pycurl.Curl) -> asyncio.Future[CurlResult]:
        """Begin a transfer; how it ends is in the future. Who no longer waits for that must call `give_up`."""
        future = self._under_way[curl] = self._loop.create_future()
        self._multi.add_handle(curl)
        return future

    def give_up(self, curl: pycurl.Curl) -> None:
        """Give a transfer up, if it has not ended: its connection is closed."""
        if self._under_way.pop(curl, None) is not None:
            self._multi.remove_handle(curl)

    def close(self) -> None:
        """Give up all that is under way, and close all connections."""
        for curl in list(self._under_way):
            self.give_up(curl)
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._sockets.fileno())
        self._multi.close()
        self._sockets.close()

    def _wants(self, what: int, file: int, _multi: object, _data: object) -> None:
        """What libcurl now waits for on a socket."""
        if what == pycurl.POLL_REMOVE:
            self._sockets.leave(file)
        else:
            self._sockets.want(file, _EVENTS[what])

    def _ready(self) -> None:
        act = self._multi.socket_action
        for file, events in self._sockets.ready():
            act(file, events)
        self._reap()

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
        if not self._multi.closed:
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            self._reap()

    def _reap(self) -> None:
        """Tell of the transfers that have ended."""
        left = 1
        while left:
            left, well, ill = self._multi.info_read()
            for curl in well:
                self._multi.remove_handle(curl)
                self._tell(curl, (0, ""))
            for curl, code, message in ill:
                self._multi.remove_handle(curl)
                self._tell(curl, (code, message))

    def _tell(self, curl: pycurl.Curl, outcome: CurlResult) -> None:
        future = self._under_way.pop(curl)
        if not future.done():  # its waiter may just have been cancelled
            future.set_result(outcome)
