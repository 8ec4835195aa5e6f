"""Providers that have a key: whether their name is known, their address answers and takes it. GET /models alone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from llmcli.address import shown_url
from llmcli.app import App
from llmcli.doctor.findings import Finding, failure_found
from llmcli.doctor.here import key_places
from llmcli.errors import AuthFailure, CallFailed, LlmcliError
from llmcli.exchange.authorization import key_lookup
from llmcli.registry.providers import default_provider, is_embedded, split_model
from llmcli.request.endpoint import Endpoint
from llmcli.transport.sdk import Sdk
from llmcli.transport.wire.heads import Bounds
from llmcli.transport.wire.proxies import proxy_for
from llmcli.wire import Json, Request

_WAIT = 10.0  # seconds for one provider


def of_providers(app: App, model: str) -> list[Finding]:
    """A finding for each provider that has a key. `model`: the one that a call would ask."""
    names = [name for name, place in key_places(app.world.env, app.config).items() if place]

    async def work() -> list[Finding]:
        return list(
            await asyncio.gather(*(_of_provider(app, name, model) for name in names if not is_embedded(name)))
        )

    return app.drive(work()) if names else []


async def _of_provider(app: App, name: str, model: str) -> Finding:
    check, facts = f"provider {name}", dict.fromkeys(("dns", "tls", "key", "model"))
    try:
        endpoint = app.addresses().of(f"{name}/*")
        facts["dns"] = await _is_known(endpoint.base_url, app.world.env)
        listed = await _listed(app, endpoint)
    except LlmcliError as error:
        is_answer = isinstance(error, CallFailed) and error.status is not None
        facts["tls"], facts["key"] = is_answer or None, False if isinstance(error, AuthFailure) else None
        return failure_found(check, error, **facts)
    is_https = endpoint.base_url.startswith("https:")
    facts |= {
        "tls": is_https or None,
        "key": True,
        "model": _has_model(listed, name, model, app.config.providers),
    }
    said = f"{shown_url(endpoint.base_url)} answers and takes the key: {len(listed)} models"
    if facts["model"] is False:
        return Finding(check, "note", f"{said}, none of which is {model} (-m names another)", 65, facts)
    return Finding(check, "ok", f"{said}, {model} among them" if facts["model"] else said, 0, facts)


async def _listed(app: App, endpoint: Endpoint) -> list[Json]:
    """What the endpoint offers, asked for once. Raises the CallFailed family."""
    name = endpoint.provider.name
    headers = app.addresses().headers_of(endpoint)
    sdk = Sdk(key_lookup(app, name, None), app.world.env, Bounds(_WAIT))
    try:
        return await sdk.list_models(
            Request(name, "", endpoint.base_url, {}, keys_of=endpoint.keys_of, headers=headers)
        )
    finally:
        await sdk.aclose()


async def _is_known(url: str, env: Mapping[str, str]) -> bool | None:
    """Whether the host's name is known here; None where a proxy looks it up."""
    if proxy_for(url, env):
        return None
    try:
        await asyncio.get_running_loop().getaddrinfo(
            urlsplit(url).hostname or "", None, type=socket.SOCK_STREAM
        )
    except OSError:
        return False
    return True


def _has_model(listed: list[Json], name: str, model: str, known: Mapping[str, Any]) -> bool | None:
    """Whether the model is in a provider's list; None where it is another's."""
    named, bare = split_model(model, known.keys())
    if (named or default_provider().name) != name:
        return None
    return any(item.get("id") in {bare, model} for item in listed)
