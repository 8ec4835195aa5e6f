"""The merge: the parts of a batch as one OUT, as if one process had run all rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, TypeVar

from llmcli.app import App
from llmcli.batch.engine.run import rows_of
from llmcli.batch.input.choice import Choice, chosen, is_there
from llmcli.batch.input.frame import Frame, Tabled, frame_of
from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.recordfile import RecordFile
from llmcli.batch.segments.fetched import parts_at
from llmcli.batch.shards.gathered import Gathered
from llmcli.batch.shards.part_terms import InParts
from llmcli.batch.shards.shard_plan import ShardPlan, settled_plan
from llmcli.batch.shards.shelf import shelf_of
from llmcli.batch.views.outlet import Outcoming, Outlet
from llmcli.errors import PartialFailure, UsageError
from llmcli.settings.batch.run import errors_path

_EVERY_ROW = "{{ row }}"  # a template that any row has a prompt with: nothing is asked here


class Merged(Tabled, Outcoming, InParts, Protocol):
    """All that a merge can be told."""


Merging = TypeVar("Merging", bound=Merged)


def merge_parts(app: App, settings: Merging) -> None:
    """Make the parts one OUT. Raises Busy, RowsMissing, UsageError, and PartialFailure where rows have failed."""
    place = settings.machines.merge or ""
    plan = settled_plan(shelf_of(place, reads=True))
    with parts_at(place, plan, Path(settings.run.kept or "")) as directory:
        _merge(app, settings, directory, plan)


def _merge(app: App, settings: Merging, directory: Path, plan: ShardPlan) -> None:
    with closing(Gathered(directory, plan)) as parts:
        parts.check()
        frame = _frame(app, settings, plan, parts)
        outlet = Outlet(app, settings, frame)
        outlet.check()
        outlet.see_header(frame.inputs.look())
        rows = _write(settings, parts)
        if settings.run.view is not None:
            outlet.renew(parts.in_order([*parts.outs, *parts.errors]), lambda: _reread(frame))
        failed = parts.failed
        of = f"{plan.shards:,} part{'' if plan.shards == 1 else 's'}"
        app.notes.say(f"{settings.run.output} has {rows:,} rows of {of}, {failed:,} of them failed")
        outlet.tell()
        if failed:
            todo = f"see {errors_path(Path(settings.run.kept or ''))}; the parts try them again with --retry-failed"
            raise PartialFailure(f"{failed:,} of {rows:,} rows failed", todo=todo)


def _frame(app: App, settings: Merging, plan: ShardPlan, parts: Gathered) -> Frame:
    """What the columns of rows are read by, where records do not have them: INPUT, or the plan's, if that is there."""
    names = [name for name in settings.rows or plan.inputs if name != "-"]
    choice = Choice((), parts.identity)
    if settings.run.view in {"csv", "tsv"} and (plan.each or (names and all(map(is_there, names)))):
        choice = replace(chosen(app, names, plan.each, settings.run), identity=parts.identity)
    whole: Any = settings
    asked = replace(
        whole,
        input=replace(whole.input, template=whole.input.template or _EVERY_ROW),
        table=replace(whole.table, each=plan.each),
    )
    return frame_of(app, asked, choice, sends=False)


def _reread(frame: Frame) -> Iterator[Row]:
    with frame.inputs.again() as source:
        yield from rows_of(source, None)


def _write(settings: Merged, parts: Gathered) -> int:
    """Write OUT and OUT.errors anew, and say how many rows they have. Raises UsageError, Busy, OutputFailure."""
    run, path = settings.run, Path(settings.run.kept or "")
    count = 0
    with closing(RecordFile(path)) as out, _beside(path) as errors:
        if not (run.fresh or parts.within(out, errors)):
            todo = "choose another -O, or start over with --fresh (what is there will be lost)"
            raise UsageError(f"{path} has records of rows that the parts do not have", todo=todo)
        for records, sources in ((errors, parts.errors), (out, parts.outs)):
            counted = _Counted(_lines(parts, sources, ordered=run.ordered))
            records.rewrite(counted)
            count += counted.count
    return count


@contextmanager
def _beside(path: Path) -> Iterator[RecordFile]:
    """OUT.errors; where OUT is not to be written, none is left that was not there."""
    with closing(RecordFile(errors_path(path), named=False)) as errors:
        try:
            yield errors
        except UsageError:
            errors.withdraw()
            raise


class _Counted:
    """Lines, counted as they pass."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            self.count += 1
            yield line


def _lines(parts: Gathered, sources: list[RecordFile], *, ordered: bool) -> Iterator[bytes]:
    if ordered:
        return parts.in_order(sources)()
    return chain.from_iterable((line for _, line in records.lines(parts.slots)) for records in sources)
