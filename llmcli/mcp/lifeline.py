"""The guard: what ends a server, and all that it started, with us, whatever ends us."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress

# The shell leaves a guard in the server's own process group and then becomes the server, so that there is no moment
# in which one is without the other. The guard reads a pipe of which we alone hold the other end: the kernel closes
# it with us, on SIGKILL, too. It then kills the server's children (on Linux those that left the group included, while
# the tree still tells whose they are) and the group, itself in it.
_SCRIPT = """\
(trap '' HUP INT TERM; exec <"/dev/fd/$0" >/dev/null 2>&1; read -r _; read -r me _ </proc/self/stat
k() (for f in "/proc/$1/task/"*/children; do read -r all <"$f"; for c in $all; do
[ "$c" = "$me" ] || { k "$c"; kill -9 "$c"; }; done; done)
k $$; kill -9 -$$) &
exec "$@"
"""


class Guard:
    """A pipe that a server's guard reads. `words` start the guard and, in its place, the server."""

    def __init__(self) -> None:
        self.read_end, self._write_end = os.pipe()

    def words(self, command: Sequence[str]) -> list[str]:
        """The command line: its process keeps `read_end` open, and leads a session of its own."""
        return ["/bin/sh", "-c", _SCRIPT, str(self.read_end), *command]

    def started(self) -> None:
        """The guard has its end: ours is closed."""
        os.close(self.read_end)

    def end(self) -> None:
        """Have all of it killed, now."""
        if self._write_end >= 0:
            os.close(self._write_end)
            self._write_end = -1


def signal_group(leader: int, number: signal.Signals) -> None:
    """Send a signal to a server and its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
