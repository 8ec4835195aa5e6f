"""The dry run of a batch: rows, tokens and what they cost, with nothing sent.

Through a Batch API it also says how many files that is, and what is away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from llmcli import jsonl
from llmcli.app import App
from llmcli.batch.away.cutter import Fill
from llmcli.batch.away.desk import batches_in_words, rows_in_words
from llmcli.batch.away.manifest import standing_of
from llmcli.batch.away.spool import around_row
from llmcli.batch.away.terms import check_fresh, terms_at
from llmcli.batch.forecast import Counted, Span
from llmcli.batch.ledger.final import Done, changed
from llmcli.batch.ledger.ledger import done_so_far
from llmcli.batch.ledger.slots import Slots
from llmcli.batch.program import Program
from llmcli.batch.shards.part_terms import InParts, Sent, shard_of
from llmcli.batch.tallied import RowLook, tally_of
from llmcli.exchange.layers.window import worst
from llmcli.exchange.unsent import check_budget
from llmcli.output.report import dollars
from llmcli.registry.batch_terms import BatchTerms
from llmcli.settings.money import MoneySettings
from llmcli.wire import Json, Request


def dry_run(app: App, program: Program, settings: InParts) -> None:
    """Print rows, tokens and cost; through the Batch API also files, and what is away. Raises what a run would."""
    options = settings.run
    preview = Preview(app, settings) if settings.via.is_batch else None
    if preview is not None:
        program = at_batch_price(app, program)
    done = _done_in(program, settings)
    checks = [program.check_money(), _purse_check(app, settings.money)]
    stops = options.on_change == "stop"

    def see(counted: Counted) -> None:
        if stops and done.has_changed(counted.row):
            raise changed(counted.row)
        for check in checks:
            check(counted)
        if preview is not None:
            preview.see(counted)

    each = preview is not None or (stops and len(done) > 0)
    tally = tally_of(app, program.inputs, options.limit, RowLook(see, each), done)
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


def _done_in(program: Program, settings: InParts) -> Done:
    """What OUT says is done. Raises what a run would of it."""
    options, shard = settings.run, shard_of(settings)
    if options.is_stored and shard is not None:
        from llmcli.batch.segments.opened import stored_so_far

        return stored_so_far(options.output or "", shard, program.inputs.builder.identity, options)
    if options.kept is None:
        return Done(slots=Slots(), is_kept=False)
    if options.fresh:
        check_fresh(options.kept)
    return done_so_far(options, program.inputs.builder.identity)


def _purse_check(app: App, money: MoneySettings) -> Callable[[Counted], None]:
    """What is shown rows: at the first good one it raises what the budget file would stop the run with."""
    seen = list[int]()

    def check(counted: Counted) -> None:
        request = counted.row.request
        if money.budget_file is not None and money.replay is None and request is not None and not seen:
            seen.append(counted.row.number)
            check_budget(app, request, money)

    return check


def _span(amounts: Span | None) -> str:
    if amounts is None:
        return dollars(None)
    return f"{dollars(amounts[0])} for the prompts, {dollars(amounts[2])} at most"


class Preview:
    """Cuts rows that are only counted into files, as a run of all of them would."""

    def __init__(self, app: App, settings: Sent) -> None:
        self._kept = settings.run.kept or ""
        self._typed = settings.request.base_url is not None
        self._terms: dict[str, BatchTerms] = {}
        self._open: dict[str, Fill] = {}
        self._files: Counter[str] = Counter()
        self._size = 0
        self._app = app
        self._away = standing_of(self._kept).away

    def see(self, counted: Counted) -> None:
        """Count a row in. The first row of a model has its request still, which names the provider."""
        row, model = counted.row, counted.model
        if model is None:
            return
        if row.request is not None and model not in self._terms:
            self._terms[model] = self._terms_of(row.request)
        terms = self._terms.get(model) or BatchTerms()
        size = row.size + around_row(row, terms.url)
        fill = self._open.get(model)
        if fill is None or fill.is_full(terms, size, None, None):
            fill = self._open[model] = Fill()
            self._files[model] += 1
        fill.count(size, counted.longest)
        self._size += size

    def _terms_of(self, request: Request) -> BatchTerms:
        return terms_at(request.provider, request.base_url, request.model, typed=self._typed)

    def record(self) -> Json:
        """The same as JSON."""
        return {
            "files": self._files.total(),
            "bytes": self._size,
            "away": {
                "rows": sum(portion.rows for portion in self._away),
                "batches": [portion.batch for portion in self._away if portion.batch is not None],
            },
        }

    def lines(self) -> str:
        """Lines for people."""
        number = self._files.total()
        said = f"via batch {number:,} file{'' if number == 1 else 's'}, {self._size:,} bytes\n"
        if not self._away:
            return said
        rows = rows_in_words(sum(portion.rows for portion in self._away))
        names = ", ".join(portion.batch for portion in self._away if portion.batch is not None)
        return (
            f"{said}away      {rows} in {batches_in_words(len(self._away))}{f' ({names})' if names else ''}\n"
        )


def at_batch_price(app: App, program: Program) -> Program:
    """The same program, whose rows are reserved for at the price of the Batch API."""

    def most(request: Request) -> Decimal:
        return worst(request, app.prices.of_batch)

    return replace(program, run=replace(program.run, plan=replace(program.run.plan, worst=most)))
