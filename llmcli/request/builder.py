"""The builder: what was asked, and of whom; it makes the request for some messages, for this model or another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from llmcli.errors import UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.registry.models import find_model
from llmcli.request.endpoint import Addresses, Endpoint, shares_server
from llmcli.request.headers import typed_headers
from llmcli.request.params import (
    check_parameters,
    ignored_parameters,
    max_tokens_field,
    parse_logit_bias,
    parse_option,
    parse_pair,
    parse_tool_choice,
)
from llmcli.request.reading import ReadStdin, argument
from llmcli.responses.names import RESPONSES
from llmcli.settings.request import RequestSettings
from llmcli.wire import CHAT, NO_HEADERS, Header, Headers, Json, Message, Request, spelled

if TYPE_CHECKING:
    from llmcli.request.tools import RunsTools

LIMITS = ("max_completion_tokens", "max_tokens")
_NEAR = 30  # days before a model's shut-down in which we speak of it


@dataclass(frozen=True, slots=True)
class Ask:
    """What the user said, messages, model and address aside.

    `parameters`: API fields as flags gave them; `extra`: those of `-o`, which win. `max_tokens` is the
    limit of `-M`, whatever the model calls it. `tool_choice` is as typed. `expects` is the JSON Schema that the
    answer is checked against; `extract`: only the first code block of an answer counts. `headers` are the command
    line's.
    `choices`: labels of which an answer is to be one, which is how the model can be told: see `build_request`.
    `loops`: tools run here, and what the model thought goes back to it with their results.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    max_tokens: int | None = None
    response_format: Json | None = None
    expects: Json | None = None
    tools: Sequence[Json] = ()
    tool_choice: str | None = None
    stream: bool = False
    extract: bool = False
    headers: Headers = NO_HEADERS
    choices: tuple[str, ...] = ()
    loops: bool = False


@dataclass(frozen=True, slots=True)
class Builder:
    """Makes requests. `addresses` finds other models; `runner` runs the tools that `with_tools` added."""

    ask: Ask
    endpoint: Endpoint
    addresses: Addresses
    runner: RunsTools | None = None

    @classmethod
    def of(
        cls, settings: RequestSettings, addresses: Addresses, read: ReadStdin, *, stream: bool = False
    ) -> Builder:
        """The builder that the settings ask for. `stream`: unless they say whether. Raises UsageError."""
        stream = stream if settings.stream is None else settings.stream
        builder = cls(
            ask_of(settings, read, addresses.env, stream=stream), addresses.chosen(settings), addresses
        )
        builder.headers_to(builder.endpoint)  # what is wrong with them is said before a row is read
        return builder

    def without_world(self) -> Builder:
        """The same with nothing of this machine's environment in it, to be taken to another: see `in_world`."""
        ask = replace(self.ask, headers=NO_HEADERS)
        return replace(self, ask=ask, addresses=self.addresses.in_world({}))

    def in_world(self, request: RequestSettings, env: Mapping[str, str]) -> Builder:
        """The same in another environment. `request` is what it was made of. Raises UsageError."""
        ask = replace(self.ask, headers=_headers(request, env))
        builder = replace(self, ask=ask, addresses=self.addresses.in_world(env))
        builder.headers_to(builder.endpoint)
        return builder

    def request(self, messages: Sequence[Message], *, model: str | None = None) -> Request:
        """The request; only what was asked for is in it. `model`: another one than was chosen.

        Raises UsageError where there are no messages, or the model is known to reject a parameter.
        """
        endpoint = self.endpoint if model is None else self.addresses.of(model)
        return build_request(messages, self.ask, endpoint, self.headers_to(endpoint))

    def headers_to(self, endpoint: Endpoint) -> Headers:
        """The headers for an endpoint. What is secret on the command line goes to the server alone that it chose."""
        own = self.ask.headers if shares_server(endpoint, self.endpoint) else self.ask.headers.public()
        return own.over(self.addresses.headers_of(endpoint))

    @property
    def words_labels(self) -> bool:
        """Whether labels are asked for in words, in the user's own message."""
        return bool(self.ask.choices) and "response_format" not in _parameters(self.ask, self.endpoint)

    def reading(self, *, extract: bool, loops: bool = False) -> Builder:
        """The same, where the first code block of an answer is the answer. `loops`: see Ask."""
        return replace(self, ask=replace(self.ask, extract=extract, loops=loops))

    def with_tools(self, definitions: Sequence[Json], runner: RunsTools) -> Builder:
        """The same with further tools, which `runner` runs."""
        ask = replace(self.ask, tools=(*self.ask.tools, *definitions))
        if isinstance(ask.extra.get("tools"), list):
            ask = replace(ask, extra={**ask.extra, "tools": [*ask.extra["tools"], *definitions]})
        return replace(self, ask=ask, runner=runner)

    def with_own(self, own: Mapping[str, Any], stream: bool | None = None) -> Builder:
        """The same with parameters that win over those of the command line; `stream` None: as that says."""
        if not own and stream in {None, self.ask.stream}:
            return self
        ask = self.ask if stream in {None, self.ask.stream} else replace(self.ask, stream=stream)
        extra = ask.extra
        if any(name in own for name in LIMITS):
            ask = replace(ask, max_tokens=None)
            extra = {name: value for name, value in extra.items() if name not in LIMITS}
        if "response_format" in own:
            ask = replace(ask, expects=None, choices=())
        return Builder(replace(ask, extra={**extra, **own}), self.endpoint, self.addresses)

    def again(self, request: Request, model: str) -> Request:
        """`request`, as it is now, for another model. Raises UsageError where that model rejects a parameter.

        A model of the same provider is asked at the same address, any other at its provider's own.
        """
        from llmcli.request.responses.thoughts import (  # here, since few are asked again
            is_thoughtful,
            thoughtless,
        )

        endpoint = self.addresses.beside(self.endpoint, argument(model))
        fields = dict(thoughtless(request).fields)
        limits = [fields.pop(name, None) for name in LIMITS]
        messages = fields.pop("messages")
        if request.choices:
            fields.pop("response_format", None)  # the other may not take it
        ask = Ask(
            parameters={name: value for name, value in fields.items() if name != "model"},
            max_tokens=next((limit for limit in limits if limit is not None), None),
            expects=request.expects,
            extract=request.extract,
            choices=request.choices,
            loops=is_thoughtful(request),
        )
        return build_request(messages, ask, endpoint, self.headers_to(endpoint))

    def warnings(self, today: date | None) -> list[str]:
        """What there is to be said of the model, once: parameters that it ignores, and that it is shut down.

        `today` None: nothing is sent to it, so its end does not matter.
        """
        provider = self.endpoint.provider
        ignored = ignored_parameters(provider, _parameters(self.ask, self.endpoint))
        said = [f"warning: {provider.name} takes {name} and ignores it" for name in ignored]
        model = find_model(provider.name, self.endpoint.model)
        if today is None or model is None or model.shutdown is None:
            return said
        days = (model.shutdown - today).days
        if days <= _NEAR:
            when = "was" if days < 0 else "will be"
            said.append(
                f"warning: {spelled(provider.name, self.endpoint.model)} {when} shut down on {model.shutdown}"
            )
        return said


def build_request(messages: Sequence[Message], ask: Ask, endpoint: Endpoint, headers: Headers) -> Request:
    """The request for messages at an endpoint, with the headers that go there.

    Raises UsageError where the messages are none, or the model is known to reject a parameter.
    """
    if not messages:
        raise UsageError("there is no message to send")
    parameters = _parameters(ask, endpoint)
    check_parameters(endpoint.provider, endpoint.model, parameters)
    if ask.choices and "response_format" not in parameters:
        from llmcli.request.schemas.choices import in_words  # here, since few requests have labels

        messages = in_words(messages, ask.choices)
    fields: Json = {"model": endpoint.model, "messages": list(messages), **parameters}
    if ask.stream and not (endpoint.api.name == RESPONSES and parameters.get("background") is True):
        fields["stream"] = True
        fields["stream_options"] = {"include_usage": True, **(parameters.get("stream_options") or {})}
    place = (endpoint.provider.name, endpoint.model, endpoint.base_url)
    beside = (ask.extract, headers, ask.choices)
    request = Request(*place, fields, ask.expects, endpoint.keys_of, *beside, api=endpoint.api)
    if request.api is CHAT:
        return request
    if ask.loops:
        from llmcli.request.responses.thoughts import (
            thoughtful,  # here, since few requests are part of a loop
        )

        request = thoughtful(request)
    request.body()  # what has no counterpart there is refused before anything is paid
    return request


def _parameters(ask: Ask, endpoint: Endpoint) -> Json:
    parameters = dict(ask.parameters)
    if ask.max_tokens is not None:
        parameters[max_tokens_field(endpoint.provider, endpoint.model, endpoint.own_address)] = ask.max_tokens
    if ask.response_format is not None:
        parameters["response_format"] = ask.response_format
    elif ask.choices and (response_format := _choice_format(ask, endpoint)) is not None:
        parameters["response_format"] = response_format
    if ask.tools:
        parameters["tools"] = list(ask.tools)
    if ask.tool_choice is not None and "tool_choice" not in ask.extra:
        tools = ask.extra.get("tools", ask.tools)
        if not tools:
            raise UsageError("without tools", todo="give them with --tools", flag="--tool-choice")
        parameters["tool_choice"] = parse_tool_choice(ask.tool_choice, tools)
    if "top_logprobs" in parameters:
        parameters.setdefault("logprobs", True)  # the API takes the one only with the other
    parameters.update(ask.extra)
    return parameters


def _choice_format(ask: Ask, endpoint: Endpoint) -> Json | None:
    from llmcli.request.schemas.choices import (  # here, since few requests have labels
        choice_format,
        takes_schema,
    )

    return choice_format(ask.choices) if takes_schema(endpoint) else None


def ask_of(request: RequestSettings, read: ReadStdin, env: Mapping[str, str], *, stream: bool) -> Ask:
    """What the settings say. Raises UsageError."""
    said = request.parameters().items()
    parameters = {name: argument(value) if isinstance(value, str) else value for name, value in said}
    if request.stop:
        parameters["stop"] = [argument(text) for text in request.stop]
    if request.logit_bias:
        parameters["logit_bias"] = parse_logit_bias(request.logit_bias)
    if request.metadata:
        parameters["metadata"] = dict(parse_pair(argument(text), "--metadata") for text in request.metadata)
    if request.modalities:
        parameters["modalities"] = [kind for text in request.modalities for kind in argument(text).split(",")]
    response_format, expects = _answer_format(request, read)
    return Ask(
        parameters=parameters,
        extra=dict(parse_option(argument(text)) for text in request.option),
        max_tokens=request.max_tokens,
        tools=_tools(request.tools, read),
        tool_choice=request.tool_choice,
        response_format=response_format,
        expects=expects,
        choices=request.labels,
        stream=stream,
        headers=_headers(request, env),
    )


def _tools(value: str | None, read: ReadStdin) -> Sequence[Json]:
    if value is None:
        return ()
    from llmcli.request.tools import load_tools  # here, since most requests have none

    return load_tools(value, read)


def _headers(request: RequestSettings, env: Mapping[str, str]) -> Headers:
    """The headers of the command line. Raises UsageError for a variable that is not set."""
    return typed_headers(request.header, env).over(_flag_headers(request))


def _flag_headers(request: RequestSettings) -> Headers:
    """The headers of flags that are sent as one."""
    said = ((name, argument(value)) for name, value in request.headers().items())
    return Headers.of([Header(name, value, value, typed=True) for name, value in said])


def _answer_format(request: RequestSettings, read: ReadStdin) -> tuple[Json | None, Json | None]:
    """(`response_format`, the schema that is expected), as --schema or --json-mode ask for them."""
    if request.schema is None:
        return ({"type": "json_object"} if request.json_mode else None), None
    from llmcli.request.schemas.schema import load_schema, response_format

    wanted = load_schema(request.schema, read)
    return response_format(wanted, strict=not request.no_strict, multi=request.schema_multi)
