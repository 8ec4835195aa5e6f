"""One batch, from its settings to the last word about it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from llmcli import files
from llmcli.address import shown_url
from llmcli.app import App
from llmcli.batch.engine.run import Plan, Run, rows_of
from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.choice import chosen
from llmcli.batch.input.frame import Frame, Tabled, frame_of
from llmcli.batch.input.identity import Identity
from llmcli.batch.input.inputs import Inputs
from llmcli.batch.input.rows import Row
from llmcli.batch.input.spool import spool_of
from llmcli.batch.ledger.final import Done
from llmcli.batch.ledger.ledger import Ledger
from llmcli.batch.ledger.skim import RETRYABLE
from llmcli.batch.pacing.pace import Pace
from llmcli.batch.program import Program, stoppable
from llmcli.batch.progress import progress_of, summary
from llmcli.batch.shards.part_terms import InParts, shard_of
from llmcli.batch.views.outlet import Outcoming, Outlet, Reread
from llmcli.errors import Interrupted, LlmcliError, PartialFailure, ReaderGone, Terminated, UsageError
from llmcli.exchange.authorization import check_local, check_provider
from llmcli.exchange.exchange import Way
from llmcli.exchange.layers.window import worst
from llmcli.exchange.stack import batch_transport_of
from llmcli.local import LOCAL
from llmcli.loop.connections import MOST_CONNECTIONS, most_connections
from llmcli.request.builder import Builder
from llmcli.request.headers import without_secrets
from llmcli.settings.batch.run import RunSettings, batches_path, errors_path
from llmcli.wire import spelled
from llmcli.world import cores

if TYPE_CHECKING:
    from llmcli.batch.ledger.record_keeper import RecordKeeper

_CONTROL = r"[\x00-\x1f\x7f\x85\u2028\u2029]"


class Batched(Tabled, Outcoming, InParts, Protocol):
    """All that a batch can be told."""


def run_rows(app: App, settings: Batched) -> None:
    """Run every row that is not done, or say what that would take. Raises LlmcliError."""
    if settings.machines.on is not None:
        from llmcli.batch.cluster.cluster_terms import check_place

        check_place(app, settings)
    choice = chosen(app, settings.rows or [], settings.table.each, settings.run)
    deal = None
    if shard_of(settings) is not None:
        from llmcli.batch.shards.part import dealt  # here, since few runs are parts

        choice, deal = dealt(settings, choice)
    frame = frame_of(app, settings, choice, sends=not settings.run.dry_run)
    frame = replace(frame, inputs=replace(frame.inputs, deal=deal))
    outlet = Outlet(app, settings, frame)
    outlet.check()
    program = _program(app, frame, outlet, settings)
    if settings.via.is_batch:
        from llmcli.batch.away.terms import check_terms  # as above

        check_terms(frame.builder, settings.request)
    if settings.run.dry_run:
        from llmcli.batch.dry_run import dry_run  # here, since a run counts nothing beforehand

        dry_run(app, program, settings)
    else:
        _run(app, program, frame.inputs, outlet, settings)
        if choice.takes_spool:
            _drop_spool(settings.run, program.run.stats)


def _run(app: App, program: Program, inputs: Inputs, outlet: Outlet, settings: Batched) -> None:
    options, stats = settings.run, program.run.stats
    outlet.see_header(program.inputs.look())
    if options.fresh and options.kept is not None and files.exists(batches_path(Path(options.kept))):
        from llmcli.batch.away.terms import check_fresh  # here, since few runs have rows that are away

        check_fresh(options.kept)
    with _opened(app, outlet, inputs, settings) as records, _marked(settings, records, stats):
        done = program.recovered(records, retry_failed=options.retry_failed, limit=options.limit)
        _tell_of_fewer(app, options.crowd, program.run.pace.crowd.limit)
        _tell_of_repeats(app, settings, program.run.pace.crowd.most)
        reread = partial(_reread, inputs, options)
        with _summed_up(app, outlet, options, stats, records), _viewed(outlet, records, stats, reread):
            app.watch.waits_for("the rows that are not done")
            with _staffed(app, program, settings, outlet) as carried, _written(outlet):
                _carry(app, carried, settings, records, done)


def _marked(settings: Batched, records: RecordKeeper, stats: Stats) -> AbstractContextManager[None]:
    """A part leaves a mark where it comes to its end."""
    if shard_of(settings) is None:
        return nullcontext()
    from llmcli.batch.shards.part import begun, marked  # here, since few runs are parts

    return marked(begun(settings, records), stats)


@contextmanager
def _written(outlet: Outlet) -> Iterator[None]:
    """Raise OutputFailure at the end for files of answers that cannot be written, also where rows failed."""
    try:
        yield
    except PartialFailure:
        outlet.check_written()
        raise
    outlet.check_written()


@contextmanager
def _opened(app: App, outlet: Outlet, inputs: Inputs, settings: Batched) -> Iterator[RecordKeeper]:
    """Where records go. Exit 2 leaves no empty files behind."""
    with closing(_records(app, outlet, inputs.builder.identity, settings)) as records:
        try:
            yield records
        except UsageError:
            records.withdraw()
            raise


def _staffed(
    app: App, program: Program, settings: Batched, outlet: Outlet
) -> AbstractContextManager[Program]:
    """The program with whatever carries it out: this process, or workers of a cluster."""
    if settings.machines.on is None:
        return nullcontext(program)
    from llmcli.batch.cluster.story import staffed  # here, since few runs go that way

    return staffed(app, program, settings, lambda: outlet.looks)


def _carry(app: App, program: Program, settings: Batched, records: RecordKeeper, done: Done) -> None:
    """Have the rows answered, live or through the Batch API. Raises what stopped the run, PartialFailure, StillAway."""
    if settings.via.is_batch and settings.money.replay is None and isinstance(records, Ledger):
        from llmcli.batch.away.story import AwayRun  # here, since few runs go that way

        AwayRun(app, program, settings).drive(records, done)
        return
    if settings.run.kept is not None:
        _leave_alone(settings.run.kept, done)
    failure: PartialFailure | None = None
    try:
        app.drive(program.execute(records, done), settings.network.deadline, fast=True)
    except PartialFailure as error:
        failure = error
    if away := program.run.stats.away:
        told = f"{failure.what}, and " if failure else ""
        from llmcli.batch.away.terms import StillAway  # here, since few runs have some

        what = f"{told}{away:,} row{' is' if away == 1 else 's are'} away and were left alone"
        raise StillAway(what, todo="the same command with --via batch fetches them")
    if failure is not None:
        raise failure


def _leave_alone(kept: str, done: Done) -> None:
    """Have a live run pass over the rows that are away. Raises UsageError, Busy."""
    if not files.exists(batches_path(Path(kept))):
        return
    from llmcli.batch.away.desk import mark_away
    from llmcli.batch.away.manifest import Manifest

    manifest = Manifest(kept)
    try:
        for portion in manifest.away:
            mark_away(manifest, portion, done)
    finally:
        manifest.release()


def _records(app: App, outlet: Outlet, identity: Identity, settings: Batched) -> RecordKeeper:
    run, shard = settings.run, shard_of(settings)
    if not run.is_stored or shard is None:
        return outlet.records(identity)
    from llmcli.batch.segments.opened import stored_records

    return stored_records(app, run.output or "", shard, identity, fresh=run.fresh)


def _tell_of_fewer(app: App, wanted: int | None, most: int) -> None:
    """Say that -j asks for more than there can be."""
    if wanted is not None and wanted > most:
        why = "" if most == MOST_CONNECTIONS else ", as open files allow (ulimit -n)"
        app.notes.say(f"-j {wanted}: at most {most:,} requests at once{why}")


def _tell_of_repeats(app: App, settings: Batched, most: int) -> None:
    """Say what a kill of a part may cost."""
    shard = shard_of(settings)
    if shard is not None:
        rows = "row that is" if most == 1 else f"{most:,} rows that are"
        from llmcli.batch.segments.unsaved import BOUND  # here, since few runs are parts

        unsaved = f" and the last {BOUND} of answers" if settings.run.is_stored else ""
        app.notes.say(
            f"part {shard.index} of {shard.count}: a kill repeats at most the {rows} under way{unsaved}"
        )


@contextmanager
def _viewed(outlet: Outlet, records: RecordKeeper, stats: Stats, reread: Reread) -> Iterator[None]:
    """Make the view anew at the end of a run, however that ended, unless it was to be at once."""
    failure: LlmcliError | None = None
    try:
        yield
    except LlmcliError as error:
        if stats.aborted or records.is_stale or isinstance(error, UsageError):
            raise
        failure = error
    try:
        with stoppable():
            outlet.make_view(records, stats, reread)
    except LlmcliError:
        if failure is None or isinstance(failure, PartialFailure):
            raise
    if failure is not None:
        raise failure


def _reread(inputs: Inputs, options: RunSettings) -> Iterator[Row]:
    """The rows of the input once more; of a pipe, those of its copy."""
    with inputs.with_spool(spool_of(options.kept)).again() as source:
        yield from rows_of(source, None)


def _program(app: App, frame: Frame, outlet: Outlet, settings: Batched) -> Program:
    options = settings.run
    at, ask = frame.builder.endpoint, frame.builder.ask
    check_provider(at.provider.name, at.model, at.base_url)
    check_local(app, at.provider.name, at.model, {"tools": ask.tools, **ask.extra})
    crowd = options.crowd or (cores() if at.provider.name == LOCAL else None)
    pace = Pace(options.rpm, options.tpm, crowd, most_connections(), settings.network.timeout)
    if (shard := settings.machines.part) is not None:
        pace.divide(shard.count)
    if settings.machines.share is not None and not options.dry_run:
        from llmcli.batch.pacing.shared_gate import shared_cells  # here, since few runs share a limit

        pace.share(shared_cells(settings.machines.share, app.world.clock()))
    world = app.world
    transport = batch_transport_of(app, frame.builder, settings, partial(pace.next, world.clock, world.sleep))
    return Program(
        inputs=frame.inputs.seen_by(outlet.see, outlet.in_order),
        spool=spool_of(options.kept) if frame.inputs.takes_stdin else None,
        run=Run(
            plan=_plan(app, frame.builder, outlet, settings),
            way=Way(transport, world.clock, app.prices.of),
            pace=pace,
            stats=Stats(began=world.clock(), size=frame.inputs.size, limit=options.limit),
            world=world,
        ),
        progress=partial(progress_of, app),
        host=app.watch,
        ordered=options.ordered,
        verbose=app.notes.verbose,
    )


@contextmanager
def _summed_up(
    app: App, outlet: Outlet, options: RunSettings, stats: Stats, records: RecordKeeper
) -> Iterator[None]:
    """Say at the end what the run was; an error then names the command that goes on."""
    try:
        yield
    except ReaderGone:
        raise
    except LlmcliError as error:
        if isinstance(error, Interrupted | Terminated):
            app.watch.hasten()
        done = stats.sent + stats.failed + stats.earlier
        if done or not isinstance(error, UsageError):  # else there was no run
            app.notes.write(summary(stats, app.world.clock()))
        outlet.tell()
        _tell_of_orphans(app, options, stats)
        if options.lasts and not isinstance(error, UsageError):
            words = [word for word in _without_secrets(app.argv) if word != "--fresh" or records.is_stale]
            words += ["--via", "batch"] if stats.away else []  # a live run leaves those rows alone
            if "--recall" in words:
                words = _after_recall(words, error)
            resume = _resume(["llmcli", *words], options, stats, error)
            error.todo = "; ".join(part for part in (error.todo, resume) if part)
        raise
    app.notes.write(summary(stats, app.world.clock()))
    outlet.tell()
    _tell_of_orphans(app, options, stats)


def _after_recall(words: list[str], error: LlmcliError) -> list[str]:
    """The command that goes on: `--recall` is done where it leaves rows away."""
    from llmcli.batch.away.terms import StillAway  # here, since few runs recall

    return [word for word in words if word != "--recall" or not isinstance(error, StillAway)]


def _tell_of_orphans(app: App, options: RunSettings, stats: Stats) -> None:
    if stats.orphans:
        rows = "row" if stats.orphans == 1 else "rows"
        where = options.kept or options.output
        app.notes.say(f"{where} has records of {stats.orphans} {rows} that INPUT no longer has")


def _drop_spool(options: RunSettings, stats: Stats) -> None:
    """Take the copy of stdin away, when no row of it is wanted any more."""
    spool = spool_of(options.kept)
    if spool is not None and options.limit is None and not stats.failed + stats.earlier_failed:
        spool.unlink(missing_ok=True)


def _resume(words: list[str], options: RunSettings, stats: Stats, error: LlmcliError) -> str:
    """The command that goes on: the same one, but that it must not start over; for final failures, --retry-failed."""
    if not isinstance(error, PartialFailure):
        return f"to go on: {_typed(words)}"
    retried_anyway = not stats.earlier_failed and RETRYABLE.issuperset(stats.failures)
    if not (retried_anyway or options.retry_failed):
        words.append("--retry-failed")
    see = "" if options.kept is None else f"see {errors_path(Path(options.kept))}; "
    return f"{see}to try them again: {_typed(words)}"


def _without_secrets(words: Sequence[str]) -> list[str]:
    """The words of a command line; what is secret in its address and headers is for the user to put in again."""
    told = zip(["", *words], without_secrets(words), strict=False)
    return [
        shown_url(word) if before == "--base-url" or word.startswith("--base-url=") else word
        for before, word in told
    ]


def _typed(words: list[str]) -> str:
    """Words as a shell takes them, on one line."""
    return " ".join(shlex.quote(word) if word.isprintable() else _escaped(word) for word in words)


def _escaped(word: str) -> str:
    r"""A word with control characters, as bash, zsh and ksh have them: $'one\ntwo'."""
    kept = word.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return "$'" + re.sub(_CONTROL, lambda match: f"\\u{ord(match[0]):04x}", kept) + "'"


def _plan(app: App, builder: Builder, outlet: Outlet, settings: Batched) -> Plan:
    options, money, repairs = settings.run, settings.money, settings.repair.repair
    return Plan(
        model=spelled(builder.endpoint.provider.name, builder.endpoint.model),
        retries=settings.network.further,
        insists=settings.network.retries is not None,
        fallback=money.fallback,
        rebuild=builder.again,
        accepted=app.accepted,
        on_change=options.on_change,
        limit=options.limit if shard_of(settings) is None else None,  # of a part's rows: see Deal
        max_failures=options.max_failures,
        max_cost=None if money.max_cost is None else Decimal(str(money.max_cost)),
        has_budget=money.budget_file is not None and money.replay is None,
        worst=lambda asked: worst(asked, app.prices.of, repairs),
        now=app.world.now,
        input_of=None if outlet.keep is None else outlet.keep.input_of,
        beside=outlet.each,
        patience=options.patience_with(embedded=builder.endpoint.provider.embedded),
    )
