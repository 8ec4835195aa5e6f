"""Answer: what is done about one before it counts: repairs, and tools that run."""
# No `from __future__ import annotations`: the annotations are read as objects.

from collections.abc import Sequence
from dataclasses import field
from typing import Annotated

from llmcli.settings.flag import flag, settings
from llmcli.settings.labels import chosen_of


@settings("Structured answers and tools")
class RepairSettings:
    """How often an answer that does not fit is asked for again."""

    repair: Annotated[
        int, flag("--repair", low=0, metavar="N", help="Ask again up to N times where JSON does not fit (0).")
    ] = 0


@settings("Structured answers and tools")
class GateSettings:
    """Which of the labels make a command succeed."""

    gate: Annotated[
        list[str],
        flag("--gate", metavar="LABEL,...", help="Exit 0 only for these of the labels, else 9, silently."),
    ] = field(default_factory=list)

    def passing(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Those of the labels that it lets through. Raises UsageError for what is no label."""
        return chosen_of(self.gate, labels, "--gate")


@settings("Structured answers and tools")
class LoopSettings:
    """Tools that run, and how long."""

    exec: Annotated[
        list[str],
        flag(
            "--exec",
            metavar="NAME=COMMAND",
            help="Run COMMAND (no shell) when the tool is called (repeatable).",
        ),
    ] = field(default_factory=list)
    tool_env: Annotated[
        list[str],
        flag(
            "--tool-env", metavar="NAME", help="Give tools this variable, though it holds a key (repeatable)."
        ),
    ] = field(default_factory=list)
    max_turns: Annotated[
        int, flag("--max-turns", low=1, metavar="N", help="Most requests of a tool loop (8).")
    ] = 8
    tool_timeout: Annotated[
        float | None,
        flag("--tool-timeout", low=0.001, finite=True, metavar="S", help="Seconds for one run of a tool."),
    ] = None
