"""Answer: what is done about one before it counts: repairs, and tools that run."""
# No `from __future__ import annotations`: the annotations are read as objects.

from collections.abc import Sequence
from dataclasses import field

from llmcli.lean.annotated import Annotated
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
    mcp: Annotated[
        list[str],
        flag("--mcp", metavar="COMMAND|URL", help="Offer and run the tools of an MCP server (repeatable)."),
    ] = field(default_factory=list)
    mcp_config: Annotated[
        list[str],
        flag("--mcp-config", metavar="FILE", help="And of the servers in a file of mcpServers (repeatable)."),
    ] = field(default_factory=list)
    mcp_allow: Annotated[
        list[str],
        flag(
            "--mcp-allow",
            metavar="GLOB",
            help="Only MCP tools of this name, or SERVER.TOOL (repeatable; all).",
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

    @property
    def asks_servers(self) -> bool:
        """Whether there are MCP servers."""
        return bool(self.mcp or self.mcp_config)

    @property
    def runs(self) -> bool:
        """Whether calls are run here, so that an answer may be asked on."""
        return bool(self.exec) or self.asks_servers
