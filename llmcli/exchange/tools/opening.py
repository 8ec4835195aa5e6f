"""Opening: MCP servers for a command, until it ends; where it asks for none, nothing is imported for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from llmcli.app import App
from llmcli.settings.answer import LoopSettings
from llmcli.settings.money import MoneySettings
from llmcli.settings.network import NetworkSettings

if TYPE_CHECKING:
    from llmcli.exchange.tools.served import Served


class WithServers(Protocol):
    """What the servers of a command have to know of its settings."""

    @property
    def loop(self) -> LoopSettings:
        """Which servers, and which of their tools."""

    @property
    def money(self) -> MoneySettings:
        """Recordings."""

    @property
    def network(self) -> NetworkSettings:
        """The deadline, and how long a reply may be."""


@contextmanager
def served(app: App, settings: WithServers, *, reads: bool) -> Iterator[Served | None]:
    """The servers that the settings ask for, until the block is left; None where they ask for none.

    `reads`: see Served. Raises UsageError where the extra is not installed.
    """
    if not settings.loop.asks_servers:
        app.check_idle({"mcp_allow": "--mcp-allow"}, "--mcp")
        yield None
        return
    from llmcli.exchange.tools.served import Served

    servers = Served(app, settings, reads)
    try:
        yield servers
    except BaseException:
        servers.close(hasty=True)
        raise
    servers.close(hasty=False)
