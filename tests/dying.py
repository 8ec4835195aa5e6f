"""The program with files that die: it is killed before, in the middle of or after the N-th thing that it writes.

    python -m tests.dying before|half|after N ARGS...

What is written is what `llmcli/files/` does to the disk: a line appended, a file cut, a new file filled, and a new file
that takes another's place. Where there are fewer than N, the program ends as it does.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from llmcli.files import journal, replacing


def main(when: str, number: int, argv: list[str]) -> None:
    """Run a command line, and die at the right time."""
    count = itertools.count(1)

    def dies(call: Callable[..., Any], half: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **more: Any) -> Any:
            if next(count) != number:
                return call(*args, **more)
            if when != "before":
                (half if when == "half" else call)(*args, **more)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError

        return wrapped

    def nothing(*_args: Any, **_more: Any) -> None:
        """Half of what is done at once."""

    def half_a_line(descriptor: int, line: bytes) -> None:
        os.write(descriptor, line[: len(line) // 2])

    fill = replacing.Replacement.write

    def half_a_file(self: replacing.Replacement, pieces: Any) -> None:
        data = b"".join(pieces)
        fill(self, [data[: len(data) // 2]])

    journal.append = dies(journal.append, half_a_line)
    journal.Journal.cut = dies(journal.Journal.cut, nothing)
    journal.Journal.remove = dies(journal.Journal.remove, nothing)
    replacing.Replacement.write = dies(fill, half_a_file)
    replacing.Replacement.commit = dies(replacing.Replacement.commit, nothing)
    from llmcli.__main__ import entry

    sys.argv = ["llmcli", *argv]
    entry()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
