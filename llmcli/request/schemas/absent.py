"""Absent: null, where strict mode had an optional property sent as nullable, taken for a property that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmcli import jsonl
from llmcli.request.schemas.pointers import escaped, found, pointer_of
from llmcli.request.schemas.validation import validators_by_pointer
from llmcli.wire import Json


def without_nulls(value: Any, schema: Json) -> Any:
    """The value less each null of an optional property that the schema itself does not let be null.

    `schema` is valid, and the user's own. What needs no change is returned as it is.
    """
    if not _holds_null(value):
        return value
    return _Reader(schema).read(value, "")


def _holds_null(value: Any) -> bool:
    todo = [value]
    while todo:
        part = todo.pop()
        if part is None:
            return True
        todo += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return False


class _Reader:
    """Walks a value along a schema. Schemas are named by their JSON pointers."""

    def __init__(self, root: Json) -> None:
        self._root = root
        self._validators = validators_by_pointer(jsonl.dumps(root))

    def read(self, value: Any, at: str, via: frozenset[str] = frozenset()) -> Any:
        """The value as the schema at a pointer has it. `via`: the pointers that led here from the same value."""
        schema = found(self._root, at)
        if at in via or not isinstance(schema, dict) or not isinstance(value, (dict, list)):
            return value
        via |= {at}
        for inner in self._all_of(schema, at):
            value = self.read(value, inner, via)
        for word in ("anyOf", "oneOf"):
            if isinstance(schema.get(word), list):
                value = self._alternative(value, [f"{at}/{word}/{i}" for i in range(len(schema[word]))], via)
        return (
            self._properties(value, schema, at) if isinstance(value, dict) else self._items(value, schema, at)
        )

    def _all_of(self, schema: Json, at: str) -> Iterator[str]:
        """The pointers of schemas that hold beside this one."""
        if isinstance(schema.get("$ref"), str):
            pointer = pointer_of(self._root, schema["$ref"])
            if pointer is not None:
                yield pointer
        yield from (f"{at}/allOf/{index}" for index in range(len(schema.get("allOf") or ())))

    def _alternative(self, value: Any, pointers: list[str], via: frozenset[str]) -> Any:
        """The value as the first alternative has it that it then fits; as it is where it fits none."""
        for pointer in pointers:
            candidate = self.read(value, pointer, via)
            if self._fits(candidate, pointer):
                return candidate
        return value

    def _properties(self, value: Json, schema: Json, at: str) -> Json:
        known, required = schema.get("properties") or {}, schema.get("required") or ()
        kept = {}
        for name, part in value.items():
            pointer = f"{at}/properties/{escaped(name)}" if name in known else self._others(schema, at)
            if pointer is None:
                kept[name] = part
            elif part is not None or name in required or name not in known or self._fits(None, pointer):
                kept[name] = self.read(part, pointer)
        return kept

    def _others(self, schema: Json, at: str) -> str | None:
        return f"{at}/additionalProperties" if isinstance(schema.get("additionalProperties"), dict) else None

    def _items(self, value: list[Any], schema: Json, at: str) -> list[Any]:
        word = "prefixItems" if "prefixItems" in schema else "items"
        first = schema[word] if isinstance(schema.get(word), list) else []
        rest = "items" if word == "prefixItems" or not first else "additionalItems"
        read = [self.read(part, f"{at}/{word}/{index}") for index, part in enumerate(value[: len(first)])]
        if not isinstance(schema.get(rest), dict):
            return read + value[len(first) :]
        return read + [self.read(part, f"{at}/{rest}") for part in value[len(first) :]]

    def _fits(self, value: Any, pointer: str) -> bool:
        validator = self._validators.get(f"#{pointer}")
        try:
            return validator is None or validator.is_valid(value)
        except ValueError:  # half a surrogate pair
            return False
