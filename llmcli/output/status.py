"""The status line: one line of a terminal, as wide as that is, drawn anew in its place."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from io import UnsupportedOperation
from typing import BinaryIO

from llmcli.files import write_all
from llmcli.world import ready

BETWEEN = "  "
_USUAL_WIDTH = 80
_CLEAR_BELOW = "\x1b[J"  # what a terminal made of the line when it became narrower, too


def fitted(parts: Mapping[str, Sequence[str]], shorter: Sequence[str], width: int) -> str:
    """The parts of a line, each in the longest of its forms that leaves room for the others.

    `parts`: by name the forms of each, the longest first; an empty one leaves the part out. `shorter`: the names in
    the order in which they give way, each time by one form. What does not fit in the end is cut.
    """
    chosen = dict.fromkeys(parts, 0)
    for name in shorter:
        if len(_joined(parts, chosen)) <= width:
            break
        chosen[name] = min(chosen[name] + 1, len(parts[name]) - 1)
    return _joined(parts, chosen)[: max(width, 0)].rstrip()


def _joined(parts: Mapping[str, Sequence[str]], chosen: Mapping[str, int]) -> str:
    return BETWEEN.join(form for name, forms in parts.items() if (form := forms[chosen[name]]))


class StatusLine:
    """The last line of a terminal. It ends with the cursor at its beginning, so that what is drawn over it fits.

    `draw` writes to `terminal`. Nothing is drawn where another job has the terminal, or where it takes nothing.
    """

    def __init__(self, terminal: BinaryIO | None, draw: Callable[[str], None]) -> None:
        self._send = draw
        self._drawn = False
        try:
            self._descriptor = None if terminal is None else terminal.fileno()
        except (OSError, ValueError, UnsupportedOperation):  # one of memory
            self._descriptor = None

    @property
    def width(self) -> int:
        """Columns that may be used now: one less than there are, since some terminals wrap at the last."""
        try:
            columns = os.get_terminal_size(-1 if self._descriptor is None else self._descriptor).columns
        except OSError:
            columns = 0
        return (columns or _USUAL_WIDTH) - 1

    def draw(self, text: str) -> None:
        """Show a line in the place of the one before."""
        if self._is_ours():
            self._drawn = True
            self._send(f"\r{text}{_CLEAR_BELOW}\r")

    def clear(self) -> None:
        """Take it away, where there is one: before something else is written, and at the end."""
        if self._drawn:
            self._send(f"\r{_CLEAR_BELOW}")
            self._drawn = False

    def leave(self) -> None:
        """Take it away in a signal's handler, which may have come in the middle of a write of ours: past that."""
        if self._drawn and self._descriptor is not None and ready(self._descriptor, select.POLLOUT, 0.0):
            with suppress(OSError):
                write_all(self._descriptor, f"\r{_CLEAR_BELOW}".encode())

    def _is_ours(self) -> bool:
        if self._descriptor is None:
            return True
        try:
            if os.tcgetpgrp(self._descriptor) != os.getpgrp():
                return False
        except OSError:  # a terminal that is not this session's: nobody else's job either
            pass
        return ready(self._descriptor, select.POLLOUT, 0.0)
