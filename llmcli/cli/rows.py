"""Rows of a file: what the command line says of all of them, where they are read, and their count."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal

from llmcli import jsonl
from llmcli.batch.rows import Frame, RowBuilder
from llmcli.batch.source import FileSource
from llmcli.batch.stats import Stats
from llmcli.batch.tally import Counted, Tally, count_rows, row_record, rows_of
from llmcli.cli.compose import endpoint_of, parts_of, settings_of
from llmcli.cli.options import InputOptions, RequestOptions, SamplingOptions
from llmcli.cli.session import Session
from llmcli.cli.stdin import await_first_byte, check_allowed, reader
from llmcli.errors import NoInput, UsageError
from llmcli.output.report import dollars
from llmcli.request.build import Ask
from llmcli.request.endpoint import Endpoint, resolve
from llmcli.request.messages import parse_messages
from llmcli.request.params import parse_pair
from llmcli.request.prompt import ReadStdin, argument, read_file, text_or_file
from llmcli.request.template import Template


def frame_of(
    session: Session,
    given: InputOptions,
    sampling: SamplingOptions,
    request: RequestOptions,
    *,
    rows_on_stdin: bool,
) -> Frame:
    """What the command line says of every row. Raises UsageError."""
    read = _taken if rows_on_stdin else reader(session, given.no_stdin or session.no_stdin, None)

    @lru_cache(maxsize=256)
    def endpoint(model: str | None) -> Endpoint:
        if model is None:
            return endpoint_of(session, request)
        return resolve(model, request.base_url, session.world.env, session.config.providers)

    return Frame(
        ask=Ask(messages=(), **settings_of(sampling, request, read)),
        endpoint=endpoint,
        system=None if given.system is None else text_or_file(given.system, read),
        earlier=()
        if given.messages is None
        else parse_messages(
            read_file(given.messages, read), f"--messages {given.messages}", session.notes.say
        ),
        files=[read_file(name, read) for name in given.file],
        parts=parts_of(given, read),
        template=_template(given, read),
        params=dict(parse_pair(argument(pair), "-p") for pair in given.param),
    )


def _template(given: InputOptions, read: ReadStdin) -> Template | None:
    if given.template is not None:
        return Template(text_or_file(given.template, read), optional=True)
    if given.param:
        raise UsageError("-p without a template", todo="give it with -t")
    return None


def _taken() -> bytes:
    raise UsageError("stdin brings the rows: nothing else can be read from it", todo="name a file")


def check_input(path: str) -> None:
    """Raise NoInput or UsageError where no rows can be read from a path."""
    if not Path(path).exists():
        raise NoInput(f"there is no file {path}", todo="check the path")
    if Path(path).is_dir():
        raise UsageError(f"{path} is a directory", todo="name a JSONL file")


def status_of(session: Session, path: str | None) -> os.stat_result | None:
    """What the system knows of the input; path None is stdin. None where it is a stream of memory."""
    if path is not None:
        return Path(path).stat()
    try:
        return None if session.world.stdin is None else os.fstat(session.world.stdin.fileno())
    except (OSError, ValueError):
        return None


@contextmanager
def opened(session: Session, path: str | None, deadline: float | None = None) -> Iterator[BinaryIO]:
    """The input, to read rows from; path None is stdin. Raises UsageError, DeadlinePassed."""
    if path is None:
        if session.world.stdin is None:
            raise UsageError("stdin is closed", todo="name a JSONL file")
        await_first_byte(session, deadline)
        yield session.world.stdin
        return
    try:
        stream = Path(path).open("rb")  # noqa: SIM115 - closed below; opening alone is what may fail
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", todo="check the path") from None
    with stream:
        yield stream


def tally_of(
    session: Session, path: str | None, frame: Frame, limit: int | None, see: Callable[[Counted], None]
) -> Tally:
    """Count the rows of a file, or the first `limit` of them, each of which `see` is shown."""
    tally = Tally()
    with opened(session, path) as stream:
        source = FileSource(stream, RowBuilder(frame), Stats(began=0.0), path)
        for counted in count_rows(rows_of(source, limit), session.price_of):
            tally.add(counted)
            see(counted)
            if counted.row.error is not None:
                session.notes.detail(f"row {counted.row.number}: {counted.row.error}")
    return tally


def count_file(
    session: Session,
    path: str,
    given: InputOptions,
    sampling: SamplingOptions,
    request: RequestOptions,
    shape: Literal["text", "json", "jsonl"],
    *,
    usage: bool,
) -> None:
    """`count --rows`: one integer, the totals, or a line for each row."""
    session.set_price(request.price)
    if path != "-":
        check_input(path)
    else:
        check_allowed(given.no_stdin or session.no_stdin)
    frame = frame_of(session, given, sampling, request, rows_on_stdin=path == "-")

    def see(counted: Counted) -> None:
        if shape == "jsonl":
            session.stdout.write_bytes(jsonl.line(row_record(counted)))

    tally = tally_of(session, None if path == "-" else path, frame, None, see)
    if shape == "text":
        session.stdout.write(f"{tally.tokens}\n")
    elif shape == "json":
        session.stdout.write_bytes(jsonl.pretty(tally.record()))
    if tally.invalid:
        session.notes.say(f"{tally.invalid} of {tally.rows} rows are invalid and not counted (-v names them)")
    if usage:
        session.notes.write(_usage(tally))


def _usage(tally: Tally) -> str:
    about = "" if tally.exact else "about "
    prompts, answers = tally.standard or (None, None)
    total = None if prompts is None or answers is None else prompts + answers
    return (
        f"usage: {about}{tally.tokens} in, {dollars(prompts)}; answers at most {dollars(answers)};"
        f" total at most {dollars(total)}, {tally.rows} rows\n"
    )
