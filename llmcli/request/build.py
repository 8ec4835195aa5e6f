"""The one request builder: what the user said (an Ask) at an Endpoint -> a frozen Request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llmcli.errors import UsageError
from llmcli.request.endpoint import Endpoint
from llmcli.request.params import check_parameters, max_tokens_field, parse_tool_choice
from llmcli.wire import Json, Message, Request


@dataclass(frozen=True, slots=True)
class Ask:
    """What the user said, model and address aside.

    `parameters`: API fields as flags gave them; `extra`: those of `-o`, which win. `max_tokens` is the
    limit of `-M`, whatever the model calls it. `tool_choice` is as typed. `expects` is the JSON Schema that the
    answer is checked against; `extract`: only the first code block of an answer counts.
    """

    messages: Sequence[Message]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    max_tokens: int | None = None
    response_format: Json | None = None
    expects: Json | None = None
    tools: Sequence[Json] = ()
    tool_choice: str | None = None
    stream: bool = False
    extract: bool = False


def build_request(ask: Ask, endpoint: Endpoint) -> Request:
    """The request that `ask` is at `endpoint`; only what was asked for is in it.

    Raises UsageError where the messages are none, or the model is known to reject a parameter.
    """
    if not ask.messages:
        raise UsageError("there is no message to send")
    parameters = _parameters(ask, endpoint)
    check_parameters(endpoint.provider, endpoint.model, parameters)
    fields: Json = {"model": endpoint.model, "messages": list(ask.messages), **parameters}
    if ask.stream:
        fields["stream"] = True
        fields["stream_options"] = {"include_usage": True, **(parameters.get("stream_options") or {})}
    place = (endpoint.provider.name, endpoint.model, endpoint.base_url)
    return Request(*place, fields, ask.expects, endpoint.keys_of, ask.extract)


def _parameters(ask: Ask, endpoint: Endpoint) -> Json:
    parameters = dict(ask.parameters)
    if ask.max_tokens is not None:
        parameters[max_tokens_field(endpoint.provider, endpoint.model, endpoint.own_address)] = ask.max_tokens
    if ask.response_format is not None:
        parameters["response_format"] = ask.response_format
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
