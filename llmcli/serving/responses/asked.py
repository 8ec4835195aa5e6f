"""A body of the Responses API as the fields of Chat Completions, or what it asks for that those cannot say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from llmcli.errors import UsageError
from llmcli.request.responses.read import fields_of_body
from llmcli.responses.names import ENCRYPTED, LOGPROBS, ONLY_FIELDS
from llmcli.wire import Json

_ITSELF = frozenset({"input", "instructions", "include", "text", "reasoning", "max_output_tokens"})
_NOTHING = {"background": (False,), "truncation": ("disabled", "auto")}  # values that ask for nothing of us
_OURS = frozenset({LOGPROBS, ENCRYPTED})  # of `include`: the one is made, the other need not be
_TOOLS = ("function", "custom")  # a tuple, since what a client says may be anything
_UNTOLD = ("reasoning",)  # items that no message has, and that say nothing to another model
_WAYS = (
    ("pydantic-ai/", "name the model openai-chat:NAME"),
    ("Agents/Python", 'set_default_openai_api("chat_completions")'),
    ("Agents/JavaScript", 'setOpenAIAPI("chat_completions")'),
    ("ai-sdk/", "openai.chat(NAME)"),
    ("ai/", "openai.chat(NAME)"),
    ("OpenAI/", "client.chat.completions"),
    ("AsyncOpenAI/", "client.chat.completions"),
)
"""How each client asks Chat Completions instead, by what its User-Agent holds."""
_MOST_KEPT = 10_000  # items of answers, which clients may name by their id later


class KeptItems:
    """The items of the last answers by their id: a client that takes us to keep them names them so."""

    def __init__(self) -> None:
        self._items: dict[str, Json] = {}

    def keep(self, items: Iterable[Json]) -> None:
        """Keep these, the oldest ones no longer."""
        self._items |= {item["id"]: item for item in items}
        while len(self._items) > _MOST_KEPT:
            del self._items[next(iter(self._items))]

    def named(self, item: Any) -> Any:
        """The item that a reference names; anything else as it is. Raises UsageError."""
        if not isinstance(item, dict) or item.get("type") != "item_reference":
            return item
        identity = str(item.get("id"))
        if identity not in self._items:
            raise UsageError(
                f"no answer that is remembered here has an item {identity}", todo="send the item itself"
            )
        return self._items[identity]


def chat_fields(body: Json, agent: str, kept: KeptItems) -> Json:
    """The fields of Chat Completions that ask the same. Raises UsageError naming what has no counterpart.

    `agent`: the client's User-Agent.
    """
    said = {name: value for name, value in body.items() if value is not None}
    if (lacking := next(_lacking(said), None)) is not None:
        what = f"{lacking} has no counterpart here: answers are not kept, and tools are the client's"
        raise UsageError(what, todo=f"drop it, or ask with Chat Completions ({_way(agent)})")
    if isinstance(given := said.get("input"), list):
        said["input"] = [item for item in map(kept.named, given) if not _is_untold(item)]
    fields = fields_of_body(said)
    fields.pop("stream_options", None)
    return {name: value for name, value in fields.items() if name not in ONLY_FIELDS}


def _lacking(said: Json) -> Iterator[str]:
    for name in sorted(said.keys() & (ONLY_FIELDS - _ITSELF)):
        if said[name] not in _NOTHING.get(name, ()):
            yield name
    yield from (f"include {what}" for what in _list(said, "include") if str(what) not in _OURS)
    for tool in _list(said, "tools"):
        if isinstance(tool, dict) and tool.get("type") not in _TOOLS:
            yield f"the hosted tool {tool.get('type')}"


def _list(said: Json, name: str) -> list[Any]:
    value = said.get(name, [])
    if not isinstance(value, list):
        raise UsageError(f"{name} is a JSON array")
    return value


def _way(agent: str) -> str:
    found = (way for name, way in _WAYS if name in agent)
    return next(found, "POST /v1/chat/completions")


def _is_untold(item: object) -> bool:
    return isinstance(item, dict) and item.get("type") in _UNTOLD
