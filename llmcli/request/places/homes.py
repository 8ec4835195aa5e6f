"""Where providers are at home: an address out of the environment, the config file or the table, as it can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from llmcli.address import address_of, fault_of, shown_url, with_socket_as_host
from llmcli.config import ProviderConfig
from llmcli.errors import UsageError
from llmcli.registry.providers import Provider, default_provider, find_provider, provider_of_url


def provider_named(name: str, providers: Mapping[str, ProviderConfig]) -> Provider:
    """The provider of this name, as config has it; `base_url` is empty where nobody gave one."""
    known, config = find_provider(name), providers.get(name)
    if known is None:  # only config can have named it
        known = Provider(
            name=name,
            base_url="",
            api_key_env=(),
            base_url_env=None,
            key_required=False,
            max_tokens_param="max_tokens",
            rejected=frozenset(),
            ignored=frozenset(),
            max_n=None,
        )
    if config is None:
        return known
    key_env = (config.api_key_env,) if config.api_key_env else known.api_key_env
    return replace(
        known,
        base_url=config.base_url or known.base_url,
        api_key_env=key_env,
        key_required=known.key_required or bool(config.api_key_env or config.api_key_command),
    )


def own_address_of(provider: Provider, env: Mapping[str, str]) -> str:
    """The provider's own address. Raises UsageError where there is none."""
    address = address_in_env(provider, env)
    if address is not None:
        return checked_address(address, provider.base_url_env or "")
    if "{" in provider.base_url:
        raise UsageError(
            f"{provider.name} has no address of its own",
            todo=f"set {provider.base_url_env or '--base-url'} to your resource's URL",
        )
    if not provider.base_url:
        raise UsageError(
            f"{provider.name} has no address",
            todo=f"give [providers.{provider.name}] a base_url, or use --base-url",
        )
    return checked_address(provider.base_url)


def address_in_env(provider: Provider, env: Mapping[str, str]) -> str | None:
    """The address that a provider's own variable says; OPENAI_BASE_URL is no such variable."""
    value = env.get(provider.base_url_env or "", "").strip()
    return provider.address_from(value) if value and not provider.is_default else None


def checked_address(address: str, variable: str = "") -> str:
    """The address, less what is added to it. Raises UsageError, naming the variable that it is from."""
    address = address.strip()
    owner = provider_of_url(address)
    if owner is not None and owner.embedded:
        return owner.base_url
    if address_of(address) is None:
        todo = "e.g. --base-url http://localhost:8080/v1"
        raise UsageError(f"{shown_url(address)!r} {fault_of(address)}", variable, todo)
    if "#" in address:
        raise UsageError(
            f"{shown_url(address)!r} has a #fragment, which no server gets", variable, "leave it out"
        )
    base, mark, query = with_socket_as_host(address).partition("?")
    base = base.rstrip("/").removesuffix("/chat/completions").removesuffix("/responses").rstrip("/")
    return base + mark + query


def address_for_all(env: Mapping[str, str]) -> str:
    """What OPENAI_BASE_URL says; nothing where it is not set."""
    return env.get(variable_for_all(), "").strip()


def variable_for_all() -> str:
    """The variable of an address that is as `--base-url`."""
    return default_provider().base_url_env or ""
