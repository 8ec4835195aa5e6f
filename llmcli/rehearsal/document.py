"""Owns the document of a schema: what its references point to, and whether a value is valid for a schema in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from llmcli.rehearsal.keywords import Schema
from llmcli.request.schemas.validation import validator_of_part


class Document:
    """A JSON Schema as the place that references in it, and in schemas made from its parts, point into."""

    def __init__(self, root: Schema) -> None:
        self.root = root
        self._whole = root if isinstance(root, Mapping) else {}
        self._validators: dict[int, tuple[Schema, Any]] = {}

    def holds(self, value: Any, schema: Schema) -> bool:
        """Tell whether a value is valid for a schema; every value is for one that is malformed or too deep."""
        if not isinstance(schema, Mapping):
            return schema is not False
        try:
            return bool(self._validator(schema).is_valid(value))
        except ValueError:
            return True

    def _validator(self, schema: Mapping[str, Any]) -> Any:
        kept = self._validators.get(id(schema))
        if kept is None:  # the schema is kept with its validator, or another might come to have its id
            kept = self._validators[id(schema)] = schema, validator_of_part(schema, self._whole)
        return kept[1]

    def resolve(self, ref: str) -> Schema:
        """Give the schema that a reference points to; one outside the document asks for nothing."""
        fragment = unquote(ref[1:])
        if ref.startswith("#/"):
            return _follow(self.root, fragment)
        if ref == "#":
            return self.root
        named = (part for part in _parts(self.root) if _named(part, ref, fragment))
        return next(named, True)


def _named(part: Mapping[str, Any], ref: str, fragment: str) -> bool:
    if ref.startswith("#"):
        return fragment in (part.get("$anchor"), part.get("$dynamicAnchor")) or part.get("$id") == ref
    return part.get("$id") == ref


def _follow(root: Any, pointer: str) -> Schema:
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(root, list) and name.isdecimal() and int(name) < len(root):
            root = root[int(name)]
        elif isinstance(root, Mapping) and name in root:
            root = root[name]
        else:
            return True
    return root if isinstance(root, Mapping | bool) else True


def _parts(root: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
