"""Rows of a file: what the command line says of all of them, and where they are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from llmcli.batch.rows import Frame
from llmcli.cli.compose import endpoint_of, parts_of, settings_of
from llmcli.cli.options import InputOptions, RequestOptions, SamplingOptions
from llmcli.cli.session import Session
from llmcli.cli.stdin import await_first_byte, reader
from llmcli.errors import NoInput, UsageError
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
        else parse_messages(read_file(given.messages, read), f"--messages {given.messages}"),
        files=[read_file(name, read) for name in given.file],
        parts=parts_of(given, read),
        template=_template(given, read),
        params=dict(parse_pair(argument(pair), "-p") for pair in given.param),
    )


def _template(given: InputOptions, read: ReadStdin) -> Template | None:
    if given.template is not None:
        return Template(text_or_file(given.template, read))
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
