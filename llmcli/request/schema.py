"""Schemas: FILE, JSON or the short DSL to what is sent, and the check of what comes back."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llmcli import jsonl
from llmcli.errors import UsageError
from llmcli.request.prompt import ReadStdin, argument
from llmcli.request.tools import load_json
from llmcli.request.validation import validator
from llmcli.wire import Json

_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_DEFINITIONS = ("$defs", "definitions")
_AT_ROOT = [[key] for key in _DEFINITIONS]
_NAMED = {"properties", "patternProperties", "dependentSchemas", *_DEFINITIONS}  # maps of names to schemas
_DATA = {"enum", "const", "default", "examples"}
_QUOTED = 200  # characters
_FIELD = re.compile(r"(?P<name>[^\W\d][\w-]*)(?:\s+(?P<type>\w+))?\s*(?::(?P<description>.*))?", re.DOTALL)


def load_schema(value: str, read_stdin: ReadStdin) -> Json:
    """`--schema FILE|JSON|DSL` to a JSON Schema that is valid. Raises UsageError."""
    text = value.strip()
    if text.startswith("{") or _names_a_file(text):
        schema = load_json(text, "--schema", read_stdin)
    else:
        schema = from_dsl(argument(text))
    check_schema(schema, "--schema")
    return dict(schema)


def _names_a_file(text: str) -> bool:
    if text == "-" or text.startswith("@") or text.endswith(".json") or "\n" in text:
        return "\n" not in text
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def from_dsl(text: str) -> Json:
    """Llm's schema DSL: `name, age int, bio: one line`, fields cut at newlines where there are any, else commas.

    Types are str (the default), int, float and bool. Raises UsageError naming the field.
    """
    separator = "\n" if "\n" in text.strip() else ","
    properties: Json = {}
    for field in (part.strip() for part in text.split(separator)):
        if not field:
            continue
        match = _FIELD.fullmatch(field)
        kind = match and (match["type"] or "str")
        if match is None or kind not in _TYPES:
            raise UsageError(
                f": {field!r} is no field",
                todo="write NAME [str|int|float|bool][: description], or name a file",
                flag="--schema",
            )
        properties[match["name"]] = {"type": _TYPES[kind]}
        if description := (match["description"] or "").strip():
            properties[match["name"]]["description"] = description
    if not properties:
        raise UsageError("is empty", todo="e.g. --schema 'name, age int'", flag="--schema")
    return {"type": "object", "properties": properties, "required": list(properties)}


def check_schema(schema: Any, where: str) -> None:
    """Raise UsageError where a schema is not valid, or not an object at all."""
    if not isinstance(schema, dict):
        raise UsageError(f"{where} is no JSON Schema: it must be an object")
    try:
        validator(jsonl.dumps(schema))
    except ValueError as error:  # all that jsonschema_rs raises are such
        path = "".join(f"/{part}" for part in getattr(error, "instance_path", []))
        reason = getattr(error, "message", None) or str(error).splitlines()[0]
        raise UsageError(
            f"{where} is no valid JSON Schema: {f'{path}: ' if path else ''}{reason}", todo="mend the schema"
        ) from None


def response_format(schema: Json, *, strict: bool) -> Json:
    """The `response_format` that asks for answers that fit the schema."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", str(schema.get("title") or "answer"))[:64] or "answer"
    sent = strictly(schema) if strict else schema
    return {"type": "json_schema", "json_schema": {"name": name, "schema": sent, "strict": strict}}


_OPEN = {"allOf", "anyOf", "oneOf", "if", "$ref", "patternProperties", "propertyNames", "minProperties"}
"""Words that have properties said elsewhere: an object with them is not closed, or nothing would fit it."""


def strictly(schema: Any) -> Any:
    """The schema with what strict mode demands: every object closed, every property required.

    Source: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
    """
    if isinstance(schema, list):
        return [strictly(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = _mapped(schema, strictly)
    if isinstance(schema.get("properties"), dict):
        closed["additionalProperties"] = False
        closed["required"] = list(schema["properties"])
    elif schema.get("type") == "object" and not _OPEN & schema.keys():
        closed.setdefault("additionalProperties", False)
    return closed


def wrap_items(schema: Json) -> Json:
    """`--schema-multi`: an object whose `items` are instances of the schema.

    Its definitions move to the root, and what refers to its own root refers to the item.
    """
    inner = _moved(schema)
    inner.pop("$id", None)  # else the definitions would be looked for inside of it
    root: Json = {key: inner.pop(key) for key in ("$schema", *_DEFINITIONS) if key in inner}
    items = {"type": "array", "items": inner}
    return {"type": "object", "properties": {"items": items}, "required": ["items"], **root}


def _moved(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_moved(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    moved = _mapped(schema, _moved)
    ref = moved.get("$ref")
    if isinstance(ref, str) and (ref == "#" or ref.startswith("#/")) and ref.split("/")[1:2] not in _AT_ROOT:
        moved["$ref"] = "#/properties/items/items" + ref[1:]
    return moved


def _mapped(schema: Json, change: Callable[[Any], Any]) -> Json:
    """The schema with every schema inside it changed; what is data, and the names of properties, stay."""
    return {
        key: {name: change(part) for name, part in value.items()}
        if key in _NAMED and isinstance(value, dict)
        else value
        if key in _DATA
        else change(value)
        for key, value in schema.items()
    }


def problem(instance: Any, schema: Json) -> str | None:
    """Why `instance` does not fit: the path and reason of the first violation, or None."""
    checker = validator(jsonl.dumps(schema))
    try:
        error = next(checker.iter_errors(instance), None)
    except ValueError as reason:  # half a surrogate pair, or brackets too deep for the checker
        return f"it cannot be checked: {reason}"
    if error is None:
        return None
    path = "".join(f"/{part}" for part in error.instance_path)
    return f"{path}: {_short(error.message)}" if path else _short(error.message)


def _short(reason: str) -> str:
    """A reason that quotes a long value, without its middle."""
    return reason if len(reason) <= 2 * _QUOTED else f"{reason[:_QUOTED]}...{reason[-_QUOTED:]}"
