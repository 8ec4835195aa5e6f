"""Where a model lives: `[PROVIDER/]NAME` and an address to an Endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from fnmatch import fnmatchcase

from llmcli.address import address_of
from llmcli.config import ProviderConfig
from llmcli.errors import UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.registry.models import find_model
from llmcli.registry.providers import (
    OPENAI,
    Provider,
    find_provider,
    is_default_address,
    provider_of_url,
    split_model,
)
from llmcli.request.headers import configured_headers, environment_headers
from llmcli.request.places.homes import (
    address_for_all,
    address_in_env,
    checked_address,
    own_address_of,
    provider_named,
    variable_for_all,
)
from llmcli.request.reading import argument
from llmcli.responses.names import RESPONSES
from llmcli.settings.request import RequestSettings
from llmcli.wire import CHAT, Api, Headers

DEFAULT_MODEL = "gpt-6-luna"
_MANY = 256  # models that a run may name before they are looked up again


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model at an address; `model` is the name that is sent.

    `own_address`: it is the user's, not the provider's well-known one. `as_typed`: names go there as they are
    typed, a provider's name included. `named` is the provider that was typed, which need not be the address's.
    `keys_of`: see Request.
    """

    provider: Provider
    model: str
    base_url: str
    own_address: bool
    as_typed: bool = False
    named: str | None = None
    keys_of: tuple[str, ...] = ()
    forced: str | None = None

    @property
    def api(self) -> Api:
        """The API that is asked: `forced`, else the one that serves the model."""
        if self.forced is not None:
            is_responses = self.forced == RESPONSES
        else:
            model = find_model(self.provider.name, self.model)
            is_responses = model is not None and model.is_on_responses_alone
        if not is_responses:
            return CHAT
        from llmcli.request.responses.sent import RESPONSES_API  # here, since few need it

        return RESPONSES_API


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where models are: `base_url` and `api` are the command line's, `of_profile` an address below the environment."""

    env: Mapping[str, str]
    providers: Mapping[str, ProviderConfig]
    base_url: str | None = None
    api: str | None = None
    of_profile: str | None = None
    _known: dict[str, Endpoint] = field(default_factory=dict, compare=False, repr=False)
    _headers: dict[tuple[str, bool], Headers] = field(default_factory=dict, compare=False, repr=False)

    def of(self, model: str) -> Endpoint:
        """The endpoint of a model; rows of a batch name the same few. Raises UsageError."""
        if model not in self._known:
            if len(self._known) >= _MANY:
                self._known.clear()
            found = _resolved(model, self._given(model), self.env, self.providers)
            self._known[model] = replace(found, forced=self.api)
        return self._known[model]

    def in_world(self, env: Mapping[str, str]) -> Addresses:
        """The same with another environment."""
        return Addresses(env, self.providers, self.base_url, self.api, self.of_profile)

    def _given(self, model: str) -> str | None:
        """The address that was given for all models, as far as it is for this one: None: its own provider's.

        `--base-url`, else the provider's own environment variable, else OPENAI_BASE_URL, else a profile's; behind it
        are config and the table. Raises UsageError for what is no address.
        """
        if self.base_url is not None:
            return checked_address(argument(self.base_url))
        address = _address_for_all(model, self.env, self.providers)
        if address is not None or self.of_profile is None or self._has_variable(model):
            return address
        return checked_address(argument(self.of_profile))

    def _has_variable(self, model: str) -> bool:
        """Whether the provider of a model has an address in a variable of its own."""
        named = split_model(model, self.providers.keys())[0] or OPENAI
        return address_in_env(provider_named(named, self.providers), self.env) is not None

    def headers_of(self, endpoint: Endpoint) -> Headers:
        """What the config file and the environment say of headers to an endpoint. Raises UsageError.

        A secret of theirs goes where the key of its provider may go.
        """
        name, trusted = endpoint.provider.name, endpoint.provider.name in endpoint.keys_of
        if (name, trusted) not in self._headers:
            config = self.providers.get(name)
            told = environment_headers(endpoint.provider, self.env)
            if config is not None and config.headers:
                told = configured_headers(name, config.headers, self.env).over(told)
            self._headers[name, trusted] = told if trusted else told.public()
        return self._headers[name, trusted]

    def chosen(self, settings: RequestSettings) -> Endpoint:
        """The endpoint of the model that was chosen. Raises UsageError."""
        try:
            return self.of(DEFAULT_MODEL if settings.model is None else argument(settings.model))
        except UsageError as error:
            given = self.base_url or self.of_profile
            is_address = given is not None and (address_of(given) is None or "#" in given)
            error.flag = "--base-url" if is_address else "--model"
            raise

    def beside(self, here: Endpoint, model: str) -> Endpoint:
        """The endpoint of a model that takes the place of another: where that is, or at its provider's own address."""
        found = beside(here, model, self.providers)
        found = found or _resolved(
            model, _of_variable(model, self.env, self.providers), self.env, self.providers
        )
        return replace(found, forced=self.api)


def _resolved(
    model: str, address: str | None, env: Mapping[str, str], providers: Mapping[str, ProviderConfig]
) -> Endpoint:
    """A model at an address that was given for all models, or else at its own provider's."""
    if not split_model(model, providers.keys())[1].strip():
        raise UsageError(f"no model in {model!r}", todo="write -m PROVIDER/NAME")
    found = _at_home(model, env, providers) if address is None else _at(address, model, providers)
    return replace(found, keys_of=_key_owners(found, providers))


def _address_for_all(
    model: str, env: Mapping[str, str], providers: Mapping[str, ProviderConfig]
) -> str | None:
    """The address in OPENAI_BASE_URL, which is as `--base-url`. A provider's own variable is nearer to its models.

    OpenAI's own address there is what would hold without it, and keeps no other provider's models from theirs.
    """
    named, said = split_model(model, providers.keys())[0], address_for_all(env)
    if not said or named is None:
        return _of_variable(model, env, providers)
    there = provider_named(named, providers)
    is_nearer = there.embedded or address_in_env(there, env) is not None
    if is_nearer or (is_default_address(said) and not there.is_default):
        return None
    return checked_address(said, variable_for_all())


def _of_variable(model: str, env: Mapping[str, str], providers: Mapping[str, ProviderConfig]) -> str | None:
    """The address in OPENAI_BASE_URL where the model is openai's, or of no provider."""
    named, said = split_model(model, providers.keys())[0], address_for_all(env)
    is_default = named is None or provider_named(named, providers).is_default
    return checked_address(said, variable_for_all()) if said and is_default else None


def _at_home(model: str, env: Mapping[str, str], providers: Mapping[str, ProviderConfig]) -> Endpoint:
    """A model at its own provider's address: of its variable, else config, else the table."""
    named, name = split_model(model, providers.keys())
    provider = provider_named(named or OPENAI, providers)
    config = providers.get(provider.name)
    return Endpoint(
        provider,
        home_name(provider, name),
        own_address_of(provider, env),
        own_address=bool(address_in_env(provider, env) or (config and config.base_url)),
        named=named,
    )


def _at(address: str, model: str, providers: Mapping[str, ProviderConfig]) -> Endpoint:
    """A model at an address that was given. At its provider's own, the provider's name comes off.

    Anywhere else the name goes as it was typed: `openai/gpt-oss-20b` is what LM Studio calls it, and
    `deepseek/deepseek-chat` is OpenRouter's model, which OpenRouter's key pays for.
    """
    named, name = split_model(model, providers.keys())
    owner = provider_of_url(address)
    if named is not None and _is_at_home(named, address, owner, providers):
        provider = provider_named(named, providers)
        is_own = owner is None or owner.name != named
        return Endpoint(provider, home_name(provider, name), address, own_address=is_own, named=named)
    if owner is not None and (named is None or owner.key_required):
        owner = provider_named(owner.name, providers)
        return Endpoint(owner, model, address, own_address=False, named=named)
    provider = provider_named(named or OPENAI, providers)
    return Endpoint(provider, model, address, own_address=True, as_typed=True, named=named)


def _is_at_home(
    named: str, address: str, owner: Provider | None, providers: Mapping[str, ProviderConfig]
) -> bool:
    """Whether an address is a provider's own: by the table, or by config; some may be anywhere."""
    known, config = find_provider(named), providers.get(named)
    if known is None or known.is_anywhere:
        return True
    return (owner is not None and owner.name == named) or _is_configured(config, address)


def _is_configured(config: ProviderConfig | None, address: str) -> bool:
    return bool(
        config and config.base_url and checked_address(config.base_url).rstrip("/") == address.rstrip("/")
    )


def shares_server(there: Endpoint, here: Endpoint) -> bool:
    """Whether what is for the server of one endpoint alone may go to the other: its address, or its provider's."""
    if there.base_url == here.base_url:
        return True
    one, other = address_of(there.base_url), address_of(here.base_url)
    same_server = one is not None and other is not None and one.origin == other.origin
    return same_server and there.provider.name == here.provider.name


def home_name(provider: Provider, name: str) -> str:
    """The name that a provider itself has for its model: `auto` is `openrouter/auto`, for instance."""
    is_prefixed = "/" not in name and any(fnmatchcase(name, glob) for glob in provider.prefixed)
    return f"{provider.name}/{name}" if is_prefixed else name


def beside(here: Endpoint, model: str, providers: Mapping[str, ProviderConfig]) -> Endpoint | None:
    """Another model at the same address, if its name has the same provider or none; else None."""
    named, name = split_model(model, providers.keys())
    if named not in {None, here.provider.name, here.named}:
        return None
    if here.as_typed or named not in {None, here.provider.name}:
        return replace(here, model=model)
    return replace(here, model=home_name(here.provider, name))


def _key_owners(here: Endpoint, providers: Mapping[str, ProviderConfig]) -> tuple[str, ...]:
    """The providers whose key may go to an address; the first that has one. Nobody's key goes to another's address.

    This machine's addresses are nobody's; where no provider was named, openai's key is for them, too. Over plain http
    no key goes to a provider that customers have: everybody on the way could read it.
    """
    name, owner = here.provider.name, provider_of_url(here.base_url)
    if owner is not None and owner.key_required and here.base_url.lower().startswith("http:"):
        return ()
    config = providers.get(name)
    has_own_key = config is not None and bool(config.api_key_env or config.api_key_command)
    if owner is None or owner.name == name or (has_own_key and _is_configured(config, here.base_url)):
        is_guess = here.named is None and not here.provider.key_required and not here.provider.embedded
        return (name, OPENAI) if is_guess else (name,)
    return (owner.name,) if owner.key_required else (name,)
