"""stdout, stderr and output files: bytes out, and every way in which that fails."""

from __future__ import annotations

import errno
import os
import re
import select
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from io import UnsupportedOperation
from pathlib import Path
from typing import BinaryIO, Protocol

from llmcli import files, locks
from llmcli.errors import LlmcliError, OutputFailure, ReaderGone, one_line
from llmcli.world import ready

_UNESCAPED = re.compile(r"[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")  # by JSON
_PIECE = 4096  # bytes that a pipe takes at once when it can be written (PIPE_BUF)
_ALL = 1 << 30  # bytes; a file takes any number
_GLANCE = 0.1  # seconds between two looks at what may end a wait
_SHORT = 100  # characters of a name that the name of a file beside it begins with
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Text for a terminal: control characters (but newline and tab) shown, as cat -v does, not sent."""
    return _CONTROL.sub(lambda match: _caret(ord(match[0])), text)


def _caret(code: int) -> str:
    if code < 0x20 or code == 0x7F:
        return f"^{chr(code ^ 0x40)}"
    return f"<U+{code:04X}>"


class Out(Protocol):
    """Where an answer goes."""

    terminal: bool

    def write(self, text: str) -> None:
        """Send text on at once."""

    def write_bytes(self, data: bytes) -> None:
        """Send bytes on at once."""


Waiting = Callable[[], None]
"""Is called every so often while a reader keeps us waiting; raises what is to end that."""


def patiently() -> None:
    """Wait on: signals end us by themselves."""


class _Shown:
    """An Out that may be a terminal, which is never sent a control character."""

    terminal = False

    def write(self, text: str) -> None:
        """See Out."""
        self._send((visible(text) if self.terminal else text).encode("utf-8", "replace"))

    def write_bytes(self, data: bytes) -> None:
        """See Out. To a terminal this is JSON, whose control characters are escaped."""
        if self.terminal:
            shown = _UNESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", data.decode("utf-8", "replace"))
            data = shown.encode()
        self._send(data)

    def _send(self, data: bytes) -> None:
        raise NotImplementedError


class Stdout(_Shown):
    """The process's stdout. Raises ReaderGone where nobody reads, OutputFailure where it cannot be written."""

    def __init__(self, stream: BinaryIO | None, terminal: bool, waiting: Waiting = patiently) -> None:
        self._stream = stream
        self._waiting = waiting
        self.terminal = terminal

    def check(self) -> None:
        """Raise OutputFailure where there is none: before what would be written is paid for."""
        if self._stream is None:
            raise OutputFailure("stdout is closed", todo="give the program a stdout, or use -O FILE")

    def _send(self, data: bytes) -> None:
        self.check()
        assert self._stream is not None  # noqa: S101 - by check
        try:
            _write_stream(self._stream, data, self._waiting)
        except BrokenPipeError:
            raise ReaderGone("the reader of stdout went away") from None
        except (OSError, ValueError) as error:
            raise OutputFailure(f"cannot write stdout: {getattr(error, 'strerror', error)}") from None


def _descriptor_of(stream: BinaryIO) -> int | None:
    """A stream's descriptor; None where it is one of memory."""
    try:
        return stream.fileno()
    except UnsupportedOperation:
        return None


def _write_stream(stream: BinaryIO, data: bytes, waiting: Waiting) -> None:
    """Write all of it, past the stream's buffer."""
    descriptor = _descriptor_of(stream)
    if descriptor is None:
        stream.write(data)
    else:
        _write_all(descriptor, data, waiting)


def _write_all(descriptor: int, data: bytes, waiting: Waiting) -> None:
    """Write all of it, at the pace of a reader who may be slow, and who may have left us a non-blocking pipe.

    A pipe that can be written takes at least one piece, so that only `ready` waits, and signals are seen.
    """
    piece = _ALL if stat.S_ISREG(os.fstat(descriptor).st_mode) else _PIECE
    view = memoryview(data)
    while view:
        while not ready(descriptor, select.POLLOUT, _GLANCE):
            waiting()
        with suppress(BlockingIOError):
            view = view[os.write(descriptor, view[:piece]) :]


_INHERITED = re.compile(r"/dev/(?:(?:std(out|err))|fd/([0-9]+))")


class OutputFile(_Shown):
    """`-O FILE`: written beside FILE, renamed to it by `commit`. Devices and pipes are written as they are."""

    def __init__(self, path: str, waiting: Waiting = patiently) -> None:
        self._name = path
        self._waiting = waiting
        self._temporary: str | None = None
        try:
            self._path = Path(path).resolve()  # a link stays one: what it leads to is written
            self._descriptor = self._open(path)
            self.terminal = os.isatty(self._descriptor)
        except (OSError, RuntimeError, ValueError) as error:
            raise self._failed(error) from None

    def _open(self, path: str) -> int:
        if inherited := _INHERITED.fullmatch(path):  # opened anew, a file would be written from its start
            name, number = inherited.groups()
            return os.dup(int(number) if number else {"out": 1, "err": 2}[name])
        if files.exists(self._path) and not files.is_file(self._path):
            return os.open(path, os.O_WRONLY)
        descriptor, self._temporary = tempfile.mkstemp(
            prefix=f".{self._path.name[:_SHORT]}.", dir=self._path.parent
        )
        return descriptor

    def _send(self, data: bytes) -> None:
        try:
            _write_all(self._descriptor, data, self._waiting)
        except BrokenPipeError:
            raise ReaderGone("the reader of the output went away") from None
        except OSError as error:
            raise self._failed(error) from None

    def commit(self) -> None:
        """Make what was written the file's content."""
        if self._temporary is None:
            return self.discard()
        try:
            if files.exists(self._path):
                os.fchmod(self._descriptor, self._path.stat().st_mode & 0o777)
            os.fsync(self._descriptor)
            Path(self._temporary).replace(self._path)
            self._temporary = None
        except OSError as error:
            raise self._failed(error) from None
        finally:
            self.discard()
        return None

    def discard(self) -> None:
        """Leave FILE as it was."""
        os.close(self._descriptor)
        if self._temporary is not None:
            Path(self._temporary).unlink(missing_ok=True)

    def _failed(self, error: Exception) -> OutputFailure:
        reason = getattr(error, "strerror", None) or error
        return OutputFailure(f"cannot write {self._name}: {reason}", todo="check the path and the disk")


class Outputs:
    """The files that a command line is writing."""

    def __init__(self, waiting: Waiting = patiently) -> None:
        self._waiting = waiting
        self._files: list[OutputFile] = []
        self._owed: LlmcliError | None = None

    def owe(self, error: LlmcliError) -> None:
        """Have the command end with an error, the first of its kind, once its answers are out."""
        self._owed = self._owed or error

    def settle(self) -> None:
        """Raise what is owed."""
        owed, self._owed = self._owed, None
        if owed is not None:
            raise owed

    def mention(self, say: Callable[[str], None]) -> None:
        """Say what is owed where the command ends with another error."""
        owed, self._owed = self._owed, None
        if owed is not None:
            say(f"warning: {owed}")

    def open(self, path: str) -> Out:
        """A file that becomes real where the command ends with 0. Raises OutputFailure."""
        file = OutputFile(path, self._waiting)
        self._files.append(file)
        return file

    def finish(self, code: int) -> None:
        """Make the files real, or leave no trace of them. Raises OutputFailure."""
        while self._files:
            file = self._files.pop()
            if code == 0:
                file.commit()
            else:
                file.discard()


class Notes:
    """stderr: for people. What cannot be written there is nobody's error.

    A reader who has stopped is waited for until `waiting` or a signal ends that; nothing more is said to him then.
    """

    def __init__(
        self,
        stream: BinaryIO | None,
        terminal: bool,
        waiting: Waiting = patiently,
        *,
        quiet: bool = False,
        verbose: bool = False,
    ) -> None:
        self._stream = stream
        self._terminal = terminal
        self._waiting = waiting
        self.quiet = quiet
        self.verbose = verbose and not quiet

    def say(self, text: str) -> None:
        """A line for people, unless they asked for quiet."""
        if not self.quiet:
            self.error(text)

    def detail(self, text: str) -> None:
        """A line for those who asked for more."""
        if self.verbose:
            self.error(text)

    def error(self, text: str) -> None:
        """A line that is always shown."""
        self.show(f"llmcli: {one_line(text)}\n")

    def write(self, text: str) -> None:
        """Text as it is, control characters aside where stderr is a terminal; nothing for the quiet."""
        if not self.quiet:
            self.show(text)

    def show(self, text: str) -> None:
        """The same for what was asked for: the quiet see it too."""
        self.send((visible(text) if self._terminal else text).encode("utf-8", "replace"))

    def send(self, data: bytes) -> None:
        """Bytes as they are: what moves on a terminal."""
        stream, self._stream = self._stream, None  # given up for good where this does not come to its end
        if stream is None:
            return
        with suppress(OSError, ValueError):
            _write_stream(stream, data, self._waiting)
            self._stream = stream


def append_line(path: str, line: bytes) -> None:
    """Append one line to a file (0600 where it is new), all of it or nothing. Raises OutputFailure."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _append(descriptor, line)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", error)
        raise OutputFailure(f"cannot write {path}: {reason}", todo="check the path and the disk") from None


def _append(descriptor: int, line: bytes) -> None:
    """One write; where the disk takes a part of it alone, the part is taken back."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return _write_all(descriptor, line, patiently)
    with suppress(OSError):  # a file system without locks
        locks.wait(descriptor)
    size = os.fstat(descriptor).st_size
    if os.write(descriptor, line) != len(line):
        os.ftruncate(descriptor, size)
        raise OSError(errno.ENOSPC, "there is no room for the line")
    return None
