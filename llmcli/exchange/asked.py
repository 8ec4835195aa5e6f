"""What an exchange has to know of a command's settings, and what they ask for: a builder and messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from llmcli.app import App
from llmcli.request.builder import Builder
from llmcli.request.names import say_names
from llmcli.request.prompt import Prompt, is_page
from llmcli.request.reading import words_or_stdin
from llmcli.settings.answer import LoopSettings, RepairSettings
from llmcli.settings.input import InputSettings
from llmcli.settings.money import MoneySettings
from llmcli.settings.network import NetworkSettings
from llmcli.settings.request import RequestSettings
from llmcli.wire import Message

if TYPE_CHECKING:
    from llmcli.settings.conversation import SessionSettings
    from llmcli.settings.output import OutputSettings


class Paid(Protocol):
    """Where requests go, how often, and for how much."""

    @property
    def repair(self) -> RepairSettings:
        """Repairs."""

    @property
    def network(self) -> NetworkSettings:
        """Timeouts and retries."""

    @property
    def money(self) -> MoneySettings:
        """Budgets, cache, recordings, fallbacks."""


class Rowed(Protocol):
    """What is asked, and of whom."""

    @property
    def input(self) -> InputSettings:
        """Where the messages come from."""

    @property
    def request(self) -> RequestSettings:
        """The model and its parameters."""


class Asked(Paid, Rowed, Protocol):
    """And how its answer is shown."""

    @property
    def loop(self) -> LoopSettings:
        """Tools that run."""

    @property
    def output(self) -> OutputSettings:
        """The form of what is shown."""


class Paged(Paid, Rowed, Protocol):
    """And what pages of the web are fetched, and kept, by."""


class Worded(Paged, Protocol):
    """What is asked in words of the command line, of whom, and in which session."""

    @property
    def prompt(self) -> list[str] | None:
        """The words."""

    @property
    def session(self) -> SessionSettings:
        """The session, in which there need be no words."""


def pages_named(app: App, settings: Paged, *, sends: bool) -> Mapping[str, str]:
    """The texts of the web addresses among the files that the settings name; see `pages_of`."""
    if not any(map(is_page, settings.input.file)):
        return {}
    from llmcli.exchange.pages.fetched import pages_of  # what few need, and the wire with it

    return pages_of(app, settings, sends=sends)


class ServesTools(Protocol):
    """Servers that have tools."""

    def into(self, builder: Builder) -> Builder:
        """The same builder with their tools."""


def built(
    app: App, settings: Worded, servers: ServesTools | None = None, *, stream: bool, sends: bool
) -> tuple[Builder, list[Message]]:
    """The builder and the messages that the settings ask for; stdin is read for them. Raises UsageError.

    `stream`: whether the answer is asked for in pieces, unless the settings say it. `sends`: whether a model is asked.
    The tools of `servers` are in it, which are started last.
    """
    request = settings.request
    builder = Builder.of(request, app.addresses(request.base_url, request.api), app.stdin.read, stream=stream)
    pages = pages_named(app, settings, sends=sends)
    prompt = Prompt.of(settings.input, app.stdin.read, app.notes.say, pages)
    say_names(settings.input, app.notes.say, settings.prompt or ())
    words = words_or_stdin(settings.prompt or [], app.stdin)
    messages = prompt.messages(words, optional=settings.session.wanted)
    return (builder if servers is None else servers.into(builder)), messages
