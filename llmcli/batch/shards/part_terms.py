"""The terms of a run of rows: what it has to know of its settings, and what is refused of parts and merges."""

from __future__ import annotations

from typing import Protocol

from llmcli.errors import UsageError
from llmcli.exchange.asked import Paid
from llmcli.settings.batch.machines import MachinesSettings, Shard
from llmcli.settings.batch.run import RunSettings
from llmcli.settings.batch.table import TableSettings
from llmcli.settings.batch.via import ViaSettings
from llmcli.settings.batch.view import ViewSettings, view_of
from llmcli.settings.request import RequestSettings


class Sent(Paid, Protocol):
    """What a run through the Batch API has to know."""

    @property
    def run(self) -> RunSettings:
        """Where records go."""

    @property
    def via(self) -> ViaSettings:
        """How rows go."""

    @property
    def request(self) -> RequestSettings:
        """Whether an address was typed."""


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
