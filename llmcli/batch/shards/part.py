"""A part: one process's share of a batch: its settings, its rows, its files, and when it is at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from llmcli import files, jsonl
from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.choice import Choice
from llmcli.batch.shards.deal import Deal
from llmcli.batch.shards.mark import Mark
from llmcli.batch.shards.part_terms import InParts, shard_of
from llmcli.batch.shards.shard_plan import ShardPlan
from llmcli.batch.shards.shelf import shelf_of
from llmcli.errors import OutputFailure, PartialFailure, UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.settings.batch.machines import Shard
from llmcli.settings.batch.run import errors_path

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
