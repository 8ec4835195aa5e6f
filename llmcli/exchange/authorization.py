"""Authorization: the key that goes with a request, and where people may put it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmcli.app import App
from llmcli.errors import UsageError
from llmcli.local import LOCAL
from llmcli.registry.models import find_model
from llmcli.registry.providers import OPENAI, Provider, default_provider, find_provider, is_default_address
from llmcli.request.places.homes import provider_named
from llmcli.transport.keys import KeyOf, find_key, missing_key, says_who
from llmcli.wire import Request


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
        if says_who(request):
            return None
        owners = request.key_owners
        for name in owners:
            if (key := await find(name, request.provider == here)) is not None:
                return key
        if owners and _needs_key(request, owner := provider_named(owners[0], providers)):
            raise missing_key(owner, request.model)
        return None

    return _remembered(key_of)


def _remembered(find: KeyOf) -> KeyOf:
    """The same, but that a key is looked up once for all that it depends on."""
    known: dict[tuple[object, ...], str | None] = {}

    async def key_of(request: Request) -> str | None:
        place = request.provider, request.model, request.base_url, request.keys_of, request.headers
        if place not in known:
            known[place] = await find(request)
        return known[place]

    return key_of


def check_provider(provider: str, model: str, base_url: str) -> None:
    """Raise UsageError where OpenAI would be sent what is for a provider that nobody knows."""
    prefix, slash, _ = model.partition("/")
    if not slash or provider != OPENAI or find_provider(prefix) is not None:
        return
    if is_default_address(base_url):
        raise UsageError(
            f"{prefix} is no provider, and {OPENAI} has no such model",
            model,
            "see llmcli models, or give the address with --base-url or in the config file",
        )


def check_local(app: App, provider: str, model: str, fields: Mapping[str, Any]) -> None:
    """Raise UsageError where a model is to answer in this process that is not here, or cannot take these fields."""
    if provider == LOCAL:
        from llmcli.local.found import check_fields, read_model

        check_fields(model, read_model(model, app.world.env)[1], fields)


def _needs_key(request: Request, provider: Provider) -> bool:
    known = find_model(request.provider, request.model) is not None
    is_wanted = provider.key_required and (known or _is_at_home(request.base_url, provider))
    return is_wanted and not request.headers.secrets  # which may be another kind of key


def _is_at_home(base_url: str, provider: Provider) -> bool:
    """Whether the address is the provider's own, where it is known what it wants; azure's differ by resource."""
    return "{" in provider.base_url or base_url == provider.base_url.rstrip("/")


def variables_of_key(app: App, request: Request) -> list[str]:
    """The variables that the key of a request may stand in, the first that is set before all others."""
    env = app.world.env
    providers = [provider_named(name, app.config.providers) for name in request.key_owners]
    if not providers:
        return []
    names = [name for provider in providers for name in provider.api_key_env]
    found = [name for name in names if env.get(name, "").strip()]
    known = [*providers[0].api_key_env, *default_provider().api_key_env]
    return found or known * providers[0].key_required
