"""The plan: what all parts of a directory have in common, in `DIR/plan.json`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from llmcli import files, jsonl
from llmcli.errors import NoInput, OutputFailure, UsageError
from llmcli.lean.dataclass import dataclass

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
        return cls(shards, tuple(os.path.normpath(name) for name in inputs or ["-"] if each is None), each)

    @classmethod
    def read(cls, directory: Path) -> ShardPlan | None:
        """The plan of a directory; None where it has none. Raises UsageError, NoInput."""
        path = plan_path(directory)
        try:
            found: Any = jsonl.loads(files.read_regular(path))
            return cls(int(found["shards"]), tuple(map(str, found["inputs"])), found["each"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no plan of parts"
            raise UsageError(f"cannot read {path}: {reason}", todo="choose another directory") from None

    def check(self, directory: Path) -> bool:
        """Whether a directory has this plan already. Raises UsageError where it has another."""
        found = ShardPlan.read(directory)
        if found is None:
            return False
        if found.shards != self.shards:
            what = f"{directory} has parts of {found.shards}, not of {self.shards}"
            raise UsageError(what, todo=_ANOTHER, flag="--shard")
        if (found.inputs, found.each) != (self.inputs, self.each):
            raise UsageError(
                f"{directory} has parts of {found.named}, not of {self.named}", todo=_ANOTHER, flag="--shard"
            )
        return True

    @property
    def named(self) -> str:
        """Its input, as people are told of it."""
        if self.each is not None:
            return f"--each {self.each}"
        return ", ".join("stdin" if name == "-" else name for name in self.inputs)

    def settle(self, directory: Path) -> None:
        """Make this the plan of a directory, or find that it is. Raises UsageError, OutputFailure."""
        if self.check(directory):
            return
        plan = {"shards": self.shards, "inputs": self.inputs, "each": self.each}
        try:
            files.make_directory(directory)
            files.create(plan_path(directory), jsonl.line(plan))
        except FileExistsError:  # another part was first
            if not files.is_directory(directory):
                raise UsageError(f"{directory} is no directory", todo="-O DIR/", flag="--shard") from None
            self.check(directory)
        except OSError as error:
            what = f"cannot write {plan_path(directory)}: {error.strerror}"
            raise OutputFailure(what, todo="check the path and the disk") from None


def plan_path(directory: Path) -> Path:
    """Where the plan of a directory stands."""
    return directory / "plan.json"


def settled_plan(directory: Path) -> ShardPlan:
    """The plan of a directory that has parts. Raises NoInput where it has none."""
    found = ShardPlan.read(directory)
    if found is None:
        raise NoInput(f"there are no parts in {directory}", todo="run them with --shard I/N -O DIR/")
    return found
