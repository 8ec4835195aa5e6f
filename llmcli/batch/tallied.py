"""Rows that are counted and not sent: who looks at them, and what all of them come to."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol

from llmcli import jsonl
from llmcli.app import App
from llmcli.batch.input.choice import chosen
from llmcli.batch.input.frame import Tabled, check_met, frame_of
from llmcli.batch.input.inputs import Inputs
from llmcli.batch.ledger.final import Done
from llmcli.batch.ledger.slots import Slots
from llmcli.exchange.asked import Asked
from llmcli.local import LOCAL
from llmcli.output.report import dollars

if TYPE_CHECKING:
    from llmcli.batch.forecast import Counted, Tally


class CountedRows(Asked, Tabled, Protocol):
    """What `count --rows` has to know."""


class RowLook(NamedTuple):
    """What is shown rows that were counted: `each`, or those that Scales says; `by_row`: with what it costs."""

    see: Callable[[Counted], None]
    each: bool
    by_row: bool = False


def tally_of(app: App, inputs: Inputs, limit: int | None, look: RowLook, done: Done | None = None) -> Tally:
    """Count all rows, or the first `limit` of them, which are looked at once `done` has met them.

    Raises UsageError where an id is there twice.
    """
    from llmcli.batch.forecast import Scales, Tally, count_rows  # here, since a run counts nothing beforehand
    from llmcli.exchange.counted import counting

    tally, done = Tally(), done or Done(slots=Slots())
    inputs.look()
    builder = inputs.builder

    def in_order() -> bool:
        return builder.provider == LOCAL or builder.in_order()  # one model counts, or one looks

    with inputs.all_at_hand() as source, counting(app) as count_of:
        entries = islice(iter(source.entry, None), limit)
        scales = Scales(app.prices.of, app.prices.of_batch, count_of, look.each, look.by_row)
        for counted in count_rows(entries, builder.placed, scales, tally, in_order):
            check_met(counted.row, done)
            look.see(counted)
            if counted.row.error is not None:
                app.notes.detail(f"{counted.row}: {counted.row.error}")
    return tally


def count_file(app: App, settings: CountedRows, path: str | None) -> None:
    """`count --rows`: one integer, the totals, or a line for each row."""
    from llmcli.batch.forecast import row_record

    choice = chosen(app, [] if path is None else [path], settings.table.each)
    frame = frame_of(app, settings, choice, sends=False)
    shape = settings.output.shape
    by_row = shape == "jsonl"

    def see(counted: Counted) -> None:
        if by_row:
            app.stdout.write_bytes(jsonl.line(row_record(counted)))

    tally = tally_of(app, frame.inputs, None, RowLook(see, each=by_row, by_row=by_row))
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
