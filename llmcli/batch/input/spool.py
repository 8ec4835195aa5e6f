"""The spool: the rows of stdin, kept in `OUT.stdin` for a resume."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from llmcli import files
from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.rows import Row, RowBuilder
from llmcli.batch.input.sniff import NotRows
from llmcli.batch.input.source import BLOCK, Part, ThreadSource
from llmcli.errors import LlmcliError, OutputFailure, UsageError
from llmcli.world import read_some

_A_MOMENT = 1.0  # seconds


class SpooledSource(ThreadSource):
    """The rows of a pipe by way of a file: from `start` on, a thread copies the pipe as fast as it brings rows.

    Until the pipe has ended, the file has `.part` at its name's end. A pipe that brings nothing is no input:
    then the rows are those of the spool that an earlier run left, if there is one. Where that run left only a
    part, an UsageError says so.
    """

    def __init__(self, part: Part, builder: RowBuilder, stats: Stats, stream: BinaryIO, spool: Path) -> None:
        super().__init__(part, builder, stats)
        self._stream = stream
        self._spool = spool
        self._copied = False
        self._grown = threading.Event()
        self._copier = threading.Thread(target=self._copy_all, daemon=True)
        self._failure: LlmcliError | None = None
        self._copy: files.Replacement | None = None
        self._file: int | None = None  # open as long as the process is, for the threads may outlive the run

    def start(self, wake: Callable[[], None]) -> None:
        """See Source."""
        self._copier.start()
        super().start(wake)

    def close(self) -> None:
        """See EntrySource. A pipe that is at its end, as one of few rows is, has its copy whole then."""
        if self._copier.is_alive():
            self._copier.join(_A_MOMENT)

    def next(self) -> Row | None:
        """See Source. What can be no rows is not kept: it would be the input of the next run."""
        try:
            return super().next()
        except NotRows:
            with suppress(OSError):
                _partial(self._spool).unlink(missing_ok=True)
                self._spool.unlink(missing_ok=True)
            raise

    def _blocks(self) -> Iterator[bytes]:
        place = 0
        while True:
            self._grown.clear()
            copied = self._copied  # as it was before the look into the file
            block = b"" if self._file is None else os.pread(self._file, BLOCK, place)
            if block:
                place += len(block)
                self._stats.read += len(block)
                yield block
            elif not copied:
                self._grown.wait()
            elif self._failure is not None:
                raise self._failure
            else:
                return

    def _copy_all(self) -> None:
        """The thread."""
        try:
            while block := read_some(self._stream, BLOCK):
                if self._copy is None:
                    self._copy = files.Replacement(self._spool, _partial(self._spool))
                    self._file = self._copy.descriptor
                files.write_all(self._copy.descriptor, block)
                self._grown.set()
            self._keep()
        except OSError as error:
            self._failure = _unspooled(error)
        except UsageError as error:
            self._failure = error
        finally:
            self._copied = True
            self._grown.set()

    def _keep(self) -> None:
        """Make the copy the spool; where nothing came, take the rows of the one that is there."""
        if self._copy is not None:
            self._copy.commit()
        elif files.exists(self._spool):
            self._file = files.open_regular(self._spool)
        elif files.exists(_partial(self._spool)):
            raise _cut_off()


def spool_of(output: str | None) -> Path | None:
    """Where the rows of stdin are kept; None where no output is, either."""
    return None if output is None else Path(f"{output}.stdin")


def spooled(output: str | None) -> str:
    """The path of what stdin brought the first time. Raises UsageError where nothing is kept of it."""
    spool = spool_of(output)
    if spool is not None and files.exists(spool):
        return str(spool)
    if spool is not None and files.exists(_partial(spool)):
        raise _cut_off()
    raise UsageError("there is no input", todo="name a JSONL file, or pipe one in")


def _partial(spool: Path) -> Path:
    """Where a spool stands while it is copied."""
    return spool.with_name(f"{spool.name}.part")


def _cut_off() -> UsageError:
    """The error where an earlier run did not see the end of stdin, and this one has none."""
    return UsageError("stdin was cut off before its end", todo="pipe the same rows in again")


def _unspooled(error: OSError) -> OutputFailure:
    return OutputFailure(f"cannot read stdin, or keep it for a resume: {error.strerror}")
