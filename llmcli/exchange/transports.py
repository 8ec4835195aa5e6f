"""Transports: what the options ask for, stacked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from llmcli.app import App
from llmcli.config import cache_directory
from llmcli.errors import CallFailed, LlmcliError, UsageError
from llmcli.exchange.asked import Asked, Paid
from llmcli.exchange.verdict import misfit, verdict
from llmcli.registry.models import find_model
from llmcli.registry.providers import Provider, find_provider, provider_of_url
from llmcli.rehearsal import PROVIDER
from llmcli.request.builder import Builder
from llmcli.request.endpoint import provider_named
from llmcli.settings.money import MoneySettings
from llmcli.settings.network import NetworkSettings
from llmcli.transport.awaited import Awaited
from llmcli.transport.base import Transport
from llmcli.transport.guard import Guard, Purse
from llmcli.transport.keys import KeyOf, find_key, missing_key
from llmcli.transport.retry import Policy, Retry, failed_attempt
from llmcli.transport.stack import ByProvider, Wrap, stacked
from llmcli.wire import Completion, Json, Request

_WAITS = "waiting for another process that asks the same, to have its answer from the cache"
_LISTING = 5.0  # seconds that a server has for the list of its models
_LONG_WAIT = 5.0  # seconds that a person may wonder about


def transport_of(app: App, builder: Builder, settings: Asked) -> Transport:
    """The transport that the settings ask for.

    Where reasoning is shown as it comes, nothing is sent again behind it. What is kept is the repaired answer, under
    the request that was made.
    """
    network, money, reasoning = settings.network, settings.money, settings.output.shows_reasoning
    if money.replay is not None:
        return _replay(money)
    policy, purse = _policy(app, network), _purse(app, money)

    def http() -> Transport:
        from llmcli.transport.sdk import Sdk

        return Sdk(
            key_lookup(app, builder.endpoint.provider.name, network.api_key_file),
            app.world.env,
            network.timeout,
        )

    return stacked(
        ByProvider(http, {PROVIDER: _offline}),
        lambda inner: Awaited(inner, app.watch.waits_for),
        lambda inner: Guard(inner, app.prices.of, purse),
        lambda inner: Retry(inner, policy, reasoning=reasoning),
        *_fallback(app, builder, money),
        *_repair(app, settings.repair.repair),
        *_stores(app, money),
    )


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
        sdk = Sdk(key_of, app.world.env, min(network.timeout, _LISTING))
        try:
            return await sdk.list_models(request)
        finally:
            await sdk.aclose()

    return listing


def batch_transport_of(
    app: App, builder: Builder, settings: Paid, before_repair: Callable[[], Awaitable[None]]
) -> Transport:
    """The same for many requests at a time: the engine itself retries, falls back and holds --max-cost."""
    network, money = settings.network, settings.money
    if money.replay is not None:
        return _replay(money)
    purse = None if money.budget_file is None else _purse(app, money)

    def http() -> Transport:
        from llmcli.transport.pooled import Pooled

        return Pooled(key_lookup(app, builder.endpoint.provider.name, network.api_key_file), network.timeout)

    return stacked(
        ByProvider(http, {PROVIDER: _offline}),
        lambda inner: Guard(inner, app.prices.of, purse),
        *_repair(app, settings.repair.repair, before_repair),
        *_stores(app, money),
    )


def _offline() -> Transport:
    from llmcli.rehearsal.offline import Offline

    return Offline()


def key_lookup(app: App, here: str, key_file: str | None) -> KeyOf:
    """Finds the key for a request, once for each provider. It raises AuthFailure, UsageError.

    A provider's own address wants a key, and so does its own model at any address: who serves that elsewhere
    is a gateway, and OpenAI's clients have a key for those, too. Another model at another address needs none.
    """
    import asyncio  # here, since what needs no key needs no loop

    found: dict[tuple[str, bool], str | None] = {}
    lock = asyncio.Lock()
    providers = app.config.providers

    async def find(name: str, is_here: bool) -> str | None:
        if (name, is_here) not in found:
            async with lock:
                if (name, is_here) not in found:
                    # --api-key-file is for the model that was asked for, not for a fallback's provider
                    file = key_file if is_here else None
                    found[name, is_here] = await find_key(
                        provider_named(name, providers), providers.get(name), app.world.env, file
                    )
        return found[name, is_here]

    async def key_of(request: Request) -> str | None:
        check_provider(request.provider, request.model, request.base_url)
        owners = request.keys_of or (request.provider,)
        for name in owners:
            if (key := await find(name, request.provider == here)) is not None:
                return key
        owner = provider_named(owners[0], providers)
        if _needs_key(request, owner):
            raise missing_key(owner)
        return None

    return key_of


def check_provider(provider: str, model: str, base_url: str) -> None:
    """Raise UsageError where OpenAI would be sent what is for a provider that nobody knows."""
    prefix, slash, _ = model.partition("/")
    if not slash or provider != "openai" or find_provider(prefix) is not None:
        return
    there = provider_of_url(base_url)
    if there is not None and there.name == "openai":
        raise UsageError(
            f"{prefix} is no provider, and openai has no such model",
            model,
            "see llmcli models, or give the address with --base-url or in the config file",
        )


def _needs_key(request: Request, provider: Provider) -> bool:
    known = find_model(request.provider, request.model) is not None
    return provider.key_required and (known or _is_at_home(request.base_url, provider))


def _policy(app: App, network: NetworkSettings) -> Policy:
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
    from decimal import Decimal

    from llmcli.transport.budget import Budget, BudgetFile

    limit = None if money.max_cost is None else Decimal(str(money.max_cost))
    if money.budget_file is not None:
        return BudgetFile(money.budget_file, limit, app.world.clock, app.world.sleep)
    return None if limit is None else Budget(limit)


def _fallback(app: App, builder: Builder, money: MoneySettings) -> list[Wrap]:
    if not money.fallback:
        return []
    from llmcli.transport.fallback import Fallback, skipped

    def notice(name: str, error: LlmcliError) -> None:
        app.notes.detail(skipped(name, error))

    return [lambda inner: Fallback(inner, money.fallback, builder.again, notice)]


def _repair(app: App, repairs: int, before: Callable[[], Awaitable[None]] | None = None) -> list[Wrap]:
    if not repairs:
        return []
    from llmcli.exchange.repair import Repair

    return [lambda inner: Repair(inner, repairs, misfit, app.notes.detail, before)]


def _stores(app: App, money: MoneySettings) -> list[Wrap]:
    """The recording is outside of the cache: what the cache answers is recorded too."""
    if not money.cache and money.record is None:
        return []
    from llmcli.transport.store import Folder, Locks, Store, recording

    def warn(error: LlmcliError) -> None:
        app.notes.say(f"warning: {error}")

    wraps: list[Wrap] = []
    if money.cache:
        folder = Folder(cache_directory(app.world.env), money.cache_ttl)
        locks = Locks(folder.path, app.world.sleep, lambda: app.notes.say(_WAITS))
        wraps.append(lambda inner: Store(inner, folder, _usable, warn, read=True, locks=locks))
    if money.record is not None:
        record = recording(money.record)
        wraps.append(lambda inner: Store(inner, record, _usable, app.outputs.owe, read=False))
    return wraps


def _replay(money: MoneySettings) -> Transport:
    from llmcli.transport.store import Replay, recorded

    return Replay(recorded(money.replay or ""))


def _usable(completion: Completion, request: Request) -> bool:
    return verdict(completion, request) is None


def _is_at_home(base_url: str, provider: Provider) -> bool:
    """Whether the address is the provider's own, where it is known what it wants; azure's differ by resource."""
    return "{" in provider.base_url or base_url == provider.base_url.rstrip("/")


def key_variables(app: App, request: Request) -> list[str]:
    """The variables that the key of a request may stand in, the first that is set before all others."""
    env, owners = app.world.env, request.keys_of or (request.provider,)
    providers = [provider_named(name, app.config.providers) for name in owners]
    names = [name for provider in providers for name in provider.api_key_env]
    found = [name for name in names if env.get(name, "").strip()]
    return found or [*providers[0].api_key_env, "OPENAI_API_KEY"] * providers[0].key_required
