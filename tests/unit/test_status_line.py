"""The last line of a terminal, when a signal comes in the middle of it."""

from __future__ import annotations

import io
import os
import select
from collections.abc import Callable

import pytest

from llmcli.output.status import StatusLine
from llmcli.output.streams import Notes


class Interrupted(io.FileIO):
    """A terminal; a signal comes while what is next is on its way there."""

    signal: Callable[[], None] | None = None

    def fileno(self) -> int:
        signal, self.signal = self.signal, None
        if signal is not None:
            signal()
        return super().fileno()


def shown(screen: io.FileIO) -> bytes:
    assert select.select([screen], [], [], 10)[0]
    return screen.read(4096)


@pytest.fixture
def terminal():
    ours, theirs = os.openpty()
    with io.FileIO(ours) as screen, Interrupted(theirs, "w") as written:
        yield screen, written


def test_a_program_that_is_stopped_while_it_draws_leaves_no_line(terminal):
    screen, written = terminal
    line = StatusLine(written, Notes(written, terminal=True).draw)
    left = []

    def stop() -> None:
        line.leave()
        left.append(shown(screen))

    line.draw("12 of 400")
    assert shown(screen) == b"\r12 of 400\x1b[J\r"
    written.signal = stop
    line.draw("13 of 400")
    assert left == [b"\r\x1b[J"]
    assert shown(screen) == b"\r13 of 400\x1b[J\r"
    line.clear()
    assert shown(screen) == b"\r\x1b[J"
