"""`llmcli batch`: JSONL in, JSONL out, each row exactly once."""

import re
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from decimal import Decimal
from os.path import samestat
from pathlib import Path
from typing import Annotated, Literal

import typer

from llmcli import jsonl
from llmcli.batch.ledger import RETRYABLE, Ledger, errors_path
from llmcli.batch.pace import Pace
from llmcli.batch.plan import Plan
from llmcli.batch.printed import Printed
from llmcli.batch.program import Program
from llmcli.batch.progress import Bar, Lines, Progress, Silent, summary
from llmcli.batch.rows import Frame, RowBuilder
from llmcli.batch.spool import spool_of, spooled
from llmcli.batch.stats import Stats
from llmcli.cli.compose import Recipe
from llmcli.cli.drive import drive
from llmcli.cli.groups import finite, flag, flags
from llmcli.cli.groups import options as option_group
from llmcli.cli.options import (
    FollowOptions,
    GeneralOptions,
    InputOptions,
    MoneyOptions,
    NetworkOptions,
    RequestOptions,
    SamplingOptions,
)
from llmcli.cli.rows import check_input, frame_of, opened, status_of, tally_of
from llmcli.cli.session import Session
from llmcli.cli.stdin import check_allowed, is_piped
from llmcli.cli.transports import batch_transport_of
from llmcli.errors import LlmcliError, PartialFailure, ReaderGone, UsageError
from llmcli.output.report import dollars
from llmcli.transport.guard import worst
from llmcli.wire import spelled

_BATCH = "Batch"
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


@option_group(_BATCH)
class BatchOptions:
    """How the rows are run, and where their records go."""

    output: Annotated[
        str | None,
        flag("--output", "-O", metavar="OUT.jsonl", help="Write records to OUT.jsonl and OUT.errors.jsonl."),
    ] = None
    concurrency: Annotated[
        str, flag("--concurrency", "-j", metavar="N|auto", help="Requests under way at once (auto).")
    ] = "auto"
    rpm: Annotated[
        float | None, flag("--rpm", min=0.001, callback=finite, metavar="N", help="Most requests a minute.")
    ] = None
    tpm: Annotated[
        float | None, flag("--tpm", min=0.001, callback=finite, metavar="N", help="Most tokens a minute.")
    ] = None
    ordered: Annotated[bool, flag("--ordered", help="Records in the order of the input.")] = False
    limit: Annotated[int | None, flag("--limit", min=0, metavar="N", help="Only the first N rows.")] = None
    max_failures: Annotated[
        int | None, flag("--max-failures", min=1, metavar="N", help="Stop when N rows have failed.")
    ] = None
    fresh: Annotated[bool, flag("--fresh", help="Start over: what OUT holds is lost.")] = False
    retry_failed: Annotated[bool, flag("--retry-failed", help="Try final failures again, too.")] = False
    on_change: Annotated[
        Literal["stop", "rerun", "keep"],
        flag("--on-change", help="What to do where a row that is done has changed (stop)."),
    ] = "stop"
    dry_run: Annotated[bool, flag("--dry-run", help="Count and price the rows; send nothing.")] = False
    format: Annotated[Literal["text", "json"], flag("--format", help="How --dry-run prints.")] = "text"
    json: Annotated[bool, flag("--json", help="The same as --format json.")] = False


@flags
def batch(
    ctx: typer.Context,
    input_: Annotated[
        str | None,
        typer.Argument(metavar="INPUT", help="A JSONL file, or - for stdin (the default in a pipe)."),
    ] = None,
    *,
    options: BatchOptions,
    given: InputOptions,
    request: RequestOptions,
    sampling: SamplingOptions,
    follow: FollowOptions,
    network: NetworkOptions,
    money: MoneyOptions,
    general: GeneralOptions,
) -> int:
    """Run every row of a JSONL file. Typed again, the same command goes on where it was stopped.

    A row is {"prompt": ...}, {"messages": [...]}, a line of OpenAI's Batch API, or, with -t, any object.
    """
    session: Session = ctx.obj
    general.apply(session)
    if follow.exec:
        raise UsageError("--exec is not for batch", todo="calls of tools are the answer: run them afterwards")
    session.set_price(request.price)
    if options.output in {None, "-"}:
        options = _unkept(options)
    path = _input(session, input_, given, options)
    frame = frame_of(session, given, sampling, request, rows_on_stdin=path is None)
    if options.dry_run:
        _dry_run(session, path, frame, options)
    else:
        _run(session, path, frame, options, follow, network, money)
    return 0


def _unkept(options: BatchOptions) -> BatchOptions:
    """The options of a run to stdout, which nothing is kept of. Raises UsageError for flags that need a file."""
    for name in ("fresh", "retry_failed"):
        if getattr(options, name):
            flag_name = "--" + name.replace("_", "-")
            raise UsageError(f"{flag_name} without an output file", todo="name it with -O")
    return replace(options, output=None)


def _input(session: Session, path: str | None, given: InputOptions, options: BatchOptions) -> str | None:
    """The input's path; None for stdin. Raises UsageError, NoInput."""
    if path is None and not is_piped(session, given.no_stdin or session.no_stdin):
        return spooled(options.output)
    if path in {None, "-"}:
        check_allowed(given.no_stdin or session.no_stdin)
        path = None
    else:
        check_input(str(path))
    source = status_of(session, path)
    for ours in () if options.output is None else (Path(options.output), errors_path(Path(options.output))):
        if source is not None and ours.exists() and samestat(source, ours.stat()):
            raise UsageError(f"INPUT is {ours}, where records are written", todo="choose another -O")
    return path


def _run(
    session: Session,
    path: str | None,
    frame: Frame,
    options: BatchOptions,
    follow: FollowOptions,
    network: NetworkOptions,
    money: MoneyOptions,
) -> None:
    program = _program(session, path, frame, options, follow, network, money)
    with opened(session, path, network.deadline) as stream, ExitStack() as stack:
        program.look(stream)
        records = stack.enter_context(_records(session, options))
        done = program.recovered(stream, records, retry_failed=options.retry_failed)
        with _summed_up(session, options, program.stats, records):
            session.waits_for("the rows that are not done")
            drive(session, program.run(stream, records, done), network.deadline, fast=True)
    if path in {None, str(spool_of(options.output))}:
        _drop_spool(options, program.stats)


def _program(
    session: Session,
    path: str | None,
    frame: Frame,
    options: BatchOptions,
    follow: FollowOptions,
    network: NetworkOptions,
    money: MoneyOptions,
) -> Program:
    file = Path(path) if path is not None and Path(path).is_file() else None
    recipe = Recipe(session, frame.ask, frame.endpoint(None))
    size = None if file is None else file.stat().st_size
    pace = Pace(options.rpm, options.tpm, _concurrency(options.concurrency), _most_connections())
    world = session.world
    return Program(
        path=None if file is None else path,
        spool=spool_of(options.output) if path is None else None,
        builder=RowBuilder(frame),
        transport=batch_transport_of(
            session,
            recipe,
            network,
            money,
            repairs=follow.repair,
            before_repair=lambda: pace.next(world.clock, world.sleep),
        ),
        pace=pace,
        plan=_plan(session, recipe, options, network, money, follow.repair),
        stats=Stats(began=world.clock(), size=size, limit=options.limit),
        progress=lambda: _progress(session),
        world=world,
        host=session,
        ordered=options.ordered,
        verbose=session.notes.verbose,
    )


@contextmanager
def _summed_up(
    session: Session, options: BatchOptions, stats: Stats, records: Ledger | Printed
) -> Iterator[None]:
    """Say at the end what the run was; an error then names the command that goes on."""
    try:
        yield
    except ReaderGone:
        raise
    except LlmcliError as error:
        session.notes.write(summary(stats, session.world.clock()))
        if options.output is not None and not isinstance(error, UsageError):
            words = [word for word in session.argv if word != "--fresh" or records.is_stale]
            resume = _resume(["llmcli", *words], options, stats, error)
            error.todo = "; ".join(part for part in (error.todo, resume) if part)
        raise
    session.notes.write(summary(stats, session.world.clock()))
    if stats.orphans:
        rows = "row" if stats.orphans == 1 else "rows"
        session.notes.say(f"{options.output} has records of {stats.orphans} {rows} that INPUT no longer has")


def _drop_spool(options: BatchOptions, stats: Stats) -> None:
    """Take the copy of stdin away, when no row of it is wanted any more."""
    spool = spool_of(options.output)
    if spool is not None and options.limit is None and not stats.failed + stats.earlier_failed:
        spool.unlink(missing_ok=True)


def _resume(words: list[str], options: BatchOptions, stats: Stats, error: LlmcliError) -> str:
    """The command that goes on: the same one, but that it must not start over; for final failures, --retry-failed."""
    if not isinstance(error, PartialFailure):
        return f"to go on: {_typed(words)}"
    retried_anyway = not stats.earlier_failed and RETRYABLE.issuperset(stats.failures)
    if not (retried_anyway or options.retry_failed):
        words.append("--retry-failed")
    return f"see {errors_path(Path(options.output or ''))}; to try them again: {_typed(words)}"


def _typed(words: list[str]) -> str:
    """Words as a shell takes them, on one line."""
    return " ".join(shlex.quote(word) if word.isprintable() else _escaped(word) for word in words)


def _escaped(word: str) -> str:
    r"""A word with control characters, as bash, zsh and ksh have them: $'one\ntwo'."""
    kept = word.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return "$'" + _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", kept) + "'"


@contextmanager
def _records(session: Session, options: BatchOptions) -> Iterator[Ledger | Printed]:
    records: Ledger | Printed
    if options.output is None:
        records = Printed(session.stdout.write_bytes, ordered=options.ordered)
    else:
        records = Ledger(options.output, fresh=options.fresh)
    with closing(records):
        yield records


def _plan(
    session: Session,
    recipe: Recipe,
    options: BatchOptions,
    network: NetworkOptions,
    money: MoneyOptions,
    repairs: int,
) -> Plan:
    return Plan(
        model=spelled(recipe.endpoint.provider.name, recipe.endpoint.model),
        retries=network.further,
        price_of=session.price_of,
        fallback=money.fallback,
        rebuild=recipe.rebuild,
        accepted=session.accepted,
        on_change=options.on_change,
        limit=options.limit,
        max_failures=options.max_failures,
        max_cost=None if money.max_cost is None else Decimal(str(money.max_cost)),
        worst=lambda asked: worst(asked, session.price_of, repairs),
    )


def _concurrency(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise UsageError(f"-j {text} is no number of requests", todo="give a number from 1, or auto")
    return int(text)


def _most_connections() -> int:
    """As many as this process may have files open, up to 1,000."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return max(1, min(1000, soft - 64)) if soft > 0 else 1000


def _progress(session: Session) -> Progress:
    if session.notes.quiet:
        return Silent()
    if session.world.stderr_is_terminal and session.world.stderr is not None:
        return Bar(session.world.stderr)
    return Lines(session.notes.say)


def _dry_run(session: Session, path: str | None, frame: Frame, options: BatchOptions) -> None:
    tally = tally_of(session, path, frame, options.limit, lambda _: None)
    if options.json or options.format == "json":
        session.stdout.write_bytes(jsonl.pretty(tally.record()))
        return
    about = "" if tally.exact else "about "
    standard, cheaper = tally.standard, tally.batch
    session.stdout.write(
        f"rows      {tally.rows:,}\n"
        f"invalid   {tally.invalid:,}\n"
        f"tokens    {about}{tally.tokens:,}\n"
        f"cost      {_span(standard)}\n"
        f"batch API {_span(cheaper)}\n"
    )


def _span(amounts: tuple[Decimal, Decimal] | None) -> str:
    if amounts is None:
        return dollars(None)
    return f"{dollars(amounts[0])} for the prompts, {dollars(sum(amounts, Decimal(0)))} at most"
