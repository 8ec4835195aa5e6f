"""stdout, stderr and output files: bytes out, and every way in which that fails."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from io import UnsupportedOperation
from pathlib import Path
from typing import BinaryIO, Protocol

from llmcli import files
from llmcli.errors import LlmcliError, OutputFailure, ReaderGone, one_line
from llmcli.files import Waiting, patiently, write_all
from llmcli.lean.pattern import lazy_pattern

# Patterns are compiled by the first text for a terminal.
_UNESCAPED = r"[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"  # by JSON
_CONTROL = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"


def visible(text: str) -> str:
    """Text for a terminal: control characters (but newline and tab) shown, as cat -v does, not sent."""
    return re.sub(_CONTROL, lambda match: _caret(ord(match[0])), text)


def _caret(code: int) -> str:
    if code < 0x20 or code == 0x7F:
        return f"^{chr(code ^ 0x40)}"
    return f"<U+{code:04X}>"


class Out(Protocol):
    """Where an answer goes."""

    terminal: bool

    def write(self, text: str, end: bytes = b"") -> None:
        """Send text on at once, and `end` as it is, in one piece."""

    def write_bytes(self, data: bytes) -> None:
        """Send bytes on at once."""


class _Shown:
    """An Out that may be a terminal, which is never sent a control character."""

    terminal = False

    def write(self, text: str, end: bytes = b"") -> None:
        """See Out."""
        self._send((visible(text) if self.terminal else text).encode("utf-8", "replace") + end)

    def write_bytes(self, data: bytes) -> None:
        """See Out. To a terminal this is JSON, whose control characters are escaped."""
        if self.terminal:
            shown = re.sub(
                _UNESCAPED, lambda match: f"\\u{ord(match[0]):04x}", data.decode("utf-8", "replace")
            )
            data = shown.encode()
        self._send(data)

    def _send(self, data: bytes) -> None:
        raise NotImplementedError


def nothing() -> None:
    """What is called before something is written while no line moves."""


class Stdout(_Shown):
    """The process's stdout. Raises ReaderGone where nobody reads, OutputFailure where it cannot be written.

    `aside` is called before each write: what moves on the same terminal takes itself away.
    """

    def __init__(self, stream: BinaryIO | None, terminal: bool, waiting: Waiting = patiently) -> None:
        self._stream = stream
        self._waiting = waiting
        self.terminal = terminal
        self.aside: Callable[[], None] = nothing

    def check(self) -> None:
        """Raise OutputFailure where there is none: before what would be written is paid for."""
        if self._stream is None:
            raise OutputFailure("stdout is closed", todo="give the program a stdout, or use -O FILE")

    def draw(self, text: str) -> None:
        """Text with escape sequences of our own, to a terminal."""
        self._send(text.encode("utf-8", "replace"))

    def _send(self, data: bytes) -> None:
        self.check()
        assert self._stream is not None  # noqa: S101 - by check
        self.aside()
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
        write_all(descriptor, data, waiting)


_INHERITED = lazy_pattern(r"/dev/(?:(?:std(out|err))|fd/([0-9]+))")


class OutputFile(_Shown):
    """`-O FILE`: written beside FILE, which it replaces by `commit`. Devices and pipes are written as they are."""

    def __init__(self, path: str, waiting: Waiting = patiently) -> None:
        self._name = path
        self._waiting = waiting
        self._new: files.Replacement | None = None
        try:
            self._descriptor = self._open(path)
            self.terminal = os.isatty(self._descriptor)
        except (OSError, RuntimeError, ValueError) as error:
            raise self._failed(error) from None

    def _open(self, path: str) -> int:
        if inherited := _INHERITED.fullmatch(path):  # opened anew, a file would be written from its start
            name, number = inherited.groups()
            return os.dup(int(number) if number else {"out": 1, "err": 2}[name])
        meant = Path(path).resolve()  # a link stays one: what it leads to is written
        if files.exists(meant) and not files.is_file(meant):
            return files.open_existing(path)
        self._new = files.Replacement(meant)
        return self._new.descriptor

    def _send(self, data: bytes) -> None:
        try:
            write_all(self._descriptor, data, self._waiting)
        except BrokenPipeError:
            raise ReaderGone("the reader of the output went away") from None
        except OSError as error:
            raise self._failed(error) from None

    def commit(self) -> None:
        """Make what was written the file's content. Raises OutputFailure."""
        try:
            if self._new is not None:
                self._new.commit()
        except OSError as error:
            raise self._failed(error) from None
        finally:
            self.discard()

    def discard(self) -> None:
        """Let go; where nothing was committed, FILE is as it was."""
        if self._new is not None:
            self._new.close()
        else:
            os.close(self._descriptor)

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
        self.aside: Callable[[], None] = nothing  # as that of Stdout
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
        self.aside()
        self.send((visible(text) if self._terminal else text).encode("utf-8", "replace"))

    def draw(self, text: str) -> None:
        """Text with escape sequences of our own, to a terminal."""
        self.send(text.encode("utf-8", "replace"))

    def send(self, data: bytes) -> None:
        """Bytes as they are."""
        stream, self._stream = self._stream, None  # given up for good where this does not come to its end
        if stream is None:
            return
        with suppress(OSError, ValueError):
            _write_stream(stream, data, self._waiting)
            self._stream = stream
