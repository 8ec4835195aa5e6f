"""The plan: what all parts of a directory or a folder have in common, in its `plan.json`."""

from __future__ import annotations

from typing import Any

from llmcli import jsonl
from llmcli.address import normal_path
from llmcli.batch.shards.shelf import Shelf
from llmcli.errors import NoInput, UsageError
from llmcli.lean.dataclass import dataclass

_NAME = "plan.json"

_ANOTHER = "type the command as it was, or choose another directory with -O DIR/"


@dataclass(frozen=True)
class ShardPlan:
    """How many parts there are, and the names of the INPUTs, or the pattern of `--each`."""

    shards: int
    inputs: tuple[str, ...]
    each: str | None = None

    @classmethod
    def of(cls, shards: int, inputs: list[str], each: str | None) -> ShardPlan:
        """The plan of a command line, whichever way its paths are spelled."""
        return cls(shards, tuple(normal_path(name) for name in inputs or ["-"] if each is None), each)

    @classmethod
    def read(cls, shelf: Shelf) -> ShardPlan | None:
        """The plan that a shelf has; None where it has none. Raises UsageError, OutputFailure."""
        data = shelf.read(_NAME)
        try:
            found: Any = None if data is None else jsonl.loads(data)
            return found and cls(int(found["shards"]), tuple(map(str, found["inputs"])), found["each"])
        except (ValueError, KeyError, TypeError):
            what = f"cannot read {shelf.named(_NAME)}: it is no plan of parts"
            raise UsageError(what, todo="choose another directory") from None

    def check(self, shelf: Shelf) -> bool:
        """Whether a shelf has this plan already. Raises UsageError where it has another."""
        found = ShardPlan.read(shelf)
        if found is None:
            return False
        if found.shards != self.shards:
            what = f"{shelf} has parts of {found.shards}, not of {self.shards}"
            raise UsageError(what, todo=_ANOTHER, flag="--shard")
        if (found.inputs, found.each) != (self.inputs, self.each):
            what = f"{shelf} has parts of {found.named}, not of {self.named}"
            raise UsageError(what, todo=_ANOTHER, flag="--shard")
        return True

    @property
    def named(self) -> str:
        """Its input, as people are told of it."""
        if self.each is not None:
            return f"--each {self.each}"
        return ", ".join("stdin" if name == "-" else name for name in self.inputs)

    def settle(self, shelf: Shelf) -> None:
        """Make this the plan of a shelf, or find that it is. Raises UsageError, OutputFailure."""
        plan = {"shards": self.shards, "inputs": self.inputs, "each": self.each}
        if not self.check(shelf) and not shelf.create(_NAME, jsonl.line(plan)):
            self.check(shelf)  # another part was first


def settled_plan(shelf: Shelf) -> ShardPlan:
    """The plan of a shelf that has parts. Raises NoInput where it has none."""
    found = ShardPlan.read(shelf)
    if found is None:
        raise NoInput(f"there are no parts in {shelf}", todo="run them with --shard I/N -O DIR/")
    return found
