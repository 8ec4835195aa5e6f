"""The program of `serve`: a socket, what answers there, and what ends it."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

from llmcli.app import App
from llmcli.errors import Interrupted, LlmcliError, Terminated, UsageError
from llmcli.exchange.asked import Paid
from llmcli.exchange.authorization import check_local, check_provider
from llmcli.exchange.exchange import Way
from llmcli.exchange.stack import serving_transport_of
from llmcli.files import check_appendable
from llmcli.lean.dataclass import dataclass
from llmcli.loop.connections import most_connections
from llmcli.rehearsal import PROVIDER
from llmcli.rehearsal.offline import check_rehearsed
from llmcli.request.builder import Builder
from llmcli.request.params import check_parameters
from llmcli.request.reading import argument
from llmcli.serving import child
from llmcli.serving.answers import Answers
from llmcli.serving.asked import Asker
from llmcli.serving.catalogue import Catalogue
from llmcli.serving.request_log import RequestLog
from llmcli.serving.signals import Signals, caught
from llmcli.serving.web.front import Front
from llmcli.serving.web.listening import base_url, bound, listening
from llmcli.settings.commands.serving import ServingSettings
from llmcli.settings.request import RequestSettings

_GRACE = 10.0  # seconds that requests have to end, once we are told to
_NO_KEY = PROVIDER  # given to clients that want a key; a longer one would be starred in texts
_ENDS: dict[int, type[LlmcliError]] = {signal.SIGTERM: Terminated, signal.SIGINT: Interrupted}


class ServingAsked(Paid, Protocol):
    """What serving has to know of its command's settings."""

    @property
    def serving(self) -> ServingSettings:
        """Where we listen."""

    @property
    def request(self) -> RequestSettings:
        """The model and its parameters."""


@dataclass(frozen=True)
class Service:
    """Serves until it is told to end, or until the command behind `--` ends."""

    app: App
    settings: ServingAsked
    builder: Builder
    command: Sequence[str]

    @property
    def fixed(self) -> bool:
        """Whether the command line names the model that answers."""
        return "model" in self.app.typed

    @property
    def is_offline(self) -> bool:
        """Whether no answer comes from elsewhere, and none costs anything."""
        money = self.settings.money
        if money.replay is not None:
            return True
        others = (self.builder.addresses.of(argument(name)) for name in money.fallback)
        return self.fixed and all(at.provider.embedded for at in (self.builder.endpoint, *others))

    async def run(self) -> int:
        """The exit status: that of the command. Raises Terminated, Interrupted."""
        serving, app = self.settings.serving, self.app
        sock = bound(serving.host, serving.port)
        token = None if self.is_offline else secrets.token_urlsafe(24)
        transport = serving_transport_of(app, self.builder, self.settings)
        log = RequestLog(serving.usage_file, app.prices.of, app.world.clock, app.notes.say)
        way = Way(transport, app.world.clock, app.prices.of)
        stream, now = self.settings.request.stream, app.world.now
        asker = Asker(self.builder, self.fixed, stream, lambda: now().timestamp())
        answers = Answers(way, asker, log)
        front = self._front(answers, log, token)
        try:
            with caught(all_of_them=bool(self.command)) as signals:
                async with listening(front, sock, most_connections()) as listener:
                    url = base_url(sock)
                    if self.command:
                        with child.environment(app.world.env, url, token or _NO_KEY) as env:
                            return await child.run(self.command, env, signals)
                    self._announce(url, token)
                    number = await signals.next()
                    await _either(listener.end(_GRACE), signals)
            raise _ENDS[number](f"{signal.Signals(number).name} arrived")
        finally:
            await transport.aclose()
            app.notes.write(f"served {log.summary()}\n")

    def _announce(self, url: str, token: str | None) -> None:
        if token is not None:
            self.app.notes.error(f"clients need this key: {token}")
        self.app.stdout.write(f"{url}\n")

    def _front(self, answers: Answers, log: RequestLog, token: str | None) -> Front:
        catalogue = Catalogue(self.builder, self.fixed)
        return Front(
            posts={"/chat/completions": answers.chat, "/responses": answers.responses},
            gets={"/models": catalogue.all, "/models/": catalogue.one},
            token=token,
            refused=log.refused,
            show=self.app.notes.show,
        )


async def _either(work: Coroutine[Any, Any, None], signals: Signals) -> None:
    """Do the work, until a signal comes."""
    doing, told = asyncio.ensure_future(work), asyncio.ensure_future(signals.next())
    await asyncio.wait({doing, told}, return_when=asyncio.FIRST_COMPLETED)
    for task in (doing, told):
        task.cancel()
    await asyncio.gather(doing, told, return_exceptions=True)


def service_of(app: App, settings: ServingAsked, words: Sequence[str]) -> Service:
    """The service that the settings ask for. Raises UsageError."""
    if words and list(app.argv[-len(words) - 1 :]) != ["--", *words]:
        raise UsageError(f"{words[0]}: a command stands behind --", todo="llmcli serve [OPTIONS] -- COMMAND")
    if list(app.argv[-1:]) == ["--"]:  # of a variable that is empty, for instance
        raise UsageError(
            "no command stands behind --", todo="name one, or leave -- out to serve until a signal"
        )
    request, usage_file = settings.request, settings.serving.usage_file
    builder = Builder.of(request, app.addresses(request.base_url, request.api), app.stdin.read)
    if usage_file is not None:
        check_appendable(usage_file, make=True)
    service = Service(app, settings, builder, words)
    if service.fixed:
        at = builder.endpoint
        check_provider(at.provider.name, at.model, at.base_url)
        check_local(app, at.provider.name, at.model, {})
        check_parameters(at.provider, at.model, {**builder.ask.parameters, **builder.ask.extra})
        if at.provider.name == PROVIDER:
            check_rehearsed(at.model)
        app.warn(builder.warnings(app.world.today()))
    return service
