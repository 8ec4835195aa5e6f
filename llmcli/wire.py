"""The words of the wire: Request, Header, Completion and what they are made of.

Shapes are those of the Chat Completions API (https://platform.openai.com/docs/api-reference/chat);
a Message, a Chunk and a completion's body are its JSON objects, untouched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from functools import lru_cache
from typing import Any, TypeVar

from llmcli.lean.dataclass import dataclass

_SNAPSHOT = r"(?:-latest|-\d[\d-]*)?(?::latest)?(?:\.gguf)?"  # behind the name of a model

Json = dict[str, Any]
Message = dict[str, Any]
Chunk = dict[str, Any]
T = TypeVar("T")

MOST_COUNTED = 1 << 53  # beyond that, JSON's numbers are not whole everywhere
_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_FRAMING = {"content-length", "transfer-encoding"}  # who changes them sends another body than was asked for


def positive(fields: Mapping[str, Any], name: str) -> int | None:
    """A field that is a number of at least 1; None where it is anything else."""
    value = fields.get(name)
    return value if type(value) is int and value > 0 else None


@lru_cache(256)
def spelled(provider: str, model: str) -> str:
    """`provider/model`; a name that begins with the provider's own says it already."""
    return model if model.startswith(f"{provider}/") else f"{provider}/{model}"


def usage_count(counts: Mapping[str, Any], name: str) -> int | None:
    """A count of a usage object, at least 0; None where it says none, or more than can be counted."""
    value = counts.get(name)
    if type(value) is int:
        return None if value > MOST_COUNTED else max(0, value)
    try:
        count = None if value is None or isinstance(value, bool) else max(int(value), 0)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if count is None or count > MOST_COUNTED else count


@lru_cache(64)
def _url_of(base_url: str, path: str) -> str:
    base, _, query = base_url.partition("?")
    return f"{base.rstrip('/')}/{path}" + (f"?{query}" if query else "")


@dataclass(frozen=True, slots=True)
class Header:
    """One header. `value` None: none of this name is sent, not even ours.

    `shown` is the value as anybody may read it, with `$NAME` or stars for what is secret; `secrets` is what must not
    be read. `typed`: it is of the command line, and so a part of what is asked.
    """

    name: str
    value: str | None
    shown: str | None = None
    secrets: tuple[str, ...] = ()
    typed: bool = False

    @property
    def line(self) -> str:
        """`NAME: VALUE`, fit to be shown; `NAME:` for one that is not sent."""
        return f"{self.name}: {self.shown}" if self.shown is not None else f"{self.name}:"


@dataclass(frozen=True)
class Headers:
    """Headers in the order in which they were given, each name once, in whatever case."""

    all: tuple[Header, ...] = ()
    secrets: frozenset[str] = field(init=False, repr=False)
    _hash: int = field(init=False, repr=False, compare=False)  # once: each row's key is looked up by it

    def __post_init__(self) -> None:
        secrets = (secret for header in self.all for secret in header.secrets)
        object.__setattr__(self, "secrets", frozenset(secrets))
        object.__setattr__(self, "_hash", hash(self.all))

    def __hash__(self) -> int:
        return self._hash

    @classmethod
    def of(cls, given: Iterable[Header]) -> Headers:
        """Headers of one source. Of those that were given twice both values are sent, in one line."""
        found: dict[str, Header] = {}
        for header in given:
            name = header.name.lower()
            found[name] = _joined(found[name], header) if name in found else header
        return cls(tuple(found.values()))

    def over(self, others: Headers) -> Headers:
        """These, and those of the others that have other names."""
        if not others.all or not self.all:
            return self if self.all else others
        return Headers((*(header for header in others.all if not self.has(header.name)), *self.all))

    def has(self, name: str) -> bool:
        """Whether a header of this name is given, or taken away."""
        return any(header.name.lower() == name.lower() for header in self.all)

    def public(self) -> Headers:
        """Those in which nothing is secret."""
        return Headers(tuple(header for header in self.all if not header.secrets)) if self.secrets else self

    def sent(self, ours: Mapping[str, T]) -> dict[str, T | str]:
        """All that is sent: `ours`, but for those that are given or taken away here."""
        if not self.all:
            return dict(ours)
        kept: dict[str, T | str] = {name: value for name, value in ours.items() if not self.has(name)}
        return kept | {header.name: header.value for header in self.all if header.value is not None}

    @property
    def removed(self) -> list[str]:
        """The names of those of which none is sent."""
        return [header.name for header in self.all if header.value is None]

    def typed(self) -> dict[str, str | None]:
        """What the command line says, fit to be kept: (name in small letters, value), in the order of names."""
        return {header.name.lower(): header.shown for header in self.all if header.typed}


NO_HEADERS = Headers()


def name_fault(name: str) -> str | None:
    """What is wrong with the name of a header; None where it is one."""
    if name.lower() in _FRAMING:
        return f"{name} says how the body is sent, which is not yours to say"
    return None if re.fullmatch(_HEADER_NAME, name) else "the name is none that a header can have"


def value_fault(value: str) -> str | None:
    """What is wrong with the value of a header, which is not quoted; None where it is one."""
    if any(char != "\t" and (char < " " or char == "\x7f") for char in value):
        return "the value has a line break or another control character in it"
    return None if value.isascii() else "the value has characters that are not ASCII"


def _joined(first: Header, second: Header) -> Header:
    if first.value is None or second.value is None:
        return second
    between = "; " if first.name.lower() == "cookie" else ", "
    return Header(
        second.name,
        f"{first.value}{between}{second.value}",
        f"{first.shown}{between}{second.shown}",
        first.secrets + second.secrets,
        first.typed or second.typed,
    )


@dataclass(frozen=True, slots=True)
class Api:
    """One of the APIs that a request can be sent to: `path` behind the base URL.

    `body_of` makes what is sent of a request, whose fields are those of Chat Completions whatever the API; it raises
    UsageError where the API has no counterpart of one.
    """

    name: str
    path: str
    body_of: Callable[[Request], Json]


def _chat_body(request: Request) -> Json:
    return dict(request.fields)


CHAT = Api("chat", "chat/completions", _chat_body)  # a row that another process counts is pickled with it


@dataclass(slots=True)
class RequestKind:
    """What is the same for requests that differ in their messages alone. See `url` and `max_tokens` of Request.

    `takes_text`: one text, whatever it says, is all that is asked for: no JSON, no label, no call.
    """

    url: str
    max_tokens: int | None
    takes_text: bool

    @classmethod
    def of(cls, request: Request) -> RequestKind:
        """That of a request, and of all that its `saying` makes."""
        takes_text = not request.choices and _ASKING.isdisjoint(request.fields)
        return cls(request.url_of(request.api.path), _most_tokens(request), takes_text)


def _most_tokens(request: Request) -> int | None:
    fields = request.fields
    limit = positive(fields, "max_completion_tokens") or positive(fields, "max_tokens")
    elsewhere = limit is None and request.api.name != CHAT.name
    return positive(fields, "max_output_tokens") if elsewhere else limit


@dataclass(slots=True)
class Request:
    """One request, whole: `body()` is what goes on the wire, and `url` where it goes.

    `fields` are those of Chat Completions, whatever the `api`. `provider` names the quirks, `model` is the model's
    name as it is sent. `expects` is the JSON Schema that an answer is checked against, where it is not the one that
    is sent. `keys_of` are the providers whose key may go to the address, the first that has one (None: the
    provider's own; empty: nobody's). `extract`: the first code block of an answer is the answer. `headers` win over
    those of a transport. `choices`: labels of which an answer is to be one.
    """

    provider: str
    model: str
    base_url: str
    fields: Mapping[str, Any]
    expects: Json | None = None
    keys_of: tuple[str, ...] | None = None
    extract: bool = False
    headers: Headers = NO_HEADERS
    choices: tuple[str, ...] = ()
    api: Api = CHAT
    kind: RequestKind = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out what is the same for all that `saying` makes of it, too."""
        self.kind = RequestKind.of(self)

    def saying(self, messages: Sequence[Message]) -> Request:
        """The same request with other messages; for a row, so that a third of `dataclasses.replace` is too much."""
        other = _new(Request)
        other.provider, other.model, other.base_url = self.provider, self.model, self.base_url
        other.fields = {**self.fields, "messages": messages}
        other.expects, other.keys_of, other.extract = self.expects, self.keys_of, self.extract
        other.headers, other.choices, other.api, other.kind = self.headers, self.choices, self.api, self.kind
        return other

    @property
    def key_owners(self) -> tuple[str, ...]:
        """The providers whose key may go to the address, the first that has one."""
        return (self.provider,) if self.keys_of is None else self.keys_of

    def body(self) -> Json:
        """The JSON object to send: a fresh top level, nobody's but the reader's. Raises UsageError, see Api."""
        return self.api.body_of(self)

    @property
    def place(self) -> str:
        """The model and the address, without a password that may stand in it; of one in this process, the model."""
        if "://" not in self.base_url:
            return self.name
        scheme, _, rest = self.base_url.partition("?")[0].partition("://")
        host, slash, path = rest.partition("/")
        if scheme == "http+unix":
            host = host.replace("%2F", "/")
        return f"{self.name} at {scheme}://{host.rpartition('@')[2]}{slash}{path}"

    @property
    def url(self) -> str:
        """The address of the endpoint."""
        return self.kind.url

    def url_of(self, path: str) -> str:
        """An address beside it: `models`."""
        return _url_of(self.base_url, path)

    @property
    def max_tokens(self) -> int | None:
        """The most tokens that each answer is asked to have."""
        return self.kind.max_tokens

    @property
    def n(self) -> int:
        """How many answers are asked for."""
        return positive(self.fields, "n") or 1

    @property
    def service_tier(self) -> str | None:
        """The tier that is asked for."""
        tier = self.fields.get("service_tier")
        return tier if isinstance(tier, str) else None

    @property
    def stream(self) -> bool:
        """Whether the answer is asked for in pieces."""
        return bool(self.fields.get("stream"))

    @property
    def is_strict(self) -> bool:
        """Whether the user's schema was rewritten for strict mode: null may then stand for absent."""
        wanted = (self.fields.get("response_format") or {}).get("json_schema")
        return self.expects is not None and isinstance(wanted, dict) and bool(wanted.get("strict"))

    @property
    def name(self) -> str:
        """`provider/model`, as a user writes it; the provider alone where no model is asked."""
        return spelled(self.provider, self.model) if self.model else self.provider


_new = object.__new__
# What may ask for more than a text.
_ASKING = frozenset({"response_format", "tool_choice", "function_call", "n", "logprobs"})


@dataclass(slots=True)
class Meta:
    """What is known of an answer beside its body. Times are in seconds."""

    provider: str
    model: str
    request_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    done: bool = False  # [DONE] was seen, or the body came whole
    api: str = "chat"
    attempts: int = 1
    latency: float = 0.0
    ttft: float | None = None
    cached: bool = False
    cut: str | None = None  # why the stream ended early, where it did,
    remedy: str = "try again"  # and what to do about that
    stalled: bool = False  # and that it did for saying nothing more
    whole: Json | None = None  # the completion's body, where the end of a stream holds all of it
    earlier: Sequence[Completion] = ()  # answers that were asked on
    repairs: int = 0  # those of them that were asked for again, since they did not fit
    recovered: Any = None  # the answer out of its wrapping, as `llmcli.judged` has it
    choice: Any = None  # the label that was chosen, and its probability

    @property
    def name(self) -> str:
        """`provider/model`, as a user writes it."""
        return spelled(self.provider, self.model)

    @property
    def where(self) -> str:
        """The place in an error message."""
        return self.name + (f", request {self.request_id}" if self.request_id else "")


@dataclass(slots=True)
class Completion:
    """An answer: the Chat Completion object as the API sent it, and its Meta; `raw` are its very bytes, if whole.

    `is_plain`: its choices are known to be what `finish.is_plain` says.
    """

    body: Json
    meta: Meta
    raw: bytes | None = None
    is_plain: bool = False

    @property
    def choices(self) -> list[Json]:
        """The choices in index order."""
        choices = self.body.get("choices") or []
        return choices if len(choices) == 1 else sorted(choices, key=lambda choice: choice.get("index") or 0)

    @property
    def usage(self) -> Json | None:
        """The usage object, or None where the server gave none that counts anything."""
        usage = self.body.get("usage")
        if not isinstance(usage, dict):
            return None
        known = (
            usage_count(usage, "prompt_tokens") is not None
            or usage_count(usage, "completion_tokens") is not None
        )
        return usage if known else None

    @property
    def answered_by(self) -> str | None:
        """The model that the body names, where it is another one than was asked: no snapshot or path of it."""
        name, asked = self.body.get("model"), self.meta.model.lower().rsplit("/", 1)[-1]
        if not isinstance(name, str) or not name.strip() or not asked:
            return None
        rest = name.lower().rsplit("/", 1)[-1].removeprefix(asked.removesuffix("-latest"))
        return None if re.fullmatch(_SNAPSHOT, rest) else " ".join(name.split())

    @property
    def service_tier(self) -> str | None:
        """The tier that answered."""
        tier = self.body.get("service_tier")
        return tier if isinstance(tier, str) else None
