"""The known endpoints: where they are, which key they want and how they deviate from OpenAI's API."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import field
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from llmcli.address import Address, address_of
from llmcli.lean.dataclass import dataclass

OPENAI = "openai"
"""The provider whose API all others speak; a model that names no provider is its."""

_END = 3  # characters of a host that a text which holds it must have: to read all addresses takes longer

KEY_FILE = "use --api-key-file"
"""What helps where no variable holds a key, in what is said of one that is not there."""

_ALIASES = {
    "lm_studio": "lmstudio",
    "llama.cpp": "llamacpp",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
}


@dataclass(frozen=True, slots=True)
class Provider:
    """One endpoint of the table (`providers.json` names source and date).

    `base_url` may hold `{resource}` (azure). `api_key_env` are the variables of the key, the first that is
    set wins. `max_tokens_param` is the API field that limits the answer. `rejected` fields are answered
    with 400 whatever the model, `ignored` ones are taken and dropped in silence, `max_n` is the highest
    `n` (None: no limit known). `prefixed` are globs of models whose names the provider itself begins with its own
    name and a slash, `start` is the command that starts a local server. `base_url_path` is what an address in
    `base_url_env` lacks, `bare_host` the HOST:PORT of which such an address may leave out either. `encoding` is
    "by name" where OpenAI's names of models say it, or that of all models; `embedded`: it answers in this process.
    `key_header` is the header that its key stands in at addresses that fit the globs `key_header_at`. `account_env` are
    headers by name and the variables of their values, `headers_env` the variable that holds lines of further ones.
    `responses` is what its Responses API does that others do not, see `llmcli/request/responses/sent.py`.
    `batch`: in what its Batch API differs from the usual (see BatchTerms); a text where it has none that is OpenAI's:
    what it has instead.
    """

    name: str
    base_url: str
    api_key_env: tuple[str, ...]
    base_url_env: str | None
    key_required: bool
    max_tokens_param: str
    rejected: frozenset[str]
    ignored: frozenset[str]
    max_n: int | None
    prefixed: tuple[str, ...] = ()
    notes: str = ""
    start: str = ""
    base_url_path: str = ""
    bare_host: str = ""
    encoding: str = ""
    embedded: bool = False
    key_header: str = ""
    key_header_at: tuple[str, ...] = ()
    account_env: Mapping[str, str] = field(default_factory=dict)
    headers_env: str = ""
    responses: frozenset[str] = frozenset()
    batch: Mapping[str, Any] | str = ""

    @property
    def how_to_give_a_key(self) -> str:
        """What the user can do who has given none."""
        return f"set {self.api_key_env[0]} or {KEY_FILE}" if self.api_key_env else KEY_FILE

    @property
    def is_default(self) -> bool:
        """Whether a model that names no provider is its."""
        return self.name == OPENAI

    def address_from(self, said: str) -> str:
        """The address that a value of `base_url_env` means."""
        if self.bare_host and "://" not in said:
            host, _, port = said.rpartition(":") if re.search(r":\d*$", said) else (said, "", "")
            own_host, _, own_port = self.bare_host.rpartition(":")
            said = f"http://{host or own_host}:{port or own_port}"
        first = self.base_url_path.strip("/").partition("/")[0]
        if not first or first in said.partition("://")[2].split("/")[1:]:
            return said
        return said.rstrip("/") + self.base_url_path

    @property
    def is_anywhere(self) -> bool:
        """Whether it is software, or a cloud's resource, that may be at any address."""
        return not self.key_required or "{" in self.base_url


def find_provider(name: str) -> Provider | None:
    """The provider of this name, or of this alias (`together_ai`, `llama.cpp`); None where unknown."""
    name = provider_name(name)
    return _provider(name) if name in _table() else None


def default_provider() -> Provider:
    """The provider of a model that names none."""
    return _provider(OPENAI)


def is_embedded(name: str) -> bool:
    """Whether a provider of this name answers in this process."""
    found = find_provider(name)
    return found is not None and found.embedded


def provider_name(name: str) -> str:
    """The table's spelling of a provider's name; an unknown name comes back as it is."""
    return _ALIASES.get(name, name)


def provider_names() -> tuple[str, ...]:
    """Every name in the table, in its order: the best known first, local servers last, then `offline`."""
    return tuple(_table())


def key_variables() -> set[str]:
    """The variables that hold a key of any of them."""
    return {variable for row in _table().values() for variable in row["api_key_env"]}


def address_variables() -> set[str]:
    """The variables that hold an address of any of them."""
    return {row["base_url_env"] for row in _table().values() if row.get("base_url_env")}


def split_model(spec: str, known: Collection[str] = ()) -> tuple[str | None, str]:
    """Split `PROVIDER/NAME`; None where the first word is no provider: it is part of the name then.

    `known` are further providers' names, those of the config file; they win over aliases.
    """
    first, slash, name = spec.partition("/")
    if slash and first in known:
        return first, name
    if slash and find_provider(first):
        return provider_name(first), name
    return None, spec


def provider_of_url(base_url: str) -> Provider | None:
    """The provider that answers at this address; None where it is nobody's.

    A vendor is known by its host, whatever the scheme and port, and its own subdomains (`eu.openrouter.ai`) count as
    the vendor; a local server by the very host and port of the table, since anything may listen on a loopback port.
    """
    address = address_of(base_url)
    if address is None:
        name = next((name for name, row in _table().items() if row["base_url"] == base_url), None)
    else:
        name = next((name for name, row in _table().items() if _answers_at(row, address)), None)
    return None if name is None else _provider(name)


def is_default_address(base_url: str) -> bool:
    """Whether an address is that of the provider of a model that names none."""
    there = provider_of_url(base_url)
    return there is not None and there.is_default


@lru_cache
def key_header(base_url: str) -> str | None:
    """The header that an address wants a key in, where it is not the usual Authorization."""
    address = address_of(base_url)
    place = "" if address is None else f"{address.host}{address.parts.path.rstrip('/')}/"
    shapes = ((row["key_header"], glob) for row in _table().values() for glob in row.get("key_header_at", ()))
    return next((name for name, glob in shapes if fnmatchcase(place, glob)), None)


def _answers_at(row: Mapping[str, Any], address: Address) -> bool:
    if address.socket is not None or address.host[-_END:] not in row["base_url"]:
        return False
    own = address_of(row["base_url"].replace("{resource}.", ""))
    if own is None:
        return False
    if row.get("key_required", True):
        return f".{address.host}".endswith(f".{own.host}")
    return (address.host, address.port) == (own.host, own.port)


@cache
def _table() -> dict[str, Mapping[str, Any]]:
    table = json.loads(Path(__file__).with_name("providers.json").read_bytes())
    return {name: row for name, row in table.items() if name != "_meta"}


@cache
def _provider(name: str) -> Provider:
    row = _table()[name]
    return Provider(
        name=name,
        base_url=row["base_url"],
        api_key_env=tuple(row["api_key_env"]),
        base_url_env=row.get("base_url_env"),
        key_required=row.get("key_required", True),
        max_tokens_param=row["max_tokens_param"],
        rejected=frozenset(row.get("rejected", ())),
        ignored=frozenset(row.get("ignored", ())),
        max_n=row.get("max_n"),
        prefixed=tuple(row.get("prefixed", ())),
        notes=row.get("notes", ""),
        start=row.get("start", ""),
        base_url_path=row.get("base_url_path", ""),
        bare_host=row.get("bare_host", ""),
        encoding=row.get("encoding", ""),
        embedded=row.get("embedded", False),
        key_header=row.get("key_header", ""),
        key_header_at=tuple(row.get("key_header_at", ())),
        account_env=row.get("account_env", {}),
        headers_env=row.get("headers_env", ""),
        responses=frozenset(row.get("responses", ())),
        batch=row.get("batch", ""),
    )
