"""Counts the prompt tokens of a Chat Completions body, before it is sent.

Source of the method: the OpenAI cookbook, "How to count tokens with tiktoken", which covers text
messages and flat tools of the gpt-3.5, gpt-4 and gpt-4o families. All else is an estimate, and says so.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from llmcli.lean.dataclass import dataclass
from llmcli.registry.providers import OPENAI
from llmcli.tokens.encodings import Encoder, base_model, encoding_for, load
from llmcli.tokens.harmony import Harmony, is_harmony
from llmcli.tokens.measure import Measure, measure_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmcli.wire import Json, Message

MARGIN = 1.6  # of an estimate: models count up to so many tokens where we count one (Chinese, code, tables)

PER_MESSAGE = 3  # <|start|>role<|message|>...<|end|>
PER_NAME = 1
REPLY = 3  # every reply is primed with <|start|>assistant<|message|>
REASONING_REPLY = 2  # an estimate: what responses of gpt-5 and o3 report, in which no <|message|> follows

FUNCTION = {"cl100k_base": 10, "o200k_base": 7}
PROPERTIES, PROPERTY, ENUM, ENUM_ITEM, TOOLS_END = 3, 3, -3, 3, 12

TOOL_CALL = 3  # an estimate, as are the next two
SCHEMA = 10
NAMED_CHOICE = 4

# No method was published for the chat format of reasoning models, nor for tools of these others.
UNPUBLISHED = ("o1", "o3", "o4", "gpt-5", "gpt-6")
UNPUBLISHED_TOOLS = (*UNPUBLISHED, "gpt-4.1", "gpt-4.5")

COVERED = {"role", "content", "name"}  # the keys of a message that the cookbook speaks of
TEXTS = {"role", "content"}  # those of nearly every message
UNSEEN = {"id", "tool_call_id", "type", "index"}  # the wire's own, not the model's
FLAT = {"type", "description", "enum"}  # the keys of a property that the cookbook speaks of
IGNORED = {"type", "description", "required", "additionalProperties", "properties"}  # of an object schema


@dataclass(frozen=True, slots=True)
class Count:
    """Prompt tokens; `exact` where the published method covers all of the body.

    `most` is what money is set aside for: an estimate's tokens with a margin.
    """

    tokens: int
    exact: bool
    most: int = field(default=0, compare=False)

    @property
    def margin(self) -> float:
        """How many times `tokens` is `most`: 1 for what is exact."""
        if self.exact or not self.tokens:
            return 1.0
        return MARGIN if self.most <= math.ceil(self.tokens * MARGIN) else round(self.most / self.tokens, 2)


def counted_request(provider: str, model: str, body: Mapping[str, Any]) -> Count:
    """Count the prompt tokens of `body` in the encoding of its model; exact where that is the model's own, too."""
    name, certain = encoding_for(provider, model)
    return _sure(count_request(body, load(name)), certain=certain)


def counted_measure(provider: str, model: str, measure: Measure) -> Count:
    """The tokens of a text alone, for a model, by what was measured of it."""
    exact = encoding_for(provider, model)[1]
    most = measure.size if measure.is_digits else _most(measure.tokens)
    return Count(measure.tokens, exact, measure.tokens if exact else most)


def _sure(count: Count, *, certain: bool) -> Count:
    exact = count.exact and certain
    return replace(count, exact=exact, most=count.tokens if exact else count.most)


def count_request(body: Mapping[str, Any], encoder: Encoder) -> Count:
    """Count the prompt tokens of `body`, in the encoding of its model.

    `exact` speaks of the method only: whether the encoding is the model's own, `encoding_for` says.
    What is not of the API's shape is for the API to refuse: it counts for as little as is sure.
    """
    return _tallied(body, encoder).count()


def prompt_tokens(body: Mapping[str, Any], encoder: Encoder) -> int:
    """The tokens of `count_request` alone, where nobody asks how sure they are."""
    return _tallied(body, encoder).tokens


def _tallied(body: Mapping[str, Any], encoder: Encoder) -> _Tally:
    tally = _Tally(encoder, str(body.get("model") or ""))
    if is_harmony(tally.model):
        tally.harmony(Harmony(body))
        return tally
    for message in _list(body.get("messages")):
        tally.message(message)
    tally.add(REASONING_REPLY if tally.model.startswith(UNPUBLISHED) else REPLY)
    if "tools" in body or "functions" in body:
        tally.tools([*_list(body.get("tools")), *map(_as_tool, _list(body.get("functions")))])
    if wanted := body.get("response_format"):
        tally.response_format(_dict(wanted))
    if choice := _dict(body.get("tool_choice")):
        tally.guess(NAMED_CHOICE)
        tally.strings(choice, covered=False)
    return tally


class _Tally:
    """A running count. `add` and `text` are certain, `guess` and `json` are not."""

    def __init__(self, encoder: Encoder, model: str) -> None:
        self.encoder = encoder
        self.model = base_model(model.removeprefix(f"{OPENAI}/"))  # as a gateway calls it
        self.tokens = 0
        self.texts: list[tuple[str, int]] = []  # and their tokens
        self.exact = not self.model.startswith(UNPUBLISHED)

    def add(self, tokens: int) -> None:
        self.tokens += tokens

    def count(self) -> Count:
        """The count; of texts of digits a token a byte may be meant, of the rest the margin."""
        digits = Measure()
        for text, tokens in self.texts:
            if (measure := measure_with(text, tokens)).is_digits:
                digits.add(measure)
        return Count(self.tokens, self.exact, digits.size + _most(self.tokens - digits.tokens))

    def text(self, text: str) -> None:
        tokens = self.encoder.count(text)
        self.tokens += tokens
        self.texts.append((text, tokens))

    def harmony(self, rendered: Harmony) -> None:
        for special, text in rendered.segments:
            self.add(special)
            self.text(text)
        for part in rendered.media:
            self.part(part)
        self.exact = self.exact and rendered.exact

    def guess(self, tokens: int) -> None:
        self.tokens += tokens
        self.exact = False

    def json(self, value: Any) -> None:
        self.guess(self.encoder.count(_compact(value)))

    def message(self, message: Message) -> None:
        self.tokens += PER_MESSAGE
        for key, value in _dict(message).items():
            if type(value) is str and key in TEXTS:
                self.text(value)
            elif key == "content":
                self.content(value)
            elif key == "tool_calls":
                self.tool_calls(_list(value))
            elif key not in UNSEEN:
                self.strings(value, covered=key in COVERED)
                self.add(PER_NAME if key == "name" and value else 0)
            elif key == "tool_call_id":
                self.guess(0)

    def content(self, content: Any) -> None:
        """Count a string, null, or a list of parts."""
        if not isinstance(content, list):
            self.strings(content, covered=True)
            return
        for part in content:
            self.part(_dict(part))
        if len(content) > 1:
            self.guess(0)  # how parts are joined is not published

    def part(self, part: Json) -> None:
        match part.get("type"):
            case "text":
                self.strings(part.get("text"), covered=True)
            case "image_url" | "input_audio" | "file":
                from llmcli.tokens.media import media_tokens  # here, since most requests have none

                self.guess(media_tokens(part, self.model))
            case _:
                self.strings(part, covered=False)

    def strings(self, value: Any, *, covered: bool) -> None:
        texts = [value] if isinstance(value, str) else list(_strings(value))
        for text in texts:
            self.text(text)
        if texts and not covered:
            self.guess(0)

    def tool_calls(self, calls: list[Json]) -> None:
        for call in calls:
            self.guess(TOOL_CALL)
            self.strings(call, covered=False)

    def tools(self, tools: list[Json]) -> None:
        if not tools:
            return
        for tool in tools:
            if function := _dict(_dict(tool).get("function")):
                self.function(function)
            else:
                self.json(tool)
        self.add(TOOLS_END)
        if self.model.startswith(UNPUBLISHED_TOOLS):
            self.guess(0)

    def function(self, function: Json) -> None:
        self.add(FUNCTION.get(self.encoder.name, FUNCTION["o200k_base"]))
        self.line(function.get("name") or "", function.get("description"))
        parameters = _dict(function.get("parameters"))
        self.properties(_dict(parameters.get("properties")))
        self.rest(parameters, IGNORED)

    def properties(self, properties: Json) -> None:
        if properties:
            self.add(PROPERTIES)
        for name, schema in properties.items():
            self.property(name, _dict(schema))

    def property(self, name: str, schema: Json) -> None:
        self.add(PROPERTY)
        if "enum" in schema:
            self.enum(_list(schema["enum"]))
        kind = schema.get("type")
        if not isinstance(kind, str):
            self.guess(0)
        self.line(f"{name}:{kind if isinstance(kind, str) else _compact(kind)}", schema.get("description"))
        if inner := _dict(schema.get("properties")):
            self.guess(0)
            self.properties(inner)
        self.rest(schema, IGNORED | FLAT)

    def enum(self, items: list[Any]) -> None:
        self.add(ENUM)
        for item in items:
            self.add(ENUM_ITEM)
            self.text(item if isinstance(item, str) else _compact(item))

    def line(self, name: str, description: Any) -> None:
        if not isinstance(description, str):
            self.guess(0)
            description = ""
        self.text(f"{name}:{description.removesuffix('.')}")

    def rest(self, schema: Json, known: set[str]) -> None:
        """Count as JSON what the published method does not speak of."""
        if unknown := {key: value for key, value in schema.items() if key not in known}:
            self.json(unknown)

    def response_format(self, wanted: Json) -> None:
        if wanted.get("type") == "json_schema":
            self.json(wanted.get("json_schema"))
            self.guess(SCHEMA)


def _most(tokens: int) -> int:
    return math.ceil(round(tokens * MARGIN, 6)) if tokens else 0


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _as_tool(function: Json) -> Json:
    """Make a tool of an element of `functions`, their older name."""
    return {"type": "function", "function": function}


def _strings(value: Any) -> Iterator[str]:
    """Each string in nested JSON that a model may see."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in UNSEEN:
                yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
