r"""Grammar: a schema in words that llama.cpp's grammar enforces; of what it cannot it is not told: we judge that.

A pattern with a class like `\d`, or without both anchors, it takes for any string, and says so on our stderr; a schema
that is `true` it refuses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llmcli.lean.pattern import lazy_pattern

_OF_SCHEMAS = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
_LISTS = {"anyOf", "oneOf", "allOf", "prefixItems"}
_SCHEMAS = {"items", "not", "contains", "propertyNames", "if", "then", "else"}
_CLASSES = {"d": "0-9", "w": "a-zA-Z0-9_", "s": " "}
_NEVER = r'"\\\x00-\x1f'  # in a class: what JSON wants escaped, which a grammar would let through as it is
_UNKNOWN = lazy_pattern(r'"|[^\x20-\x7e]|\\[^dws.\-/$^*+?()\[\]{}|]|\(\?|[*+?}][?+]')  # with no counterpart
_PIECE = lazy_pattern(r"\\(.)|\[\^?\]?(?:\\.|[^\]\\])*\]|[\^$.]", re.DOTALL)


def for_grammar(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request, the schemas in them as the grammar takes them."""
    sent = dict(fields)
    wanted = fields.get("response_format")
    if isinstance(wanted, dict) and isinstance(form := wanted.get("json_schema"), dict) and "schema" in form:
        sent["response_format"] = {**wanted, "json_schema": {**form, "schema": _schema(form["schema"])}}
    if isinstance(tools := fields.get("tools"), list):
        sent["tools"] = [_tool(tool) for tool in tools]
    return sent


def _tool(tool: Any) -> Any:
    if not isinstance(tool, dict) or not isinstance(function := tool.get("function"), dict):
        return tool
    if "parameters" not in function:
        return tool
    return {**tool, "function": {**function, "parameters": _schema(function["parameters"])}}


def _schema(schema: Any) -> Any:
    if schema is True:
        return {}
    if not isinstance(schema, dict):
        return schema
    taken = {key: _value(key, value) for key, value in schema.items()}
    if isinstance(pattern := schema.get("pattern"), str):
        del taken["pattern"]
        if (known := enforced(pattern)) is not None:
            taken["pattern"] = known
    return taken


def _value(key: str, value: Any) -> Any:
    if key in _OF_SCHEMAS and isinstance(value, dict):
        return {name: _schema(each) for name, each in value.items()}
    if key in _LISTS and isinstance(value, list):
        return [_schema(each) for each in value]
    return _schema(value) if key in _SCHEMAS else value


def enforced(pattern: str) -> str | None:
    """A pattern of which each match is one of `pattern`, in classes of the grammar; None where there is none.

    One without both anchors has none: until it is met, the grammar would let no answer end.
    """
    if not pattern.startswith("^") or not pattern.endswith("$") or _UNKNOWN.search(pattern):
        return None
    body = pattern[1:-1]
    if not body or _is_choice(body) or any(found[0] in "^$\\" for found in _PIECE.finditer(body)):
        return None
    return f"^{_PIECE.sub(_plain, body)}$"


def _is_choice(body: str) -> bool:
    """Whether there is a `|` outside of all groups: then an anchor is of one branch alone."""
    depth = 0
    for character in _PIECE.sub("", body):
        depth += (character == "(") - (character == ")")
        if character == "|" and not depth:
            return True
    return False


def _plain(found: re.Match[str]) -> str:
    """A class in its characters, of which none is JSON's own."""
    text = found[0]
    if text == ".":
        return f"[^{_NEVER}]"
    if text.startswith("["):
        inner = re.sub(r"\\([dws])", lambda short: _CLASSES[short[1]], text[1:-1])
        return f"[{inner}{_NEVER}]" if inner.startswith("^") else f"[{inner}]"
    return f"[{_CLASSES[found[1]]}]" if found[1] in _CLASSES else text.replace("\\/", "/")
