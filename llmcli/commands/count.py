"""`llmcli count`: the tokens and the price of the request that `ask` would send, with no network."""
# No `from __future__ import annotations`: the annotations are read as objects.

from typing import TYPE_CHECKING

from llmcli.errors import UsageError
from llmcli.lean.annotated import Annotated
from llmcli.lean.dataclass import dataclass
from llmcli.settings.answer import GateSettings, LoopSettings, RepairSettings
from llmcli.settings.batch.table import TableSettings
from llmcli.settings.commands.counting import CountingSettings
from llmcli.settings.conversation import ContextSettings, SessionSettings
from llmcli.settings.flag import PROMPT
from llmcli.settings.general import GeneralSettings
from llmcli.settings.input import InputSettings
from llmcli.settings.money import MoneySettings
from llmcli.settings.network import NetworkSettings
from llmcli.settings.output import OutputSettings
from llmcli.settings.request import RequestSettings
from llmcli.wire import Request

if TYPE_CHECKING:
    from llmcli.app import App
    from llmcli.exchange.asked import ServesTools


@dataclass(frozen=True)
class CountSettings:
    """What count can be told: all that ask can, and what is counted."""

    counting: CountingSettings
    table: TableSettings
    input: InputSettings
    request: RequestSettings
    output: OutputSettings
    repair: RepairSettings
    gate: GateSettings
    loop: LoopSettings
    network: NetworkSettings
    money: MoneySettings
    session: SessionSettings
    context: ContextSettings
    general: GeneralSettings
    prompt: Annotated[list[str] | None, PROMPT] = None

    def check(self) -> None:
        """Raise UsageError where flags exclude each other."""
        self.gate.passing(self.request.labels)
        counting, shown = self.counting, self.output.dry_run or self.output.curl
        is_of_rows = counting.rows is not None or self.table.each is not None
        if counting.rows is None and (given := self.table.given) is not None:
            raise UsageError("without rows", todo="name their file with --rows", flag=given)
        if shown and (is_of_rows or counting.cuts):
            raise UsageError(
                "--dry-run and --curl show the request of a prompt",
                todo="leave --rows, --raw, --truncate and --split out",
            )
        if is_of_rows and (self.prompt or counting.cuts):
            raise UsageError(
                "--rows counts whole requests from a file",
                todo="leave the PROMPT, --raw, --truncate and --split out",
            )


def count(app: "App", settings: CountSettings) -> int:
    """Count the tokens of the request that ask would send, and price it. No network.

    With --truncate or --split: cut the text on token borders instead.
    """
    counting, output = settings.counting, settings.output
    if counting.rows is not None or settings.table.each is not None:
        from llmcli.batch.tallied import count_file

        count_file(app, settings, counting.rows)
    elif counting.cuts:
        from llmcli.counting.text import show_text

        show_text(app, settings, counting)
    elif output.unsent:
        from llmcli.exchange.unsent import check_unsent, show_request

        asked = _request(app, settings)
        check_unsent(app, asked, settings)
        show_request(app, asked, app.stdout, settings.network, as_curl=not output.dry_run)
    else:
        from llmcli.counting.shown import show_count
        from llmcli.exchange.counted import counted

        asked = _request(app, settings)
        if settings.money.limited:
            from llmcli.exchange.unsent import check_budget

            check_budget(app, asked, settings.money)
        show_count(app, asked, counted(app, asked), output)
    return 0


def _request(app: "App", settings: CountSettings) -> Request:
    """The request that ask would send. Raises what ask would refuse."""
    from llmcli.exchange.tools.opening import served

    with served(app, settings, reads=True) as servers:
        return _asked(app, settings, servers)


def _asked(app: "App", settings: CountSettings, servers: "ServesTools | None") -> Request:
    from llmcli.exchange.asked import built

    stream = settings.output.unsent and settings.output.streams
    if settings.session.wanted or settings.context.wanted:
        from llmcli.chat.assembly import kept_session

        with kept_session(app, settings, only_read=True) as session:
            return session.preview(*built(app, session.settings, servers, stream=stream, sends=False))
    builder, messages = built(app, settings, servers, stream=stream, sends=False)
    app.warn(builder.warnings(None))
    asked = builder.request(messages)
    if settings.loop.runs:
        from llmcli.exchange.client import followers_of

        followers_of(app, asked, settings.loop, builder.runner)
    return asked
