"""A part: one process's share of a batch: its settings, its rows, its files, and when it is at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from llmcli import files, jsonl
from llmcli.batch.away.terms import Sent
from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.choice import Choice
from llmcli.batch.shards.deal import Deal
from llmcli.batch.shards.mark import Mark
from llmcli.batch.shards.shard_plan import ShardPlan
from llmcli.batch.shards.shelf import shelf_of
from llmcli.errors import OutputFailure, PartialFailure, UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.settings.batch.machines import MachinesSettings, Shard
from llmcli.settings.batch.run import errors_path
from llmcli.settings.batch.table import TableSettings
from llmcli.settings.batch.view import ViewSettings, view_of


class InParts(Sent, Protocol):
    """What a command says of the machines that it runs on."""

    @property
    def machines(self) -> MachinesSettings:
        """Which part this is."""

    @property
    def table(self) -> TableSettings:
        """How INPUT is read."""

    @property
    def rows(self) -> list[str] | None:
        """The INPUTs."""


class ToMerge(InParts, Protocol):
    """And how its records are shown."""

    @property
    def view(self) -> ViewSettings:
        """Whether each answer is a file, too."""


Spreading = TypeVar("Spreading", bound=InParts)


@dataclass(frozen=True)
class PartFiles:
    """Where the files of a part stand."""

    directory: Path
    shard: Shard

    @property
    def out(self) -> Path:
        """Its answers; its failures stand beside it."""
        return self.directory / f"{self.shard.name}.jsonl"

    @property
    def failures(self) -> Path:
        """Its failures."""
        return errors_path(self.out)

    @property
    def _mark(self) -> Path:
        return self.directory / f"{self.shard.name}.end.json"

    def mark(self) -> Mark | None:
        """The mark of its end; None where it did not come to it."""
        try:
            return Mark.of(jsonl.loads(files.read_regular(self._mark)))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def unmark(self) -> None:
        """It goes on. Raises OutputFailure."""
        with self._told():
            self._mark.unlink(missing_ok=True)

    def end(self, mark: Mark) -> None:
        """It came to its end. Raises OutputFailure."""
        with self._told():
            files.replace(self._mark, jsonl.line(mark.plain))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            what = f"cannot write {self._mark}: {error.strerror}"
            raise OutputFailure(what, todo="check the path and the disk") from None


def check_machines(settings: ToMerge) -> None:
    """Raise UsageError for what one part of a batch, or a merge, has no use for or cannot be without."""
    machines, run, via = settings.machines, settings.run, settings.via
    if (machines.shard is not None or machines.share is not None) and via.is_batch:
        flag = "--shard" if machines.shard is not None else "--share"
        raise UsageError(f"and {via.flag} exclude each other", todo="drop one", flag=flag)
    if machines.share is not None and run.dry_run:
        raise UsageError("and --dry-run exclude each other", todo="drop one", flag="--share")
    if machines.part is None and run.kept is not None and run.kept.rpartition("/")[2] in {"", ".", ".."}:
        todo = "name a file; a part of a batch, --shard I/N, takes a directory"
        raise UsageError(f"{run.output} is a directory", todo=todo, flag="-O")
    if shard_of(settings) is None or (run.dry_run and run.output is None):
        return
    if run.output is None or run.output == "-":
        raise UsageError("writes files of its own", todo="name their directory with -O DIR/", flag="--shard")
    if run.is_stored:
        _check_stored(settings)
    if view_of(run.output) is not None or run.output.lower().endswith((".jsonl", ".json")):
        todo = f"-O DIR/ now, and when all parts have run: llmcli batch --merge DIR -O {run.output}"
        raise UsageError(f"{run.output} is a file, and parts are files of a directory", todo=todo, flag="-O")


def shard_of(settings: InParts) -> Shard | None:
    """The part that is run here; on an object store, all rows are one. None: there are no parts. Raises UsageError."""
    machines = settings.machines
    if machines.part is None and machines.merge is None and settings.run.is_stored:
        return Shard(0, 1)
    return machines.part


def check_merge(settings: ToMerge) -> None:
    """Raise UsageError for what a merge has no use for, or cannot be without."""
    run = settings.run
    if settings.machines.merge is None:
        return
    others = {
        "--via": settings.via.is_batch,
        "--dry-run": run.dry_run,
        "--retry-failed": run.retry_failed,
        "--limit": run.limit is not None,
        "--rpm": run.rpm is not None,
        "--tpm": run.tpm is not None,
        "-j": run.concurrency != "auto",
        "--each": settings.table.each is not None,
        "--write-each": settings.view.write_each is not None,
    }
    for name, is_given in others.items():
        if is_given:
            raise UsageError(
                f"and {name} exclude each other", todo="it asks nothing: drop one", flag="--merge"
            )
    if run.kept is None:
        raise UsageError("writes a file", todo="name it with -O", flag="--merge")


def _check_stored(settings: ToMerge) -> None:
    """Raise UsageError for what cannot be had of records on an object store."""
    if settings.run.ordered:
        todo = "segments are written as answers come: give it to --merge"
        raise UsageError("is not for parts on an object store", todo=todo, flag="--ordered")
    if settings.view.write_each is not None:
        todo = "write them of what is merged, or keep the parts in a directory"
        raise UsageError("is not for parts on an object store", todo=todo, flag="--write-each")


def divided(settings: Spreading) -> Spreading:
    """The settings of one part: its own file, and its share of what is of all. Rates are divided by Pace."""
    shard = settings.machines.part
    if shard is None:
        return settings
    run, money = settings.run, settings.money
    most = run.max_failures
    output = run.output
    if output is not None and not run.is_stored:
        output = str(PartFiles(Path(output), shard).out)
    own: Any = settings
    return replace(  # type: ignore[no-any-return]
        own,
        run=replace(run, output=output, max_failures=None if most is None else max(1, most // shard.count)),
        money=replace(money, max_cost=None if money.max_cost is None else money.max_cost / shard.count),
    )


def dealt(settings: InParts, choice: Choice) -> tuple[Choice, Deal | None]:
    """What of the input is this part's: of several files some, of one some of its rows. Raises UsageError."""
    shard, run = shard_of(settings), settings.run
    if shard is None:
        return choice, None
    if run.output is not None:
        plan = ShardPlan.of(shard.count, settings.rows or [], settings.table.each)
        shelf = shelf_of(run.output if run.is_stored else str(Path(run.output).parent))
        plan.check(shelf) if run.dry_run else plan.settle(shelf)
    if len(choice.parts) <= 1:
        return choice, Deal(shard, run.limit)
    if run.limit is not None:
        todo = "give --shard one INPUT, or leave --limit out"
        raise UsageError(
            "is of the whole input, and several files are dealt unread", todo=todo, flag="--limit"
        )
    return replace(choice, parts=choice.parts[shard.index :: shard.count]), None


class Ending(Protocol):
    """Where a part leaves the mark of its end."""

    def end(self, mark: Mark) -> None:
        """It came to its end. Raises OutputFailure."""


def begun(settings: InParts, records: object) -> Ending | None:
    """A part goes on: what has its mark from now on; None for a run that is no part. Raises OutputFailure."""
    shard, output = shard_of(settings), settings.run.output
    if shard is None or output is None:
        return None
    if settings.run.is_stored:
        return cast("Ending", records)
    part = PartFiles(Path(output).parent, shard)
    part.unmark()
    return part


@contextmanager
def marked(part: Ending | None, stats: Stats) -> Iterator[None]:
    """Leave a mark where a part came to its end."""
    failure = None
    try:
        yield
    except PartialFailure as error:
        failure = error
    passed = stats.rows + stats.foreign
    is_whole = stats.is_cut or (stats.complete and passed >= stats.found)
    if part is not None and is_whole and stats.done >= stats.rows:
        part.end(Mark(passed, stats.rows, stats.orphans))
    if failure is not None:
        raise failure
