"""Owns the verdict: whether a value is valid for a JSON Schema, and what its references point to."""

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from llmcli.transport.instances.keywords import Schema, Words, exact, is_type, members, read, same
from llmcli.transport.instances.patterns import found

_Tests = dict[str, Callable[[Any, Any], bool]]


class Judge:
    """Says whether values are valid for the schemas of one document.

    Formats are not judged, and `unevaluated...` counts as absent.
    """

    def __init__(self, root: Schema) -> None:
        self.root = root
        self._open: set[tuple[str, int]] = set()

    def holds(self, value: Any, schema: Schema) -> bool:
        """Tell whether a value is valid for a schema."""
        if not isinstance(schema, Mapping):
            return schema is not False
        words = read(schema)
        words.pop("unevaluatedProperties", None)
        plain = all(test(value, words[word]) for word, test in _tests(value).items() if word in words)
        return plain and self._combined(value, words) and self._inside(value, words)

    def _combined(self, value: Any, words: Words) -> bool:
        branch = "then" if "if" in words and self.holds(value, words["if"]) else "else"
        return (
            all(self.holds(value, schema) for schema in words.get("allOf", []))
            and any(self.holds(value, schema) for schema in words.get("anyOf", [True]))
            and sum(self.holds(value, schema) for schema in words.get("oneOf", [True])) == 1
            and not self.holds(value, words.get("not", False))
            and ("if" not in words or self.holds(value, words.get(branch, True)))
            and ("$ref" not in words or self._points(value, words["$ref"]))
        )

    def _points(self, value: Any, ref: str) -> bool:
        step = (ref, id(value))
        if step in self._open:  # a schema that is its own definition asks for nothing
            return True
        self._open.add(step)
        try:
            return self.holds(value, resolve(self.root, ref))
        finally:
            self._open.discard(step)

    def _inside(self, value: Any, words: Words) -> bool:
        if isinstance(value, list):
            return self._items(value, words)
        return not isinstance(value, dict) or self._members(value, words)

    def _items(self, value: list[Any], words: Words) -> bool:
        schemas = [*words.get("prefixItems", []), *[words.get("items", True)] * len(value)]
        if not all(self.holds(item, schema) for item, schema in zip(value, schemas, strict=False)):
            return False
        hits = sum(self.holds(item, words["contains"]) for item in value) if "contains" in words else 1
        return (
            words.get("minContains", 1) <= hits <= words.get("maxContains", hits) or "contains" not in words
        )

    def _members(self, value: Words, words: Words) -> bool:
        needs = words.get("dependentRequired", {}).items()
        extras = words.get("dependentSchemas", {}).items()
        names = words.get("propertyNames", True)
        return (
            all(set(others) <= value.keys() for name, others in needs if name in value)
            and all(self.holds(value, schema) for name, schema in extras if name in value)
            and all(self.holds(name, names) for name in value)
            and all(
                self.holds(part, schema) for name, part in value.items() for schema in members(words, name)
            )
        )


_ANY: _Tests = {
    "type": lambda value, kinds: any(is_type(value, kind) for kind in kinds),
    "enum": lambda value, known: any(same(value, other) for other in known),
}
_OF_NUMBERS: _Tests = _ANY | {
    "minimum": operator.ge,
    "maximum": operator.le,
    "exclusiveMinimum": operator.gt,
    "exclusiveMaximum": operator.lt,
    "multipleOf": lambda value, step: exact(value) % exact(step) == 0,
}
_OF_TEXTS: _Tests = _ANY | {
    "minLength": lambda text, least: len(text) >= least,
    "maxLength": lambda text, most: len(text) <= most,
    "pattern": lambda text, patterns: all(found(pattern, text) for pattern in patterns),
}
_OF_LISTS: _Tests = _ANY | {
    "minItems": lambda items, least: len(items) >= least,
    "maxItems": lambda items, most: len(items) <= most,
    "uniqueItems": lambda items, wanted: not wanted or distinct(items),
}
_OF_TABLES: _Tests = _ANY | {
    "minProperties": lambda table, least: len(table) >= least,
    "maxProperties": lambda table, most: len(table) <= most,
    "required": lambda table, names: table.keys() >= set(names),
}


_BY_KIND = {"string": _OF_TEXTS, "array": _OF_LISTS, "object": _OF_TABLES, "number": _OF_NUMBERS}


def _tests(value: Any) -> _Tests:
    return next((tests for kind, tests in _BY_KIND.items() if is_type(value, kind)), _ANY)


def distinct(items: list[Any]) -> bool:
    """Tell whether no two items are the same."""
    return not any(same(item, other) for place, item in enumerate(items) for other in items[:place])


def resolve(root: Schema, ref: str) -> Schema:
    """Give the schema that a reference points to; one outside the document asks for nothing."""
    fragment = unquote(ref[1:])
    if ref.startswith("#/"):
        return _follow(root, fragment)
    if ref == "#":
        return root
    named = (part for part in _parts(root) if _named(part, ref, fragment))
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
