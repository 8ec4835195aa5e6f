"""Rows of a file: what the command line says of all of them, where they are read, and their count."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from llmcli import jsonl
from llmcli.app import App
from llmcli.batch.engine.stats import Stats
from llmcli.batch.forecast import Counted, Tally, count_rows, row_record, rows_of
from llmcli.batch.input.rows import Row, RowBuilder, unseen
from llmcli.batch.input.source import FileSource
from llmcli.errors import NoInput, UsageError
from llmcli.exchange.asked import Asked, Rowed
from llmcli.output.report import dollars
from llmcli.request.builder import Builder
from llmcli.request.prompt import Prompt
from llmcli.settings.table import TableSettings


@dataclass(frozen=True)
class Frame:
    """What the command line says of every row; `see` looks at each."""

    prompt: Prompt
    builder: Builder
    how: TableSettings = field(default_factory=TableSettings)
    see: Callable[[Row], None] = unseen

    @property
    def rows(self) -> RowBuilder:
        """What makes rows of entries."""
        return RowBuilder(self.prompt, self.builder, self.how, self.see)


class Tabled(Rowed, Protocol):
    """And how its rows are read."""

    @property
    def table(self) -> TableSettings:
        """How INPUT is read."""


class CountedRows(Asked, Tabled, Protocol):
    """What `count --rows` has to know."""


def frame_of(app: App, settings: Tabled, *, rows_on_stdin: bool) -> Frame:
    """What the command line says of every row. Raises UsageError."""
    read = _taken if rows_on_stdin else app.stdin.read
    request = settings.request
    builder = Builder.of(request, app.addresses(request.base_url), read)
    return Frame(Prompt.of(settings.input, read, app.notes.say, rows=True), builder, settings.table)


def _taken() -> bytes:
    raise UsageError("stdin brings the rows: nothing else can be read from it", todo="name a file")


def check_input(path: str) -> None:
    """Raise NoInput or UsageError where no rows can be read from a path."""
    try:
        found = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise NoInput(f"there is no file {path}", todo="check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", error)
        raise UsageError(f"cannot read {path}: {reason}", todo="check the path") from None
    if stat.S_ISDIR(found.st_mode):
        raise UsageError(f"{path} is a directory", todo="name a JSONL file")


def status_of(app: App, path: str | None) -> os.stat_result | None:
    """What the system knows of the input; path None is stdin. None where it is a stream of memory."""
    if path is not None:
        return Path(path).stat()
    try:
        return None if app.world.stdin is None else os.fstat(app.world.stdin.fileno())
    except (OSError, ValueError):
        return None


@contextmanager
def opened(app: App, path: str | None) -> Iterator[BinaryIO]:
    """The input, to read rows from; path None is stdin. Raises UsageError, DeadlinePassed."""
    if path is None:
        if app.world.stdin is None:
            raise UsageError("stdin is closed", todo="name a JSONL file")
        app.stdin.await_first_byte()
        yield app.world.stdin
        return
    try:
        stream = Path(path).open("rb")  # noqa: SIM115 - closed below; opening alone is what may fail
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", todo="check the path") from None
    with stream:
        yield stream


def tally_of(
    app: App, path: str | None, frame: Frame, limit: int | None, see: Callable[[Counted], None]
) -> Tally:
    """Count the rows of a file, or the first `limit` of them, each of which `see` is shown."""
    tally = Tally()
    with opened(app, path) as stream:
        source = FileSource(stream, frame.rows, Stats(began=0.0), path)
        for counted in count_rows(rows_of(source, limit), app.prices.of):
            tally.add(counted)
            see(counted)
            if counted.row.error is not None:
                app.notes.detail(f"row {counted.row.number}: {counted.row.error}")
    return tally


def count_file(app: App, path: str, settings: CountedRows) -> None:
    """`count --rows`: one integer, the totals, or a line for each row."""
    if path != "-":
        check_input(path)
    else:
        app.stdin.check_allowed()
    frame = frame_of(app, settings, rows_on_stdin=path == "-")
    shape = settings.output.shape

    def see(counted: Counted) -> None:
        if shape == "jsonl":
            app.stdout.write_bytes(jsonl.line(row_record(counted)))

    tally = tally_of(app, None if path == "-" else path, frame, None, see)
    if shape in {"text", "events"}:  # nothing is streamed here
        app.stdout.write(f"{tally.tokens}\n")
    elif shape == "json":
        app.stdout.write_bytes(jsonl.pretty(tally.record()))
    if tally.invalid:
        app.notes.say(f"{tally.invalid} of {tally.rows} rows are invalid and not counted (-v names them)")
    if settings.output.usage:
        app.notes.write(_usage(tally))


def _usage(tally: Tally) -> str:
    about = "" if tally.exact else "about "
    prompts, answers, total = tally.standard or (None, None, None)
    return (
        f"usage: {about}{tally.tokens} in, {dollars(prompts)}; answers at most {dollars(answers)};"
        f" total at most {dollars(total)}, {tally.rows} rows\n"
    )
