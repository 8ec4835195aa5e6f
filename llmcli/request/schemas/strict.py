"""Strict mode: a schema rewritten so that strict structured outputs take it, or the word that they cannot take.

What they take is https://platform.openai.com/docs/guides/structured-outputs#supported-schemas: every object is
closed and every property required. An optional property is sent as nullable, and null is taken for absent when
the answer is read. A word that only narrows (`minLength`) goes into the description: it is checked here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llmcli import jsonl
from llmcli.errors import UsageError
from llmcli.lean.pattern import lazy_pattern
from llmcli.request.schemas.pointers import Clash, escaped, found, merged, pointer_of
from llmcli.wire import Json

_KEPT = (
    "title",
    "description",
    "pattern",
    "format",
    "multipleOf",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
)
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
_LOOKS_AROUND = lazy_pattern(r"\(\?<?[=!]|\\[1-9]")  # which no grammar can follow
_TOLD = (  # they only narrow: the model is told of them, and the answer is checked for them here
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "propertyNames",
    "dependentRequired",
    "not",
    "contentEncoding",
    "contentMediaType",
)
_NEVER = ("if", "then", "else", "dependentSchemas", "dependencies", "$dynamicRef", "$recursiveRef")
_IDLE = {
    "default",
    "examples",
    "example",
    "title",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$comment",
    "nullable",
}
_OF_THE_ROOT = ("$schema", "$id", "$defs", "definitions")
_BY_WORD = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "propertyNames"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "string": ("pattern", "format", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_KIND = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
_NULL: Json = {"type": "null"}
_MOST = 5_000  # schemas written; from then on nothing is written twice

_Path = tuple[str, ...]


def strictly(schema: Json, shown_from: str = "") -> Json:
    """The schema as strict mode takes it. Raises UsageError naming the path and the keyword that it cannot take.

    `shown_from` is the pointer that the user's own schema begins at.
    """
    return _Rewriting(schema, shown_from).whole()


class _Rewriting:
    """One schema on its way into strict mode. Definitions are written when something refers to them."""

    def __init__(self, root: Json, shown_from: str) -> None:
        self._root = root
        self._shown_from = shown_from
        self._names: dict[str, str] = {}  # of definitions, by pointer
        self._definitions: dict[str, Json] = {}
        self._written = 0

    def whole(self) -> Json:
        """The root, which must be an object, and the definitions that it needs."""
        root, open_refs = _without(self._root, *_OF_THE_ROOT), frozenset[str]()
        while isinstance(root.get("$ref"), str) and root["$ref"] not in open_refs:
            open_refs |= {root["$ref"]}
            target = self._target(root["$ref"], ())
            root = _without(self._merged([target, _without(root, "$ref")], ()), *_OF_THE_ROOT)
        word = next((word for word in ("anyOf", "oneOf") if isinstance(root.get(word), list)), None)
        if word and all(_only_requires(part) for part in root[word]):
            root, word = _without(root, word), None  # which properties go together is checked here
        if word:
            raise self._cannot((), word, "the root must be one object")
        written = self._schema(root, (), open_refs)
        if "object" not in _kinds(written.get("type")):
            raise self._cannot((), "anyOf" if "anyOf" in written else "type", "the root must be one object")
        written["type"] = "object"
        return {**written, **({"$defs": self._definitions} if self._definitions else {})}

    def _schema(self, schema: Any, at: _Path, open_refs: frozenset[str]) -> Json:
        """One schema, and all in it. `open_refs` are the references that it stands in the place of."""
        self._written += 1
        if not isinstance(schema, dict):
            raise self._cannot(at, str(schema).lower(), "it says nothing of the value")
        if isinstance(schema.get("$ref"), str):
            return self._reference(schema, at, open_refs)
        if isinstance(schema.get("allOf"), list):
            return self._intersection(schema, at, open_refs)
        for word in _NEVER:
            if word in schema:
                raise self._cannot(at, word, "no such condition can be said")
        for word in ("anyOf", "oneOf"):
            if isinstance(schema.get(word), list):
                return self._union(schema, word, at, open_refs)
        return self._plain(schema, at, open_refs)

    def _reference(self, schema: Json, at: _Path, open_refs: frozenset[str]) -> Json:
        """A reference that stands alone; one with words beside it becomes what it refers to."""
        ref = schema["$ref"]
        beside = {key: value for key, value in schema.items() if key not in {*_IDLE, "$ref"}}
        if not beside or ref in open_refs or self._written > _MOST:
            return {"$ref": self._named(ref, at)}
        return self._schema(self._merged([self._target(ref, at), beside], at), at, open_refs | {ref})

    def _intersection(self, schema: Json, at: _Path, open_refs: frozenset[str]) -> Json:
        parts = []
        for part in schema["allOf"]:
            ref = part.get("$ref") if isinstance(part, dict) else None
            if isinstance(ref, str):
                if ref in open_refs or self._written > _MOST:
                    raise self._cannot(at, "allOf", "it contains itself")
                open_refs |= {ref}
                part = self._merged([self._target(ref, at), _without(part, "$ref")], at)  # noqa: PLW2901 - the same
            parts.append(part)
        return self._schema(self._merged([*parts, _without(schema, "allOf")], at), at, open_refs)

    def _union(self, schema: Json, word: str, at: _Path, open_refs: frozenset[str]) -> Json:
        """Alternatives; what stands beside them holds for each."""
        rest = _without(schema, word, *_IDLE, "description", "discriminator")
        written = [
            self._schema({"allOf": [rest, part]} if rest else part, (*at, word, str(index)), open_refs)
            for index, part in enumerate(schema[word])
        ]
        return {**_only(schema, "title", "description"), "anyOf": written}

    def _plain(self, schema: Json, at: _Path, open_refs: frozenset[str]) -> Json:
        """A schema of one type, or of several that are named."""
        kind = schema["type"] if "type" in schema else _kind_of(schema)
        if not kind:
            reason = "it says nothing of the value"
            raise self._cannot(at, next((word for word in ("not",) if word in schema), "type"), reason)
        kinds = _kinds(kind)
        written: Json = {"type": kind, **_only(schema, "enum", "const")}
        for value in [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())]:
            if type(value) not in _KIND:
                raise self._cannot(
                    at, "enum" if "enum" in schema else "const", "only texts and numbers can be listed"
                )
        told = _only(schema, *_TOLD)
        for word, value in _only(schema, *_KEPT).items():
            (written if _is_taken(word, value) else told)[word] = value
        if "object" in kinds:
            written |= self._object(schema, at, open_refs)
            told.pop("propertyNames", None)
        if "array" in kinds:
            written |= self._array(schema, at, open_refs, told)
        return _telling(written, told)

    def _object(self, schema: Json, at: _Path, open_refs: frozenset[str]) -> Json:
        """Closed, and with every property required."""
        properties = self._properties_of(schema, at)
        required = schema.get("required", ())
        written = {}
        for name, part in properties.items():
            if name not in required and _is_never(part):
                continue
            value = self._schema(part, (*at, "properties", name), open_refs)
            written[name] = value if name in required else _nullable(value)
        return {"properties": written, "required": list(written), "additionalProperties": False}

    def _properties_of(self, schema: Json, at: _Path) -> Mapping[str, Any]:
        """The properties that are known by name. Raises UsageError where the names are open."""
        properties = dict(schema.get("properties") or {})
        others = schema.get("additionalProperties", schema.get("unevaluatedProperties"))
        names = _names_in(schema.get("propertyNames"))
        if names and isinstance(others, dict):
            properties = {**dict.fromkeys(names, others), **properties}
        for name in schema.get("required", ()):
            if name not in properties and isinstance(others, dict):
                properties[name] = others
            elif name not in properties:
                raise self._cannot(at, "required", f"there is no property {name}")
        is_closed = others is False or (others is None and "properties" in schema)
        if (word := _open_word(schema)) or not (properties or is_closed):
            word = word or ("propertyNames" if schema.get("propertyNames") else "additionalProperties")
            raise self._cannot(at, word, "the names of properties are open")
        return properties

    def _array(self, schema: Json, at: _Path, open_refs: frozenset[str], told: Json) -> Json:
        """A list; a tuple is a list of as many items, each of one of its kinds."""
        items, first = schema.get("items"), schema.get("prefixItems")
        if isinstance(items, list):
            items, first = schema.get("additionalItems"), items
        if not first:
            if items is None or items is True:
                raise self._cannot(at, "items", "it says nothing of the items")
            return {"items": self._schema(items, (*at, "items"), open_refs)}
        word = "prefixItems" if "prefixItems" in schema else "items"
        kinds: list[Json] = []
        for index, part in enumerate(first):
            kind = self._schema(part, (*at, word, str(index)), open_refs)
            kinds += [kind] if kind not in kinds else []
        size = {"minItems": len(first), "maxItems": len(first)}
        if isinstance(items, dict) and "not" not in items:
            kinds.append(self._schema(items, (*at, "items"), open_refs))
            size = {"minItems": max(len(first), schema.get("minItems", 0)), **_only(schema, "maxItems")}
        if len(kinds) > 1:
            told["in this order"] = first
        return {"items": kinds[0] if len(kinds) == 1 else {"anyOf": kinds}, **size}

    def _named(self, ref: str, at: _Path) -> str:
        """The reference to a definition, which is written now if it is not yet."""
        pointer = pointer_of(self._root, ref)
        target = self._target(ref, at)
        if pointer == "" or pointer is None:
            return "#"
        if pointer not in self._names:
            last = re.sub(r"\W+", "_", pointer.rpartition("/")[2]) or "item"
            name = last if pointer.count("/") == 2 else f"{last}_{len(self._names) + 1}"
            while name in self._definitions:
                name += "_"
            self._names[pointer] = name
            self._definitions[name] = {}
            self._definitions[name] = self._schema(target, tuple(pointer.split("/")[1:]), frozenset())
        return f"#/$defs/{self._names[pointer]}"

    def _target(self, ref: str, at: _Path) -> Any:
        pointer = pointer_of(self._root, ref)
        try:
            return found(self._root, "/?" if pointer is None else pointer)
        except (KeyError, IndexError, TypeError, ValueError):
            raise self._cannot(at, "$ref", f"{ref} is not found") from None

    def _merged(self, parts: list[Any], at: _Path) -> Json:
        try:
            return merged(parts)
        except Clash as word:
            raise self._cannot(at, "allOf", f"its parts differ in {word}") from None

    def _cannot(self, at: _Path, keyword: str, why: str) -> UsageError:
        path = "".join(f"/{escaped(part)}" for part in at).removeprefix(self._shown_from) or "the root"
        return UsageError(
            f"--schema: strict mode cannot take {keyword} at {path}: {why}",
            todo="mend the schema, or send it as it is with --no-strict",
        )


def _kinds(kind: Any) -> list[Any]:
    return kind if isinstance(kind, list) else [kind]


def _without(schema: Json, *words: str) -> Json:
    return {key: value for key, value in schema.items() if key not in words}


def _only(schema: Json, *words: str) -> Json:
    return {word: schema[word] for word in words if word in schema}


def _kind_of(schema: Json) -> Any:
    """The type of a schema that does not name one, from its other words; None where they say nothing of it."""
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if values:
        kinds = list(dict.fromkeys(_KIND.get(type(value), "object") for value in values))
        return kinds[0] if len(kinds) == 1 else kinds
    return next((kind for kind, words in _BY_WORD.items() if any(word in schema for word in words)), None)


def _is_taken(word: str, value: Any) -> bool:
    """Whether strict mode takes a word with this value."""
    if word == "format":
        return value in _FORMATS
    if word == "pattern":
        return not _LOOKS_AROUND.search(value)
    return type(value) is not bool  # as draft 4 has it of exclusiveMinimum


def _is_never(schema: Any) -> bool:
    """Whether no value fits: `false`, and `{"not": {}}`."""
    return schema is False or (
        isinstance(schema, dict) and schema.get("not") in ({}, True) and len(schema) == 1
    )


def _open_word(schema: Json) -> str | None:
    """The word that asks for properties by no name; one that only lets them pass (`true`, `{}`) does not."""
    if not all(_is_never(part) for part in (schema.get("patternProperties") or {}).values()):
        return "patternProperties"
    word = next((word for word in ("additionalProperties", "unevaluatedProperties") if word in schema), "")
    others = schema.get(word)
    if _names_in(schema.get("propertyNames")) or not isinstance(others, dict) or _is_never(others):
        return None
    return ("propertyNames" if "propertyNames" in schema else word) if others else None


def _only_requires(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.keys() == {"required"}


def _names_in(schema: Any) -> list[str]:
    """The names that a schema for names lists, if it lists them."""
    if not isinstance(schema, dict):
        return []
    if "const" in schema:
        return [schema["const"]]
    listed = schema.get("enum") or [name for part in schema.get("anyOf", ()) for name in _names_in(part)]
    return [name for name in listed if isinstance(name, str)]


def _nullable(schema: Json) -> Json:
    """The schema, or null."""
    kind = schema.get("type")
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], *([] if _NULL in schema["anyOf"] else [_NULL])]}
    if kind is None or "enum" in schema or "const" in schema:
        inner = _without(schema, "description")
        return {**_only(schema, "description"), "anyOf": [inner, _NULL]}
    kinds = _kinds(kind)
    return {**schema, "type": kind if "null" in kinds else [*kinds, "null"]}


def _telling(schema: Json, told: Json) -> Json:
    """The schema with what it cannot say told in its description."""
    if not told:
        return schema
    words = ", ".join(f"{word}: {jsonl.dumps(value).decode()}" for word, value in told.items())
    said = schema.get("description")
    return {**schema, "description": f"{said} ({words})" if said else words}
