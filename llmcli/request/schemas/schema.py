"""Schemas: FILE, JSON or the short DSL to what is sent, and the check of what comes back."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llmcli import jsonl
from llmcli.errors import UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.lean.pattern import lazy_pattern
from llmcli.request.reading import ReadStdin, argument, load_json
from llmcli.request.schemas.strict import strictly
from llmcli.request.schemas.validation import validator
from llmcli.wire import Json

_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_DEFINITIONS = ("$defs", "definitions")
_AT_ROOT = [[key] for key in _DEFINITIONS]
_ITEM = "/properties/items/items"
_NAMED = {"properties", "patternProperties", "dependentSchemas", *_DEFINITIONS}  # maps of names to schemas
_DATA = {"enum", "const", "default", "examples"}
_QUOTED = 200  # characters
_HOLDING = (  # a schema, or a wrapping
    *("schema", "json_schema", "input_schema", "inputSchema", "parameters", "function"),
    *("format", "text", "response_format", "output_format", "output_config"),
)
_WRAPPINGS = {"json_schema", "function", "custom"}  # types of a wrapping
_BESIDE = {
    "type",
    "name",
    "title",
    "description",
    "strict",
    "annotations",
    "outputSchema",
    "cache_control",
    "_meta",
}
_ASKING = {
    *(
        "type",
        "enum",
        "const",
        "$ref",
        "$dynamicRef",
        "$recursiveRef",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
    ),
    *("properties", "patternProperties", "additionalProperties", "propertyNames", "required", "dependencies"),
    *("minProperties", "maxProperties", "dependentRequired", "dependentSchemas", "unevaluatedProperties"),
    *("items", "prefixItems", "additionalItems", "contains", "minItems", "maxItems", "uniqueItems"),
    *(
        "unevaluatedItems",
        "minLength",
        "maxLength",
        "pattern",
        "format",
        "contentEncoding",
        "contentMediaType",
    ),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "disallow", "extends"),
}
"""Keywords that some answer would not fit."""
_FIELD = lazy_pattern(r"(?P<name>[^\W\d][\w-]*)(?:\s+(?P<type>\w+))?\s*(?::(?P<description>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A schema, and what its wrapping says: the name, what it is for, and whether it is for strict mode."""

    schema: Json
    name: str = ""
    description: str = ""
    strict: bool = True


def load_schema(value: str, read_stdin: ReadStdin) -> Wanted:
    """`--schema FILE|JSON|DSL` to a JSON Schema that is valid. Raises UsageError."""
    text = value.strip()
    if text.startswith("{") or _names_a_file(text):
        wanted = unwrapped(load_json(text, "--schema", read_stdin))
        if isinstance(wanted.schema, dict) and not _ASKING & wanted.schema.keys():
            words = ", ".join(map(repr, wanted.schema)) or "{}"
            raise UsageError(
                f"--schema asks for nothing: {words[:_QUOTED]} is no keyword of JSON Schema that does",
                todo='e.g. {"type":"object","properties":{"name":{"type":"string"}}}',
            )
    else:
        wanted = Wanted(from_dsl(argument(text)))
    check_schema(wanted.schema, "--schema")
    return wanted


def unwrapped(data: Any) -> Wanted:
    """A schema out of what neighbours wrap it in: OpenAI's, Anthropic's and MCP's objects, tools included."""
    wanted = Wanted(data)
    while (inner := _inner(wanted.schema)) is not None:
        outer, said = wanted.schema, [wanted.name, wanted.description]
        name, description = (outer.get(key) or said[at] for at, key in enumerate(("name", "description")))
        is_strict = wanted.strict and outer.get("strict") is not False
        wanted = Wanted(inner, str(name), str(description), is_strict)
    return wanted


def _inner(data: Any) -> Json | None:
    """What a wrapping holds; None where it is none: all that it says must be said of a wrapping."""
    if not isinstance(data, dict) or data.get("type", "function") not in _WRAPPINGS:
        return None
    held = [key for key in _HOLDING if isinstance(data.get(key), dict)]
    if len(held) != 1 or not data.keys() - held <= _BESIDE:
        return None
    inner: Json = data[held[0]]
    return inner


def _names_a_file(text: str) -> bool:
    if text == "-" or text.startswith("@") or text.endswith(".json") or "\n" in text:
        return "\n" not in text
    try:
        path = Path(text)  # a FIFO is one, too: --schema <(command)
        return path.exists() and not path.is_dir()
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
        if match and match["name"] in properties:
            raise UsageError(f"--schema: {match['name']!r} is named twice", todo="names must differ")
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


def response_format(wanted: Wanted, *, strict: bool, multi: bool = False) -> tuple[Json, Json]:
    """The `response_format` that asks for answers that fit a schema, and the schema to check them with.

    `multi`: for a list of such answers. Raises UsageError where strict mode cannot take the schema.
    """
    schema, shown_from = wanted.schema, ""
    if multi:
        schema, shown_from = wrap_items(schema), _ITEM
        check_schema(schema, "--schema")  # which is deeper now
    strict = strict and wanted.strict
    title = wanted.name or schema.get("title") or "answer"
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", str(title))[:64] or "answer"
    sent: Json = {
        "name": name,
        "schema": strictly(schema, shown_from) if strict else schema,
        "strict": strict,
    }
    if wanted.description:
        sent["description"] = wanted.description
    return {"type": "json_schema", "json_schema": sent}, schema


def wrap_items(schema: Json) -> Json:
    """`--schema-multi`: an object whose `items` are instances of the schema.

    Its definitions move to the root, and what refers to its own root refers to the item.
    """
    inner = _moved(_without_own_name(schema, schema.get("$id")))
    inner.pop("$id", None)  # else the definitions would be looked for inside of it
    root: Json = {key: inner.pop(key) for key in ("$schema", *_DEFINITIONS) if key in inner}
    items = {"type": "array", "items": inner}
    return {"type": "object", "properties": {"items": items}, "required": ["items"], **root}


def _without_own_name(schema: Any, name: Any) -> Any:
    """The schema with what refers to its `$id` referring to its root."""
    if isinstance(schema, list):
        return [_without_own_name(item, name) for item in schema]
    if not isinstance(schema, dict) or not isinstance(name, str):
        return schema
    mapped = _mapped(schema, lambda part: _without_own_name(part, name))
    return {**mapped, "$ref": "#"} if mapped.get("$ref") == name else mapped


def _moved(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_moved(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    moved = _mapped(schema, _moved)
    ref = moved.get("$ref")
    if isinstance(ref, str) and (ref == "#" or ref.startswith("#/")) and ref.split("/")[1:2] not in _AT_ROOT:
        moved["$ref"] = f"#{_ITEM}{ref[1:]}"
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
