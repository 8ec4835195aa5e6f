"""The dry run of a batch: rows, tokens and what they cost, with nothing sent."""

from __future__ import annotations

from llmcli import jsonl
from llmcli.app import App
from llmcli.batch.away.preview import Preview, at_batch_price
from llmcli.batch.away.terms import Sent
from llmcli.batch.forecast import Counted, Span
from llmcli.batch.input.frame import tally_of
from llmcli.batch.program import Program
from llmcli.output.report import dollars


def dry_run(app: App, program: Program, settings: Sent) -> None:
    """Print rows, tokens and cost; through the Batch API also files, and what is away. Raises what a run would."""
    options = settings.run
    preview = Preview(app, settings) if settings.via.is_batch else None
    if preview is not None:
        program = at_batch_price(app, program)
    check = program.check_money()

    def see(counted: Counted) -> None:
        check(counted)
        if preview is not None:
            preview.see(counted)

    tally = tally_of(app, program.inputs, options.limit, see)
    if options.json or options.format in {"json", "jsonl"}:
        shown = jsonl.line if options.format == "jsonl" and not options.json else jsonl.pretty
        app.stdout.write_bytes(shown(tally.record() | (preview.record() if preview else {})))
        return
    about = "" if tally.exact else "about "
    standard, cheaper = tally.standard, tally.batch
    app.stdout.write(
        f"rows      {tally.rows:,}\n"
        f"invalid   {tally.invalid:,}\n"
        f"tokens    {about}{tally.tokens:,}\n"
        f"cost      {_span(standard)}\n"
        f"batch API {_span(cheaper)}\n"
        f"{preview.lines() if preview else ''}"
    )


def _span(amounts: Span | None) -> str:
    if amounts is None:
        return dollars(None)
    return f"{dollars(amounts[0])} for the prompts, {dollars(amounts[2])} at most"
