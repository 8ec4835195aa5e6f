"""The program's start: exit statuses hold from the first import to the last flush."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType

# Raising in the middle of an import could be caught there; this cannot.
_EARLY = {
    signal.SIGINT: (b"llmcli: interrupted: SIGINT arrived\n", 130),
    signal.SIGTERM: (b"llmcli: terminated: SIGTERM arrived\n", 143),
}


def _leave(number: int, _frame: FrameType | None = None) -> None:
    for early in _EARLY:
        signal.signal(early, signal.SIG_DFL)  # the next one ends us even where stderr is stuck
    message, code = _EARLY[signal.Signals(number)]
    if sys.stderr is not None:  # else 2 may be any file's number
        with suppress(OSError):
            os.write(2, message)
    os._exit(code)


def _raise_terminated(_number: int, _frame: FrameType | None) -> None:
    from llmcli.errors import Terminated

    raise Terminated("SIGTERM arrived")


def entry() -> None:
    """The console script. Leaves without tearing the interpreter down, which costs up to 80 ms."""
    for number in _EARLY:
        signal.signal(number, _leave)
    from llmcli.cli.main import main
    from llmcli.errors import Terminated

    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, _raise_terminated)
        code = main(sys.argv[1:])
    except KeyboardInterrupt:  # while main was explaining itself
        _leave(signal.SIGINT)
    except Terminated:
        _leave(signal.SIGTERM)
    except Exception:  # noqa: BLE001 - a bug: its traceback is what helps
        sys.excepthook(*sys.exc_info())
        code = 1
    os._exit(code)


if __name__ == "__main__":
    entry()
