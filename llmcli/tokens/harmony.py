"""The prompt of gpt-oss models in the harmony format, as the texts that its tokens are counted in.

Source: OpenAI's openai-harmony, whose rendering the tests were made from. What it renders but servers render
each in a way of their own (calls and their results, names, several system messages, nested schemas, response
formats) is an estimate.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SYSTEM = (
    "You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06\n"
    # All efforts have as many tokens. The line with the date is not here: servers put it in, or not.
    "\nReasoning: medium\n\n"
    "# Valid channels: analysis, commentary, final. Channel must be included for every message."
)
_CALLS = "\nCalls to these tools must go to the commentary channel: 'functions'."
_TYPES = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean", "null": "null"}
_FLAT = {"type", "description", "enum", "items", "default"}  # of a property
_OBJECT = {"type", "properties", "required", "additionalProperties", "$schema"}  # of a tool's parameters

Segment = tuple[int, str]
"""Special tokens, and the text between two of them."""


def is_harmony(model: str) -> bool:
    """Whether a model speaks harmony, under whatever name a server has it."""
    return "gpt-oss" in model.lower()


class Harmony:
    """A request, rendered: `segments`, and whether they are what every server sends to the model (`exact`)."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.exact = not body.get("response_format") and not isinstance(body.get("tool_choice"), dict)
        self.media: list[Any] = []  # parts that are no text
        tools = [
            tool["function"] for tool in _dicts(body.get("tools")) if isinstance(tool.get("function"), dict)
        ]
        self.exact &= len(tools) == len(_list(body.get("tools"))) and not body.get("functions")
        messages = _dicts(body.get("messages"))
        instructions = [self._text(one) for one in messages if one.get("role") in {"system", "developer"}]
        self.exact &= len(instructions) < 2
        self.segments: list[Segment] = [(3, "system"), (0, _SYSTEM + _CALLS * bool(tools))]
        self._developer("\n\n".join(instructions), tools)
        for message in messages:
            self._message(message)
        self.segments.append((1, "assistant"))  # <|start|>assistant, which is to go on
        if (wanted := body.get("response_format")) is not None:
            self.segments.append((0, _compact(wanted)))

    def _developer(self, instructions: str, tools: list[Any]) -> None:
        parts = [f"# Instructions\n\n{instructions}"] if instructions else []
        parts += [
            "# Tools\n\n## functions\n\nnamespace functions {\n\n" + "".join(map(self._tool, tools))
        ] * bool(tools)
        if parts:
            end = "} // namespace functions" * bool(tools)
            self.segments += [(3, "developer"), (0, "\n\n".join(parts) + end)]

    def _message(self, message: Mapping[str, Any]) -> None:
        role = message.get("role")
        self.exact &= role in {"system", "developer", "user", "assistant"} and not message.get("name")
        if role == "user":
            self.segments += [(3, "user"), (0, self._text(message))]
        elif role == "assistant":
            self._answer(message)
        elif role in {"tool", "function"}:
            self.segments += [(4, "functions.x to=assistant"), (0, "commentary"), (0, self._text(message))]

    def _answer(self, message: Mapping[str, Any]) -> None:
        text = self._text(message)
        if text:
            self.segments += [(4, "assistant"), (0, "final"), (0, text)]
        for call in _dicts(message.get("tool_calls")):
            self.exact = False
            inner = call.get("function") or {}
            self.segments += [
                (5, f"assistant to=functions.{inner.get('name')}"),
                (0, "commentary "),
                (0, " json"),
                (0, str(inner.get("arguments") or "")),
            ]

    def _text(self, message: Mapping[str, Any]) -> str:
        content = message.get("content")
        if not isinstance(content, list):
            return content if isinstance(content, str) else ""
        parts = _dicts(content)
        self.exact &= len(parts) < 2
        self.media += [part for part in parts if part.get("type") != "text"]
        return "".join(str(part.get("text") or "") for part in parts if part.get("type") == "text")

    def _tool(self, function: Mapping[str, Any]) -> str:
        """A tool as a TypeScript type."""
        schema = function.get("parameters")
        head = f"{_comment(function.get('description'))}type {function.get('name')} = ("
        if not isinstance(schema, dict):
            return f"{head}) => any;\n\n"
        self.exact &= not schema.keys() - _OBJECT
        return f"{head}_: {{\n{''.join(self._properties(schema))}}}) => any;\n\n"

    def _properties(self, schema: Mapping[str, Any]) -> Iterator[str]:
        required = _list(schema.get("required"))
        properties = schema.get("properties")
        for name, given in properties.items() if isinstance(properties, dict) else ():
            inner = given if isinstance(given, dict) else {}
            self.exact &= not inner.keys() - _FLAT
            default = f" // default: {self._default(inner)}" if "default" in inner else ""
            optional = "" if name in required else "?"
            about = (
                f"// {text}\n" if (text := inner.get("description")) else ""
            )  # one mark, whatever its lines
            yield f"{about}{name}{optional}: {self._type(inner)},{default}\n"

    def _default(self, schema: Mapping[str, Any]) -> str:
        value = schema["default"]
        return value if isinstance(value, str) and "enum" in schema else _compact(value)

    def _type(self, schema: Mapping[str, Any]) -> str:
        kind, labels = schema.get("type"), schema.get("enum")
        if isinstance(kind, list):
            self.exact &= all(one in _TYPES for one in kind)
            return " | ".join(_TYPES.get(one, "any") for one in kind if isinstance(one, str))
        if isinstance(labels, list) and kind == "string":
            return " | ".join(_compact(label) for label in labels)
        if kind == "array" and isinstance(schema.get("items"), dict):
            return f"{self._type(schema['items'])}[]"
        if kind in _TYPES:
            self.exact &= labels is None
            return _TYPES[str(kind)]
        self.exact = False
        return _compact(schema)


def _comment(text: Any) -> str:
    lines = text.split("\n") if isinstance(text, str) and text else []
    return "".join(f"// {line}\n" for line in lines)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dicts(value: Any) -> list[Any]:
    return [item for item in _list(value) if isinstance(item, dict)]
