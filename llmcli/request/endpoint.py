"""Where a model lives: `[PROVIDER/]NAME` and an address to an Endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from llmcli.config import ProviderConfig
from llmcli.errors import UsageError
from llmcli.registry.providers import Provider, find_provider, provider_of_url, split_model
from llmcli.request.prompt import argument
from llmcli.wire import http_url


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model at an address. `own_address`: it is the user's, not the provider's well-known one."""

    provider: Provider
    model: str
    base_url: str
    own_address: bool


def resolve(
    model: str, base_url: str | None, env: Mapping[str, str], providers: Mapping[str, ProviderConfig]
) -> Endpoint:
    """Find the provider and address of a model. Raises UsageError for an address that is none.

    The address: `--base-url`, else the provider's environment variable, else config, else its own.
    Without a provider's name in `model`, a well-known address names it, else it is openai.
    """
    named, name = split_model(model, providers.keys())
    if not name:
        raise UsageError(f"no model in {model!r}", todo="write -m PROVIDER/NAME")
    guessed = provider_of_url(base_url) if base_url and named is None else None
    provider_name = named or (guessed.name if guessed else "openai")
    provider = provider_named(provider_name, providers)
    address = base_url if base_url is not None else _from_env(provider, env)
    if address is not None:
        variable = "" if base_url is not None else provider.base_url_env or ""
        return Endpoint(provider, name, _checked(address, variable), own_address=guessed is None)
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
    configured = provider_name in providers and providers[provider_name].base_url is not None
    return Endpoint(provider, name, _checked(provider.base_url), own_address=configured)


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


def _from_env(provider: Provider, env: Mapping[str, str]) -> str | None:
    value = env.get(provider.base_url_env or "") or None
    if value is None:
        return None
    if provider.name == "azure" and "/openai" not in value:
        return value.rstrip("/") + "/openai/v1/"
    if provider.name == "ollama":  # OLLAMA_HOST is host:port
        value = value if "://" in value else f"http://{value}"
        return value if value.rstrip("/").endswith("/v1") else value.rstrip("/") + "/v1"
    return value


def _checked(address: str, variable: str = "") -> str:
    """The address, less what is added to it. Raises UsageError, naming the variable that it is from."""
    if address == "offline:":
        return address
    if http_url(address if variable else argument(address)) is None:
        todo = "e.g. --base-url http://localhost:8080/v1"
        raise UsageError(f"{address!r} is no http(s) URL", variable, todo)
    return address.removesuffix("/").removesuffix("/chat/completions")
