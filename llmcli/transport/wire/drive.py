"""libcurl's multi handles under an asyncio loop: what is added to them is carried out.

Measured beside pycurl's own AsyncCurlMulti, a reader a socket, perform() on ticks, and a thread: sockets that the
loop watches as one file are the cheapest of those ways that add no latency. A multi handle looks for an idle
connection among all that it has, busy ones too; hence there are many, each for few requests. Each has two files open,
so that beyond some hundred requests the others are for more.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable

import pycurl

from llmcli.lean.turns import Turns
from llmcli.transport.wire.sockets import Sockets, sockets

_REMOVE = pycurl.POLL_REMOVE
_FEW = 32  # requests that each of the first multi handles has under way,
_FIRST = 16  # which are so many,
_MORE = 256  # and that each of the others has

CurlResult = tuple[int, str]  # libcurl's code (0: all is well) and its message
Ended = Callable[[int, str], None]  # is called with both, and raises nothing


class Drive:
    """Carries out transfers in the running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._turns = Turns.of(self._loop)
        self._sockets = sockets()
        self._loop.add_reader(self._sockets.fileno(), self._ready)
        self._owners: dict[int, _Multi] = {}  # of the sockets that are waited for
        self._multis: list[_Multi] = []
        self._roomy: _Multi | None = None  # where a transfer ended last: an idle connection is there
        self._waiting: set[_Multi] = set()  # those that have something to begin with
        self._looks = False  # they are looked after before this turn ends

    def begin(self, curl: pycurl.Curl, ended: Ended) -> None:
        """Begin a transfer. Who no longer wants to know how it ends calls `give_up`."""
        multi = self._roomy
        if multi is None or len(multi.under_way) >= multi.room:
            multi = self._roomy = self._with_room()
        multi.under_way[curl] = ended
        multi.add(curl)
        if multi not in self._waiting:
            self._wake(multi)

    def go_on(self, curl: pycurl.Curl) -> None:
        """Let a transfer go on that was held back, if it has not ended."""
        for multi in self._multis:
            if curl in multi.under_way:
                curl.pause(pycurl.PAUSE_CONT)
                self._wake(multi)

    def give_up(self, curl: pycurl.Curl) -> bool:
        """Give a transfer up, whose connection is closed; False: it had ended."""
        for multi in self._multis:
            if multi.under_way.pop(curl, None) is not None:
                multi.remove(curl)
                return True
        return False

    def close(self) -> None:
        """Give up all that is under way, and close all connections."""
        self._loop.remove_reader(self._sockets.fileno())
        for multi in self._multis:
            multi.close()
        self._multis.clear()
        self._waiting.clear()
        self._sockets.close()

    def _with_room(self) -> _Multi:
        for multi in self._multis:
            if len(multi.under_way) < multi.room:
                return multi
        multi = _Multi(self._loop, self._sockets, self._owners, self._wake)
        multi.make_room(_FEW if len(self._multis) < _FIRST else _MORE)
        self._multis.append(multi)
        return multi

    def _wake(self, multi: _Multi) -> None:
        """Have libcurl look after a multi handle at the end of this turn of the loop, once for all it was given."""
        if not self._waiting and not self._looks:
            self._loop.call_soon(self._look)
        self._waiting.add(multi)

    def _look(self) -> None:
        waiting, self._waiting, self._looks = self._waiting, set(), False
        for multi in waiting:
            multi.act(pycurl.SOCKET_TIMEOUT, 0)
        self._reap(waiting)

    def _ready(self) -> None:
        owners, touched = self._owners, set()
        for file, events in self._sockets.ready():
            if file in owners:
                multi = owners[file]
                multi.act(file, events)
                touched.add(multi)
            else:  # idle, and closed by the server
                self._sockets.leave(file)
        self._looks = not self._waiting
        self._turns.begin()
        try:
            self._reap(touched)
        finally:
            self._turns.end()
        if self._looks:
            self._look()  # at once: what follows an answer goes out in the same turn

    def _reap(self, touched: set[_Multi]) -> None:
        """Tell of the transfers that have ended: all of a turn, before any is begun."""
        for multi in touched:
            if multi.reap():
                self._roomy = multi
            multi.set_alarm()


def _new_multi() -> pycurl.CurlMulti:
    """A multi handle. Raises OSError where no more files can be opened, of which it has two."""
    try:
        return pycurl.CurlMulti()
    except pycurl.error:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE)) from None


class _Multi:
    """A multi handle, what it has under way, and its alarm. `owners` is told which sockets are its own.

    The alarm is set by what libcurl says when it is asked: told by it, there would be two calls a transfer. Methods of
    pycurl's objects are looked up once, for each look takes half as long as a call.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        watched: Sockets,
        owners: dict[int, _Multi],
        wake: Callable[[_Multi], None],
    ) -> None:
        self.curl = _new_multi()
        self.curl.setopt(pycurl.M_SOCKETFUNCTION, self._wants)
        self.add, self.remove = self.curl.add_handle, self.curl.remove_handle
        self.act, self._ended = self.curl.socket_action, self.curl.info_read
        self._timeout = self.curl.timeout
        self.under_way: dict[pycurl.Curl, Ended] = {}
        self.room = 0  # for requests
        self._loop = loop
        self._sockets, self._keeps = watched, watched.keeps
        self._owners = owners
        self._wake = wake
        self._timer: asyncio.TimerHandle | None = None

    def make_room(self, requests: int) -> None:
        """Have so many requests under way at most, whose connections are kept."""
        self.room = requests
        self.curl.setopt(pycurl.M_MAXCONNECTS, requests)

    def reap(self) -> bool:
        """Tell of the transfers that have ended; whether any has."""
        left, some, under_way = 1, False, self.under_way
        while left:
            left, well, ill = self._ended()
            some = some or bool(well or ill)
            for curl in well:
                self.remove(curl)
                under_way.pop(curl)(0, "")
            for curl, code, message in ill:
                self.remove(curl)
                under_way.pop(curl)(code, message)
        return some

    def set_alarm(self) -> None:
        """Wake libcurl when it wants to be, at the latest."""
        if self.curl.closed or (milliseconds := self._timeout()) < 0:
            return
        when, timer = self._loop.time() + milliseconds / 1000, self._timer
        if milliseconds == 0:
            self._wake(self)
        elif timer is None or timer.when() > when:  # else it asks again then
            if timer is not None:
                timer.cancel()
            self._timer = self._loop.call_at(when, self._ring)

    def close(self) -> None:
        """Give up all."""
        for curl in self.under_way:
            self.remove(curl)
        self.under_way.clear()
        if self._timer is not None:
            self._timer.cancel()
        self.curl.close()

    def _ring(self) -> None:
        self._timer = None
        self._wake(self)

    def _wants(self, what: int, file: int, _multi: object, _data: object) -> None:
        """What libcurl now waits for on a socket."""
        if what == _REMOVE:
            self._owners.pop(file, None)
            if not self._keeps:  # as a rule the next request takes its connection up again
                self._sockets.leave(file)
        else:
            self._owners[file] = self
            self._sockets.want(file, what)
