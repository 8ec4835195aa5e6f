"""The program's start: exit statuses hold from the first import to the last flush."""

from __future__ import annotations

import errno
import gc
import os
import select
import signal
import sys
from contextlib import suppress
from types import FrameType

# Raising in the middle of an import could be caught there; this cannot.
_EARLY = {
    signal.SIGINT: (b"llmcli: interrupted: SIGINT arrived\n", 130),
    signal.SIGTERM: (b"llmcli: terminated: SIGTERM arrived\n", 143),
}
_ROOM_WAIT = 500  # ms that whoever reads stderr is given to make room for our last word


def _leave(number: int, _frame: FrameType | None = None) -> None:
    for early in _EARLY:
        signal.signal(early, signal.SIG_DFL)  # the next one ends us even where stderr is stuck
    message, code = _EARLY[signal.Signals(number)]
    _say(message)
    os._exit(code)


def _say(message: bytes) -> None:
    if sys.stderr is not None:  # else 2 may be any file's number
        with suppress(OSError):
            poll = select.poll()
            poll.register(2, select.POLLOUT)
            if poll.poll(_ROOM_WAIT):  # a pipe that stays full would hold us up
                os.write(2, message)


def _has_no_room(error: BaseException | None) -> bool:
    """Whether an error has come of too many open files: then nothing can be imported, or tell where it was."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}:
            return True
        error = error.__cause__ or error.__context__
    return False


def _raise_terminated(_number: int, _frame: FrameType | None) -> None:
    from llmcli.errors import Terminated

    raise Terminated("SIGTERM arrived")


def entry() -> None:
    """The console script. Leaves without tearing the interpreter down, which costs up to 80 ms."""
    for number in _EARLY:
        signal.signal(number, _leave)
    gc.disable()
    try:
        code = _run()
    except Exception as error:  # noqa: BLE001 - a bug: its traceback is what helps
        code = 1
        if _has_no_room(error):
            code = 74
            _say(b"llmcli: io: too many open files; raise the limit (ulimit -n)\n")
        else:
            sys.excepthook(*sys.exc_info())
    os._exit(code)


def _run() -> int:
    from llmcli.cli.main import main
    from llmcli.errors import Terminated
    from llmcli.lean.garbage import keep_what_is_there

    keep_what_is_there()  # to look through what imports make is a twentieth of a start
    gc.enable()
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, _raise_terminated)
        return main(sys.argv[1:])
    except KeyboardInterrupt:  # while main was explaining itself
        _leave(signal.SIGINT)
    except Terminated:
        _leave(signal.SIGTERM)
    return 1  # _leave has not come back


if __name__ == "__main__":
    entry()
