"""The app: what one command line has at hand; read-only once it is made."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from llmcli.config import Config
from llmcli.errors import ExitCode, UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.loop.runner import drive
from llmcli.loop.watch import Watch
from llmcli.output.streams import Notes, Out, Outputs, Stdout
from llmcli.registry.pricing import Prices
from llmcli.request.endpoint import Addresses
from llmcli.stdin import Stdin
from llmcli.world import World

T = TypeVar("T")


@dataclass(frozen=True)
class App:
    """`accepted` are the exits that `--ok` turns to 0, `typed` the settings that flags gave (no profile, no file)."""

    world: World
    argv: Sequence[str]
    config: Config
    notes: Notes
    stdout: Stdout
    outputs: Outputs
    stdin: Stdin
    prices: Prices
    accepted: frozenset[ExitCode]
    typed: frozenset[str]
    watch: Watch

    def drive(self, work: Coroutine[Any, Any, T], deadline: float | None = None, *, fast: bool = False) -> T:
        """The work's result, see `loop.drive`. Raises DeadlinePassed, Terminated, KeyboardInterrupt."""
        return drive(self.world, self.watch, work, deadline, fast=fast)

    def addresses(self, base_url: str | None = None, api: str | None = None) -> Addresses:
        """Where models are. `api`: the one that all of them are asked at, whoever serves them.

        A `base_url` that no flag gave is a profile's.
        """
        there = Addresses(self.world.env, self.config.providers, base_url, api)
        return there if "base_url" in self.typed else replace(there, base_url=None, of_profile=base_url)

    def check_idle(self, flags: Mapping[str, str], without: str) -> None:
        """Raise UsageError for a flag that was typed and has no effect `without` another; a profile may hold it.

        `flags` are spellings by the names of settings.
        """
        for name, spelling in flags.items():
            if name in self.typed:
                raise UsageError(f"without {without}", todo=f"add {without}, or drop it", flag=spelling)

    def warn(self, warnings: Sequence[str]) -> None:
        """Warnings, for people."""
        for warning in warnings:
            self.notes.say(warning)

    def out(self, path: str | None) -> Out:
        """Where answers go: stdout, or the file of `-O`, which becomes real only where the command ends with 0."""
        if path is not None and path != "-":
            return self.outputs.open(path)
        self.stdout.check()
        return self.stdout
