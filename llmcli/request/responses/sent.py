"""A request, whose fields are those of Chat Completions, as the body that the Responses API takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llmcli.errors import UsageError
from llmcli.registry.providers import find_provider, provider_of_url
from llmcli.request.responses.items import items_of, no_counterpart
from llmcli.responses.names import LACKING_FIELDS, LOGPROBS, MOVED_FIELDS, RESPONSES
from llmcli.wire import Api, Json, Request

_REFUSALS = "refusals"  # of the table of providers: a refusal goes back as one
_BESIDE = (
    "response_format"  # the form of an answer is obeyed only where it stands as on Chat Completions, too
)


def responses_body(request: Request) -> Json:
    """The body for /responses. Raises UsageError naming what has no counterpart.

    `store` is false unless asked for, and `stream` is always said: there, and at some servers, both are on else.
    """
    fields = {name: value for name, value in request.fields.items() if value is not None}
    if lacking := [name for name in fields if name in LACKING_FIELDS]:
        raise no_counterpart(", ".join(lacking))
    if "input" in fields:
        raise UsageError("input is made of the messages", todo="give a PROMPT, -s, or --messages")
    quirks = _quirks(request)
    items = items_of(fields.pop("messages"), refusals=_REFUSALS in quirks)
    body: Json = {"model": fields.pop("model", request.model), "input": items}
    body |= {
        name: fields.pop(name) for name in list(fields) if name not in MOVED_FIELDS.keys() | _RESHAPE.keys()
    }
    for name, value in fields.items():
        if name in MOVED_FIELDS:
            _put(body, MOVED_FIELDS[name], value, name)
        else:
            _RESHAPE[name](body, value)
    if "text" in body and isinstance(body["text"], dict):
        body["text"].setdefault("format", {"type": "text"})
    if _BESIDE in quirks and _BESIDE in fields:
        body[_BESIDE] = fields[_BESIDE]
    return {**body, "stream": bool(body.get("stream")), "store": body.get("store", False)}


RESPONSES_API = Api(RESPONSES, RESPONSES, responses_body)


def _quirks(request: Request) -> frozenset[str]:
    """What is known of the server's Responses API, where it is the provider's own."""
    provider, owner = find_provider(request.provider), provider_of_url(request.base_url)
    if provider is None or not (provider.is_anywhere or owner is provider):
        return frozenset()
    return provider.responses


def _put(body: Json, path: tuple[str, ...], value: Any, name: str) -> None:
    """Put a value where it stands there. Raises UsageError where something else stands there already."""
    place, key = body, path[-1]
    for step in path[:-1]:
        inner = place.get(step)
        place[step] = dict(inner) if isinstance(inner, dict) else {}
        place = place[step]
    if place.get(key, value) != value:
        raise UsageError(f"{name} and {'.'.join(path)} exclude each other", todo="drop one of them")
    place[key] = value


def _response_format(body: Json, value: Json) -> None:
    inner = value.get("json_schema")
    flat = {"type": value.get("type"), **(inner if isinstance(inner, dict) else {})}
    _put(body, ("text", "format"), flat, "response_format")


def _tools(body: Json, tools: list[Json]) -> None:
    body["tools"] = [*map(_tool, tools), *body.get("tools", [])]


def _tool(tool: Json) -> Json:
    """A tool, flat. What is not said of `strict` is not false there, so it is said; parameters have to be."""
    kind = tool.get("type")
    if kind == "function":
        inner = tool["function"]
        parameters = inner.get("parameters") or {"type": "object", "properties": {}}
        return {"type": kind, **inner, "parameters": parameters, "strict": bool(inner.get("strict"))}
    if kind != "custom":
        return tool
    inner = dict(tool["custom"])
    form = inner.get("format")
    if isinstance(form, dict) and isinstance(form.get("grammar"), dict):
        inner["format"] = {"type": form.get("type"), **form["grammar"]}
    return {"type": kind, **inner}


def _tool_choice(body: Json, choice: Any) -> None:
    body["tool_choice"] = _flat(choice) if isinstance(choice, dict) else choice


def _flat(choice: Json) -> Json:
    inner = choice.get(str(choice.get("type")))
    if not isinstance(inner, dict):
        return choice
    tools = (
        {"tools": [_flat(tool) for tool in inner["tools"]]} if isinstance(inner.get("tools"), list) else {}
    )
    return {"type": choice["type"], **inner, **tools}


def _logprobs(body: Json, value: Any) -> None:
    if value:
        include(body, LOGPROBS)


def include(body: Json, what: str) -> None:
    """Ask for something beside the answer."""
    said = body.get("include")
    said = said if isinstance(said, list) else []
    body["include"] = said if what in said else [*said, what]


def _stream_options(body: Json, options: Json) -> None:
    """Usage always comes: there is no asking for it."""
    if rest := {name: value for name, value in options.items() if name != "include_usage"}:
        body["stream_options"] = rest


def _web_search(body: Json, options: Json) -> None:
    place = options.get("user_location")
    tool = {"type": "web_search", **options}
    if isinstance(place, dict) and isinstance(place.get("approximate"), dict):
        tool["user_location"] = {"type": "approximate", **place["approximate"]}
    body["tools"] = [*body.get("tools", []), tool]


_RESHAPE: dict[str, Callable[[Json, Any], None]] = {
    "response_format": _response_format,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "logprobs": _logprobs,
    "stream_options": _stream_options,
    "web_search_options": _web_search,
}
