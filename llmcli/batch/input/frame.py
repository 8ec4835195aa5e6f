"""Rows of a file: what the command line says of all of them, and where they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from llmcli.app import App
from llmcli.batch.input.choice import Choice
from llmcli.batch.input.inputs import Inputs
from llmcli.batch.input.rows import Row, RowBuilder
from llmcli.batch.ledger.final import Done
from llmcli.errors import UsageError
from llmcli.exchange.asked import Paged, pages_named
from llmcli.lean.dataclass import dataclass
from llmcli.request.builder import Builder
from llmcli.request.names import say_names
from llmcli.request.prompt import Prompt
from llmcli.settings.batch.table import TableSettings


@dataclass(frozen=True)
class Frame:
    """What the command line says of every row, and where they are."""

    builder: Builder
    inputs: Inputs


class Tabled(Paged, Protocol):
    """And how its rows are read."""

    @property
    def table(self) -> TableSettings:
        """How INPUT is read."""


def frame_of(app: App, settings: Tabled, choice: Choice, *, sends: bool) -> Frame:
    """What the command line says of every row. `sends`: whether models are asked. Raises UsageError."""
    read = _taken if choice.takes_stdin else app.stdin.read
    request = settings.request
    builder = Builder.of(request, app.addresses(request.base_url, request.api), read)
    pages = pages_named(app, settings, sends=sends)
    prompt = Prompt.of(settings.input, read, app.notes.say, pages, rows=True)
    say_names(settings.input, app.notes.say, None)
    rows = RowBuilder(prompt, builder, settings.table, choice.identity)
    if choice.takes_stdin:
        app.stdin.await_first_byte()
    return Frame(builder, Inputs(choice.parts, rows, app.world.stdin, choice.paths))


def _taken() -> bytes:
    raise UsageError("stdin brings the rows: nothing else can be read from it", todo="name a file")


def met(rows: Iterable[Row], done: Done) -> Iterator[Row]:
    """The rows. Raises UsageError where an id is there twice."""
    for row in rows:
        check_met(row, done)
        yield row


def check_met(row: Row, done: Done) -> None:
    """Raise UsageError where the id of a row was met before."""
    before = done.meet(row)
    if before is not None:
        todo = "mend the input, or choose another --id"
        raise UsageError(f"the id {row.custom_id} is row {before}'s and row {row.place}'s", row.where, todo)
