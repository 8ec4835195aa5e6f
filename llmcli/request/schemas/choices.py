"""What asks for one of some labels: an enum in a schema where the model takes one, else words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmcli.registry.models import find_model
from llmcli.request.endpoint import Endpoint
from llmcli.settings.labels import KEY, listed
from llmcli.wire import Json, Message


def takes_schema(endpoint: Endpoint) -> bool:
    """Whether a model is not known to do without `response_format`.

    Where a provider says what its models can do (servers of one's own do not), what it does not say is not there.
    """
    provider = endpoint.provider
    model = find_model(provider.name, endpoint.model)
    said = model.caps if model is not None and provider.key_required else frozenset[str]()
    lacks = model is not None and "response_schema" in model.lacks
    lacks = lacks or bool(said and "response_schema" not in said)
    return not lacks and "response_format" not in provider.rejected | provider.ignored


def choice_format(labels: Sequence[str]) -> Json:
    """The `response_format` that asks for one of the labels."""
    schema = {
        "type": "object",
        "properties": {KEY: {"type": "string", "enum": list(labels)}},
        "required": [KEY],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": KEY, "schema": schema, "strict": True}}


def labels_in(response_format: Any) -> list[str] | None:
    """The labels that a `response_format` of ours asks for; None where it is another."""
    try:
        labels = response_format["json_schema"]["schema"]["properties"][KEY]["enum"]
        return list(labels) if response_format == choice_format(labels) and labels else None
    except (KeyError, TypeError):
        return None


def in_words(messages: Sequence[Message], labels: Sequence[str]) -> list[Message]:
    """The messages with the last of the user's asking for one of the labels, in words."""
    words = f"Answer with exactly one of these labels and nothing else: {listed(labels)}"
    at = next((i for i in reversed(range(len(messages))) if messages[i].get("role") == "user"), None)
    if at is None:
        return [*messages, {"role": "user", "content": words}]
    return [*messages[:at], _added(messages[at], words), *messages[at + 1 :]]


def _added(message: Message, words: str) -> Message:
    content = message.get("content")
    if isinstance(content, list):
        part = {"type": "text", "text": words}
        return message if part in content else {**message, "content": [*content, part]}
    text = str(content or "")
    return message if text.endswith(words) else {**message, "content": f"{text}\n\n{words}".lstrip("\n")}
