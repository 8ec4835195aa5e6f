"""The stack: the layers that the settings ask for around a provider's transport, and their one order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from llmcli.app import App
from llmcli.config import cache_directory
from llmcli.errors import CallFailed, LlmcliError
from llmcli.exchange.asked import Asked, Paid
from llmcli.exchange.authorization import key_lookup
from llmcli.exchange.layers.awaited import Awaited
from llmcli.exchange.layers.by_provider import ByProvider
from llmcli.exchange.layers.retry import Policy, Retry, failed_attempt
from llmcli.exchange.layers.window import Purse, Window
from llmcli.exchange.verdict import misfit, verdict
from llmcli.local import LOCAL
from llmcli.rehearsal import PROVIDER, is_echo
from llmcli.request.builder import Builder
from llmcli.settings.batch.run import RunSettings
from llmcli.settings.money import MoneySettings
from llmcli.settings.network import CertificateSettings, NetworkSettings
from llmcli.transport.base import Transport
from llmcli.transport.wire.heads import Bounds
from llmcli.transport.wire.trust import Certificates
from llmcli.wire import Completion, Json, Request
from llmcli.world import cores

_WAITS = "waiting for another process that asks the same, to have its answer from the cache"
_LISTING = 5.0  # seconds that a server has for the list of its models
_POLITE = "1"  # seconds that a rehearsed failure asks other programs to wait: some ask again for nothing else
_LONG_WAIT = 5.0  # seconds that a person may wonder about

if TYPE_CHECKING:
    from decimal import Decimal

    from llmcli.exchange.layers.budget import BudgetFile
    from llmcli.registry.batch_terms import BatchTerms
    from llmcli.transport.batches.base import BatchApi

Wrap = Callable[[Transport], Transport]
Wraps = dict[str, Wrap | None]


ORDER = ("awaited", "window", "retry", "fallback", "repair", "cache", "record")
"""The layers around a provider's transport, the innermost first.

Window counts and pays for each attempt, so it is inside of Retry; a model is given up when its retries are; what
does not fit is asked again of the model that answered; what is kept is the repaired answer, under the request that
was made; and what the cache answers is recorded, too.
"""


class Crowded(Paid, Protocol):
    """And how many requests are under way at once."""

    @property
    def run(self) -> RunSettings:
        """`-j`."""


def transport_of(app: App, builder: Builder, settings: Asked) -> Transport:
    """The transport that the settings ask for.

    Where reasoning is shown as it comes, nothing is sent again behind it.
    """
    network, money, reasoning = settings.network, settings.money, settings.output.shows_reasoning
    if money.replay is not None:
        return _replay(money)

    def http() -> Transport:
        from llmcli.transport.sdk import Sdk

        key_of = key_lookup(app, builder.endpoint.provider.name, network.api_key_file)
        return Sdk(key_of, app.world.env, _bounds(network), trusted(network))

    policy, purse = policy_of(app, network), _purse(app, money)
    sure = is_echo(builder.endpoint.provider.name, builder.endpoint.model) and not money.fallback
    layers: Wraps = {
        "awaited": lambda inner: Awaited(inner, app.watch.waits_for),
        "window": lambda inner: Window(inner, app.prices.of, purse),
        "retry": None if sure else lambda inner: Retry(inner, policy, reasoning=reasoning),
        "fallback": _fallback(app, builder, money),
        "repair": _repair(app, settings.repair.repair),
    }
    return _stacked(ByProvider(http, _embedded(app, network, 1)), layers | _stores(app, money))


def trusted(settings: CertificateSettings) -> Certificates:
    """The certificates of the command line."""
    return Certificates(settings.cacert, settings.cert, settings.cert_key)


def listing_of(
    app: App, builder: Builder, settings: Asked
) -> Callable[[Request], Awaitable[list[Json]]] | None:
    """What asks a server for its models, with the key that its requests have; None where nothing may be asked."""
    network = settings.network
    if settings.money.replay is not None or settings.output.unsent:
        return None

    async def listing(request: Request) -> list[Json]:
        from llmcli.transport.sdk import Sdk

        key_of = key_lookup(app, builder.endpoint.provider.name, network.api_key_file)
        bounds = Bounds(min(network.timeout, _LISTING), longest=network.max_reply)
        sdk = Sdk(key_of, app.world.env, bounds, trusted(network))
        try:
            return await sdk.list_models(request)
        finally:
            await sdk.aclose()

    return listing


def batch_transport_of(
    app: App,
    builder: Builder,
    settings: Crowded,
    before_repair: Callable[[], Awaitable[None]],
    first: Wrap = lambda inner: inner,
) -> Transport:
    """The same for many requests at a time: the engine itself retries, falls back and holds --max-cost.

    `first` is put right around what sends.
    """
    network, money = settings.network, settings.money
    if money.replay is not None:
        return _replay(money)

    http = _pooled(app, builder, network)
    purse = None if money.budget_file is None else _purse(app, money)
    layers: Wraps = {
        "window": lambda inner: Window(inner, app.prices.of, purse),
        "repair": _repair(app, settings.repair.repair, before_repair),
    }
    return _stacked(
        first(ByProvider(http, _embedded(app, network, settings.run.crowd or cores()))),
        layers | _stores(app, money),
    )


def serving_transport_of(app: App, builder: Builder, settings: Paid) -> Transport:
    """The same for the requests of other programs.

    What fails on purpose is theirs to try again, unless the command line says that we do; they are told when.
    """
    network, money = settings.network, settings.money
    if money.replay is not None:
        return _replay(money)

    http = _pooled(app, builder, network)

    def retried(inner: Transport) -> Transport:
        retry = Retry(inner, policy)
        return retry if network.retries is not None else ByProvider(lambda: retry, {PROVIDER: lambda: inner})

    policy, purse = policy_of(app, network), _purse(app, money)
    layers: Wraps = {
        "window": lambda inner: Window(inner, app.prices.of, purse),
        "retry": retried,
        "fallback": _fallback(app, builder, money),
        "repair": _repair(app, settings.repair.repair),
    }
    return _stacked(ByProvider(http, _embedded(app, network, cores(), _POLITE)), layers | _stores(app, money))


def _pooled(app: App, builder: Builder, network: NetworkSettings) -> Callable[[], Transport]:
    """Makes what sends many requests at a time."""

    def made() -> Transport:
        from llmcli.transport.pooled import Pooled

        key_of = key_lookup(app, builder.endpoint.provider.name, network.api_key_file)
        return Pooled(key_of, _bounds(network), env=app.world.env, trusted=trusted(network))

    return made


def batch_api_of(
    app: App, request: Request, terms: BatchTerms, network: NetworkSettings, folder: Path
) -> BatchApi:
    """The Batch API of a request's provider; that of one in this process keeps its files in `folder`."""
    if request.provider == PROVIDER:
        from llmcli.rehearsal.batches import OfflineBatches

        return OfflineBatches(folder, request, lambda: app.world.now().timestamp())
    from llmcli.transport.batches.remote import RemoteBatches
    from llmcli.transport.sdk import Sdk

    key_of = key_lookup(app, request.provider, network.api_key_file)

    def sdk(bounds: Bounds) -> Sdk:
        return Sdk(key_of, app.world.env, bounds, trusted(network))

    return RemoteBatches(request, terms, key_of, _bounds(network), sdk)


def kept_around(app: App, money: MoneySettings, bottom: Transport) -> Transport:
    """What keeps answers, around a transport whose answers are there already."""
    return _stacked(bottom, _stores(app, money))


def _bounds(network: NetworkSettings) -> Bounds:
    return Bounds(network.timeout, longest=network.max_reply)


def _stacked(bottom: Transport, layers: Wraps) -> Transport:
    """Layers around a bottom, in their order; None is a layer that is not wanted."""
    for name in ORDER:
        if (wrap := layers.get(name)) is not None:
            bottom = wrap(bottom)
    return bottom


def _embedded(
    app: App, network: NetworkSettings, slots: int, wait: str | None = None
) -> Mapping[str, Callable[[], Transport]]:
    """The transports of the providers that answer in this process; `slots`: requests at a time."""

    def local() -> Transport:
        from llmcli.local.server import LocalServer
        from llmcli.local.transport import Local
        from llmcli.transport.pooled import Pooled

        return Local(Pooled(_no_key, _bounds(network)), partial(LocalServer, app.world.env), slots)

    return {PROVIDER: lambda: _offline(wait), LOCAL: local}


async def _no_key(_request: Request) -> None:
    return None


def _offline(wait: str | None = None) -> Transport:
    from llmcli.rehearsal.offline import Offline

    return Offline(wait=wait)


def policy_of(app: App, network: NetworkSettings) -> Policy:
    """How often and how long a command line tries again."""
    world, notes = app.world, app.notes
    remaining = app.world.remaining(network.deadline)

    def notice(attempt: int, wait: float, error: CallFailed) -> None:
        (notes.say if wait >= _LONG_WAIT else notes.detail)(failed_attempt(attempt, wait, error))

    return Policy(
        retries=network.further,
        insists=network.retries is not None,
        clock=world.clock,
        sleep=world.sleep,
        uniform=world.uniform,
        deadline=None if remaining is None else world.clock() + remaining,
        notice=notice,
    )


def _purse(app: App, money: MoneySettings) -> Purse | None:
    if money.budget_file is not None or money.max_cost is None:
        return budget_file_of(app, money)
    from llmcli.exchange.layers.budget import Budget

    return Budget(_limit(money))


def budget_file_of(app: App, money: MoneySettings) -> BudgetFile | None:
    """The purse that is shared with other commands, if there is one."""
    if money.budget_file is None:
        return None
    from llmcli.exchange.layers.budget import BudgetFile

    limit = None if money.max_cost is None else _limit(money)
    return BudgetFile(money.budget_file, limit, app.world.clock, app.world.sleep)


def _limit(money: MoneySettings) -> Decimal:
    from decimal import Decimal

    return Decimal(str(money.max_cost))


def _fallback(app: App, builder: Builder, money: MoneySettings) -> Wrap | None:
    if not money.fallback:
        return None
    from llmcli.exchange.layers.fallback import Fallback, skipped

    def notice(name: str, error: LlmcliError) -> None:
        app.notes.detail(skipped(name, error))

    return lambda inner: Fallback(inner, money.fallback, builder.again, notice)


def _repair(app: App, repairs: int, before: Callable[[], Awaitable[None]] | None = None) -> Wrap | None:
    if not repairs:
        return None
    from llmcli.exchange.layers.repair import Repair

    return lambda inner: Repair(inner, repairs, misfit, app.notes.detail, before)


def _stores(app: App, money: MoneySettings) -> Wraps:
    if not money.cache and money.record is None:
        return {}
    from llmcli.exchange.layers.folder import Folder
    from llmcli.exchange.layers.store import Cache, Locks, Recorder, recording

    def warn(error: LlmcliError) -> None:
        app.notes.say(f"warning: {error}")

    layers: Wraps = {}
    if money.cache:
        folder = Folder(cache_directory(app.world.env), money.cache_ttl)
        locks = Locks(folder.path, app.world.sleep, lambda: app.notes.say(_WAITS))
        layers["cache"] = lambda inner: Cache(inner, folder, _usable, warn, locks)
    if money.record is not None:
        record = recording(money.record)
        layers["record"] = lambda inner: Recorder(inner, record, _usable, app.outputs.owe)
    return layers


def _replay(money: MoneySettings) -> Transport:
    from llmcli.exchange.layers.store import Replay, recorded

    return Replay(recorded(money.replay or ""))


def _usable(completion: Completion, request: Request) -> bool:
    return verdict(completion, request) is None
